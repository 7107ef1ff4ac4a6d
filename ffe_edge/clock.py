"""Which boot this is, and whether the wall clock can be believed."""

from __future__ import annotations

import ctypes
import uuid
from pathlib import Path
from typing import Final

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
TIMEX_BYTES: Final = 512
"""More than ``struct timex`` takes on any Linux; all zero means: change nothing, only tell."""
TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""


def boot_id() -> str:
    """The same until the machine restarts; where the system tells none, one for this process."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return str(uuid.uuid4())


def clock_is_synchronised() -> bool:
    """Whether the kernel's clock is disciplined by NTP or the like; False where that cannot be told."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    state = int(adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    return 0 <= state < TIME_ERROR
