"""Facial expressions of elderly people, read at the edge."""

__version__ = "0.1.0"
