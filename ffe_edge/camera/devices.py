"""V4L2 cameras: is there one, and may we?"""

from __future__ import annotations

import os
from pathlib import Path

from ffe_edge.errors import SourceError


def checked_device(source: str) -> str:
    """Path of the camera's device, from a path or a plain index.

    Raises:
        SourceError: it is not there, is no device, or may not be read.
    """
    path = Path(f"/dev/video{int(source)}" if source.isdigit() else source)
    if not path.exists():
        raise SourceError(f"{path}: no such camera; connect it, or choose one of: {_present()}")
    if not path.is_char_device():
        raise SourceError(f"{path}: is no camera device; choose one of: {_present()}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{path}: may not be read; `sudo usermod -aG video $USER`, then log in again")
    return str(path)


def _present() -> str:
    return ", ".join(sorted(str(path) for path in Path("/dev").glob("video[0-9]*"))) or "none is connected"
