"""A live camera as a frame source: a reader process that can be killed, and that is started again for ever."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Final, Literal

from ffe_edge.camera.order import ReaderOrder
from ffe_edge.camera.pacing import Closing, wait_readable
from ffe_edge.camera.process import ReaderProcess
from ffe_edge.camera.slot import SharedMemory, Stamped
from ffe_edge.types import Frame

logger = logging.getLogger(__name__)

CameraState = Literal["starting", "online", "stalled", "offline"]
OnState = Callable[[CameraState, str], None]

START_SECONDS: Final = 10.0
"""What a reader gets on top of the time-out before its first frame: it starts, opens and waits for a key frame."""
LOOK_SECONDS: Final = 0.25
"""How often a silent reader is looked at."""
STEADY_SECONDS: Final = 10.0
"""A camera that gave frames for this long is in order: its back-off begins anew."""
BACKOFF_MAX_SECONDS: Final = 60.0


class LiveSource:
    """The latest frame of a camera, for ever, until ``close``.

    ``seconds`` is the monotonic clock. Frames that come while the last one is worked on are counted as dropped.
    """

    def __init__(self, name: str, order: ReaderOrder, on_state: OnState | None = None) -> None:
        """Prepare; the camera is opened by the first iteration.

        Args:
            name: how messages call the camera, without credentials.
            order: what the reader process reads.
            on_state: told each change of ``state``, on the iterating thread.
        """
        self.name = name
        self.state: CameraState = "starting"
        self.reason = ""
        """Why it is in this state."""
        self.dropped = 0
        """Frames that were overtaken by a later one."""
        self.alive_seconds = time.monotonic()
        """Monotonic clock of the last look at the camera; in the future while the next one is not due."""
        self.on_state = on_state
        self._closing = Closing()
        self._memory = SharedMemory()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        weakref.finalize(self, os.close, self._wake)
        self._order = replace(order, memory_fd=self._memory.fd, wake_fd=self._wake)
        self._reader: ReaderProcess | None = None
        self._reader_lock = threading.RLock()
        self._taken = 0
        self._given = 0

    def __iter__(self) -> Iterator[Frame]:
        failures = 0
        try:
            while not self._closing.is_set:
                started, given = time.monotonic(), self._given
                reason = yield from self._session()
                self._tell("offline", reason)
                was_steady = self._given > given and time.monotonic() - started > STEADY_SECONDS
                failures = 0 if was_steady else failures + 1
                pause = backoff_seconds(failures, random.uniform(0.5, 1.0))
                self.alive_seconds = time.monotonic() + pause
                self._closing.wait(pause)
        finally:
            self._stop_reader()

    def close(self) -> None:
        """Release the camera. From another thread or a signal handler; a blocked iteration ends at once."""
        self._closing.set()
        self._stop_reader()

    def _session(self) -> Generator[Frame, None, str]:
        """Frames of one reader process; returns why there are no more."""
        self._leave_old_frames()
        reader = self._start_reader()
        seen = time.monotonic() + START_SECONDS
        while reader is not None and not self._closing.is_set:
            self.alive_seconds = time.monotonic()
            reader.listen()
            if reader.has_new_size:
                self._stop_reader()
                return "its pictures have another size now"
            if (stamped := self._memory.slot.read(self._taken)) is not None:
                seen = stamped.seconds
                self._tell("online", "frames arrive")
                yield self._frame(stamped)
            elif not reader.is_running:
                return reader.last_words() or "the reader process ended"
            elif self._is_given_up(time.monotonic() - seen):
                self._stop_reader()
                return f"no frame for {self._order.timeout_seconds:g} s"
            elif self._woken():
                seen = max(seen, time.monotonic())
        return "closed"

    def _leave_old_frames(self) -> None:
        """What the last reader wrote and nobody took is of no use: it would tell a camera that is lost as online."""
        latest = self._memory.slot.latest()
        self.dropped += latest - self._taken
        self._taken = latest

    def _is_given_up(self, silent_seconds: float) -> bool:
        """Whether a reader has been silent for too long; for half of that the camera counts as stalled."""
        half = self._order.timeout_seconds / 2
        if silent_seconds > half and self.state == "online":
            self._tell("stalled", f"no frame for {half:g} s")
        return silent_seconds > self._order.timeout_seconds

    def _woken(self) -> bool:
        """Wait for the reader to tell of a frame, but not for long."""
        if self._wake not in wait_readable((self._wake, self._closing.fileno()), LOOK_SECONDS):
            return False
        os.eventfd_read(self._wake)
        return True

    def _frame(self, stamped: Stamped) -> Frame:
        self.dropped += stamped.number - self._taken - 1
        self._taken = stamped.number
        frame = Frame(stamped.image, self._given, stamped.seconds, stamped.captured_at)
        self._given += 1
        return frame

    def _tell(self, state: CameraState, reason: str) -> None:
        if self._closing.is_set or (state, reason) == (self.state, self.reason):
            return
        self.state, self.reason = state, reason
        logger.log(logging.INFO if state == "online" else logging.WARNING, "%s is %s: %s", self.name, state, reason)
        if self.on_state is not None:
            self.on_state(state, reason)

    def _start_reader(self) -> ReaderProcess | None:
        with self._reader_lock:
            self._reader = None if self._closing.is_set else ReaderProcess(self._order)
            return self._reader

    def _stop_reader(self) -> None:
        with self._reader_lock:
            if self._reader is not None:
                self._reader.stop()


def backoff_seconds(failures: int, jitter: float) -> float:
    """How long to wait before opening again: 1, 2, 4 ... 60 seconds times ``jitter``."""
    return min(BACKOFF_MAX_SECONDS, 2.0 ** min(max(0, failures - 1), 6)) * jitter
