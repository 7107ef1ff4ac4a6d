"""One camera as the daemon sees it: its feed, its state, and what it has told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from ffe_edge.config import CameraSettings
from ffe_edge.errors import SourceError
from ffe_edge.messages import CameraState
from ffe_edge.service_feed import Feed
from ffe_edge.service_watch import SignOfLife
from ffe_edge.stopwatch import Stopwatch
from ffe_edge.types import Frame

logger = logging.getLogger(__name__)

RETIRED: Final = "removed from the settings"

Tell = Callable[[str, CameraState, str], None]
"""Told a camera's id, its new state and the reason."""


class Camera:
    """A camera of the settings. That it may not be looked at is told before what its source does."""

    def __init__(
        self, settings: CameraSettings, news: threading.Condition, tell: Tell, stopwatch: Stopwatch | None = None
    ) -> None:
        """Prepare.

        Args:
            settings: the camera.
            news: notified when it has a frame or has ended.
            tell: told each change of its state, from any thread.
            stopwatch: notes how long frames take to come.
        """
        self.settings = settings
        self.id = settings.id
        self.events = 0
        self.feed = Feed(settings, news, self._source_is, stopwatch or Stopwatch()) if settings.enabled else None
        self.is_finished = False
        """Its end has been dealt with."""
        self._tell = tell
        self._mutex = threading.Lock()
        self._source: tuple[CameraState, str] = ("starting", "opening")
        self._hidden: tuple[CameraState, str] | None = None
        self._told: tuple[CameraState, str] | None = None
        self._retired = False

    @property
    def state(self) -> CameraState:
        """What it does now."""
        return self._state()[0]

    @property
    def reason(self) -> str:
        """Why it does that."""
        return self._state()[1]

    @property
    def is_live(self) -> bool:
        """Whether it has no end."""
        return self.feed is not None and self.feed.is_live

    @property
    def has_ended(self) -> bool:
        """Whether its last frame was taken, and its end has not been dealt with."""
        feed = self.feed
        return feed is not None and feed.has_ended and not feed.is_ready and not self.is_finished

    @property
    def has_news(self) -> bool:
        """Whether the loop has something to do for it."""
        return self.has_ended or (self.feed is not None and self.feed.is_ready)

    def open(self) -> SourceError | None:
        """Look whether there is such a source. A live one that is not there may come: the error is returned.

        Raises:
            SourceError: there is none, and none can come.
        """
        try:
            if self.feed:
                self.feed.open()
        except SourceError as error:
            if self.is_live:
                return error
            raise
        return None

    def take(self) -> Frame | None:
        """The frame that waits, if there is one; ``release`` is to follow."""
        return self.feed.take() if self.feed else None

    def release(self) -> None:
        """The frame taken is finished."""
        if self.feed:
            self.feed.release()

    def start(self) -> None:
        """Tell the state, and read from now on."""
        self._announce()
        if self.feed:
            self.feed.start()

    @property
    def is_hidden(self) -> bool:
        """Whether it may not be looked at."""
        return self._hidden is not None

    def hide(self, hidden: tuple[CameraState, str] | None) -> None:
        """It may not be looked at from now on, and is told so; None: it may again. For any thread."""
        self._hidden = hidden
        self._announce()

    def ended(self) -> None:
        """Its source has no more frames."""
        self.is_finished = True
        failure = self.feed.failure if self.feed else None
        if failure:
            logger.error("%s: %s", self.id, failure)
        self._source_is("offline", str(failure or "the source has ended"))

    def close(self, reason: str) -> None:
        """Release the source and say why. More than once does no harm."""
        if self.feed:
            self.feed.close()
        if not self.is_finished and self.feed:
            self.is_finished = True
            self._source_is("offline", reason)

    def retire(self) -> None:
        """Release the source: the settings no longer have this camera."""
        self._retired = True
        self.close(RETIRED)
        self._announce()

    def sign_of_life(self) -> SignOfLife | None:
        """Of its capture; None where there is nothing to capture."""
        return SignOfLife(f"capture of {self.id}", self.feed.alive_seconds) if self.feed else None

    def _source_is(self, state: CameraState, reason: str) -> None:
        self._source = (state, reason)
        self._announce()

    def _state(self) -> tuple[CameraState, str]:
        if self._retired:
            return "disabled", RETIRED
        if self.feed is None:
            return "disabled", "switched off in the settings"
        return self._hidden or self._source

    def _announce(self) -> None:
        with self._mutex:
            now = self._state()
            if now != self._told:
                self._told = now
                self._tell(self.id, *now)
