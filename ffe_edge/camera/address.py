"""Addresses of cameras."""

from __future__ import annotations

from typing import Final

NETWORK_SCHEMES: Final = ("rtsp", "rtsps", "http", "https")


def scheme_of(source: str) -> str:
    """The part before ``://``, in lower case; empty without one."""
    scheme, separator, _ = source.partition("://")
    return scheme.lower() if separator else ""
