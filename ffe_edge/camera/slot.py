"""The latest frame of a reader process, in memory that it shares with us.

The memory is a ``memfd``: it has no name, so nothing is left behind however either process ends, and pages that are
never written cost nothing. Three slots are written in turn; each holds its frame's number, which is 0 while the slot
is written and is looked at again after a copy, so a torn frame is never given.
"""

from __future__ import annotations

import mmap
import os
import struct
import weakref
from datetime import datetime, timezone
from typing import Final, NamedTuple

import numpy as np

from ffe_edge.camera.limits import MAX_IMAGE_BYTES
from ffe_edge.types import ImageArray

SLOTS: Final = 3
_LATEST: Final = struct.Struct("<Q")
_STAMP: Final = struct.Struct("<QddII")  # number, monotonic seconds, UTC seconds, height, width
_PAGE: Final = mmap.PAGESIZE
_SLOT_BYTES: Final = _PAGE + -(-MAX_IMAGE_BYTES // _PAGE) * _PAGE
_MEMORY_BYTES: Final = _PAGE + SLOTS * _SLOT_BYTES


class Stamped(NamedTuple):
    """A frame as the reader wrote it."""

    number: int
    """From 1, over all readers of one memory."""
    image: ImageArray
    """(H, W, 3) uint8 BGR, a copy."""
    seconds: float
    """Monotonic clock, the same in every process."""
    captured_at: datetime


class FrameSlot:
    """Memory for the latest frame: one process writes, one reads."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, _MEMORY_BYTES)

    def write(self, image: ImageArray, seconds: float, utc_seconds: float) -> None:
        """Put a frame where the reading side finds it."""
        number = self.latest() + 1
        start = _slot_start(number)
        height, width = image.shape[:2]
        _STAMP.pack_into(self._memory, start, 0, seconds, utc_seconds, height, width)
        pixels = np.frombuffer(self._memory, np.uint8, image.size, start + _PAGE)
        pixels.reshape(image.shape)[:] = image
        _LATEST.pack_into(self._memory, start, number)
        _LATEST.pack_into(self._memory, 0, number)

    def read(self, after: int) -> Stamped | None:
        """The latest frame, None when its number is not above ``after``."""
        while (number := self.latest()) > after:
            start = _slot_start(number)
            stamp, seconds, utc_seconds, height, width = _STAMP.unpack_from(self._memory, start)
            if stamp != number:
                return None  # the writer is three frames further, or died in this slot: the next frame will do
            pixels = np.frombuffer(self._memory, np.uint8, height * width * 3, start + _PAGE)
            image = pixels.reshape(height, width, 3).copy()
            if _LATEST.unpack_from(self._memory, start)[0] == number:
                return Stamped(number, image, seconds, datetime.fromtimestamp(utc_seconds, timezone.utc))
        return None

    def latest(self) -> int:
        """Number of the last frame that was written, 0 before the first."""
        return int(_LATEST.unpack_from(self._memory, 0)[0])


class SharedMemory:
    """The reading side's end: makes the memory and frees it with itself."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ffe-camera", os.MFD_CLOEXEC)
        weakref.finalize(self, os.close, self.fd)
        os.ftruncate(self.fd, _MEMORY_BYTES)
        self.slot = FrameSlot(self.fd)


def _slot_start(number: int) -> int:
    return _PAGE + (number % SLOTS) * _SLOT_BYTES
