"""What a reader process is told to read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

OrderKind = Literal["network", "v4l2", "pipeline"]


@dataclass(frozen=True, slots=True)
class ReaderOrder:
    """Handed over by standard input: an address may hold a password, and everyone can read argv."""

    kind: OrderKind
    timeout_seconds: float
    """No frame for this long: the camera is opened again."""
    address: str = ""
    """URL or device."""
    elements: tuple[str, ...] = ()
    """Of a GStreamer pipeline that ends in raw BGR, as words of ``gst-launch-1.0``."""
    width_px: int = 0
    """Asked of a device; what a pipeline gives."""
    height_px: int = 0
    fps: float = 0.0
    memory_fd: int = -1
    wake_fd: int = -1
    parent_pid: int = 0

    def to_json(self) -> str:
        """Text for the reader's standard input."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ReaderOrder:
        """The order again."""
        values = json.loads(text)
        return cls(**{**values, "elements": tuple(values["elements"])})
