"""Locks on open files, which the kernel lets go of when their holder ends, however it ends."""

from __future__ import annotations

import fcntl
import time


def took(descriptor: int) -> bool:
    """Whether the lock on an open file is ours now; False: another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def took_within(descriptor: int, seconds: float, poll_seconds: float) -> bool:
    """The same, asked again and again for so long."""
    end = time.monotonic() + seconds
    while not took(descriptor):
        if time.monotonic() > end:
            return False
        time.sleep(poll_seconds)
    return True
