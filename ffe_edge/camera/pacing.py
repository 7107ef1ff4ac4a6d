"""Waiting that ends at once when a source is closed, and frames given at the speed of their own clock."""

from __future__ import annotations

import os
import select
import time
import weakref
from collections.abc import Callable, Iterable, Iterator

from ffe_edge.types import Frame


class Closing:
    """A flag that ends every wait. A file descriptor, not a lock: a signal handler may set it at any moment."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._is_set = False
        weakref.finalize(self, os.close, self._fd)

    @property
    def is_set(self) -> bool:
        """Whether the source has been closed."""
        return self._is_set

    def set(self) -> None:
        """Close: everyone who waits wakes up."""
        self._is_set = True
        os.eventfd_write(self._fd, 1)

    def wait(self, seconds: float) -> bool:
        """Sleep, or until closed; tells whether it is closed."""
        if seconds > 0 and not self._is_set:
            wait_readable((self._fd,), seconds)
        return self._is_set

    def fileno(self) -> int:
        """Readable once closed."""
        return self._fd


def wait_readable(fds: Iterable[int], seconds: float) -> set[int]:
    """The descriptors that can be read, as soon as there is one; none when the time is over."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(max(0.0, seconds) * 1000)}


def paced(frames: Iterable[Frame], closing: Closing, clock: Callable[[], float] = time.monotonic) -> Iterator[Frame]:
    """Each frame when its own ``seconds`` have passed since the first; late ones at once."""
    start: float | None = None
    for frame in frames:
        if start is None:
            start = clock() - frame.seconds
        if closing.wait(start + frame.seconds - clock()):
            return
        yield frame
