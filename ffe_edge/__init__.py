"""Facial expressions of elderly people, read at the edge."""

import os

__version__ = "0.1.0"

# Nothing leaves the device: ONNX Runtime from 1.29 on would tell its maker of this machine, and keep an id on its disk.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
