"""One camera's frames, read in a thread of their own and handed to the loop one at a time."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from typing import Final

from ffe_edge.camera import LiveSource, is_live, open_source
from ffe_edge.camera.live import OnState, backoff_seconds
from ffe_edge.config import CameraSettings
from ffe_edge.errors import SourceError
from ffe_edge.redaction import redacted
from ffe_edge.stopwatch import Stopwatch
from ffe_edge.types import Frame, FrameSource

logger = logging.getLogger(__name__)

JOIN_SECONDS: Final = 1.5
"""What a reading thread gets to end after its source was closed."""


class Feed:
    """Reads one camera for the loop.

    Of a live camera the next frame is read when the loop has finished the last one, so that it is the latest. Of a file
    it is read ahead: none is lost, and decoding and inference go side by side.
    """

    def __init__(
        self, settings: CameraSettings, news: threading.Condition, on_state: OnState, stopwatch: Stopwatch
    ) -> None:
        """Prepare; nothing is read before ``start``.

        Args:
            settings: the camera.
            news: notified when there is a frame or the end; also guards the hand-over.
            on_state: told each change of the camera's state, from any thread.
            stopwatch: notes how long frames take to come.
        """
        self.settings = settings
        self.is_live = is_live(settings.source)
        self.failure: SourceError | None = None
        """Why it ended, where it should not have."""
        self.has_ended = False
        self.frames = 0
        """Given to the loop so far."""
        self.last_seconds: float | None = None
        """Monotonic clock when the loop last took a frame."""
        self._on_state = on_state
        self._stopwatch = stopwatch
        self._news = news
        self._frame: Frame | None = None
        self._in_work = False
        self._alive_seconds = time.monotonic()
        self._closing = threading.Event()
        self._source: FrameSource | None = None
        self._thread = threading.Thread(target=self._run, name=f"camera-{settings.id}", daemon=True)

    def open(self) -> None:
        """Look whether there is such a source. A live camera is opened by ``start``, again and again.

        Raises:
            SourceError: there is no such file, device or kind of source.
        """
        self._source = open_source(self.settings, self._on_state)

    def start(self) -> None:
        """Read from now on."""
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames of a live camera that were overtaken by a later one."""
        return self._source.dropped if isinstance(self._source, LiveSource) else 0

    @property
    def is_ready(self) -> bool:
        """Whether a frame waits for the loop."""
        return self._frame is not None

    @property
    def alive_seconds(self) -> float:
        """When reading last showed a sign of life; now, while the loop has not taken what was read."""
        if self._frame is not None or (self.has_ended and self.failure is None):
            return time.monotonic()
        if isinstance(self._source, LiveSource):
            return max(self._alive_seconds, self._source.alive_seconds)
        return self._alive_seconds

    def take(self) -> Frame | None:
        """The frame that waits, if there is one; ``release`` is to follow. For the loop."""
        with self._news:
            frame, self._frame = self._frame, None
            self._in_work = frame is not None
            self._alive_seconds = time.monotonic()
            self.frames += self._in_work
            self.last_seconds = self._alive_seconds if self._in_work else self.last_seconds
            self._news.notify_all()
        return frame

    def release(self) -> None:
        """The frame taken is finished. For the loop."""
        with self._news:
            self._in_work = False
            self._alive_seconds = time.monotonic()
            self._news.notify_all()

    def close(self) -> None:
        """Release the camera. For any thread, more than once."""
        self._closing.set()
        if self._source is not None:
            self._source.close()
        with self._news:
            self._news.notify_all()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        self.failure = SourceError(f"{self.settings.id}: the thread that reads it broke off; see the log")
        try:
            for frame in self._stopwatch.timed_items("decode", self._frames()):
                self._hand_over(frame)
            self.failure = None
        except SourceError as error:
            self.failure = error
        finally:
            with self._news:
                self.has_ended = True
                self._news.notify_all()

    def _frames(self) -> Iterator[Frame]:
        failures = 0
        while not self._closing.is_set():
            try:
                if self._source is None:
                    self.open()
            except SourceError as error:
                failures += 1
                self._wait_to_open_again(error, failures)
                continue
            if self._source is not None and not self._closing.is_set():
                yield from self._source
            return

    def _wait_to_open_again(self, error: SourceError, failures: int) -> None:
        """A live camera that is not there may come; anything else will not."""
        if not self.is_live:
            raise error
        if failures == 1:
            logger.warning("%s", redacted(str(error)))
        self._on_state("offline", redacted(str(error)))
        pause = backoff_seconds(failures, random.uniform(0.5, 1.0))
        self._alive_seconds = time.monotonic() + pause
        self._closing.wait(pause)

    def _hand_over(self, frame: Frame) -> None:
        if frame.index == 0:
            self._on_state("online", "frames arrive")
        with self._news:
            self._frame = frame
            self._news.notify_all()
            self._news.wait_for(self._may_read_on)
            self._alive_seconds = time.monotonic()

    def _may_read_on(self) -> bool:
        is_free = self._frame is None and not (self.is_live and self._in_work)
        return is_free or self._closing.is_set()
