"""A camera's minutes: seconds per emotion, people seen, seconds of video missing. Pure: the clock is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ffe_edge.messages import Summary
from ffe_edge.types import EmotionEvent

MINUTE_SECONDS: Final = 60.0
MAX_FRAME_GAP_SECONDS: Final = 2.0
"""A longer time between two frames is missing video."""


@dataclass(slots=True)
class _Minute:
    """What is being counted."""

    began_seconds: float
    began_at: datetime
    emotions: dict[str, float]
    people: set[int]
    missing_seconds: float = 0.0


class Minutes:
    """Of one camera: give it every frame's time and every event, and ask ``poll`` now and then.

    All seconds are of one clock: the monotonic one of a live camera, the position of a file. Of a frame and its events
    the frame comes first: the time before it belongs to the emotion before it.
    """

    def __init__(self, seconds: float, at: datetime) -> None:
        """The first minute begins.

        Args:
            seconds: the clock.
            at: the same moment in UTC.
        """
        self._minute = _Minute(seconds, at, {}, set())
        self._last_frame_seconds = seconds
        self._counted_until = seconds
        self._present: dict[int, str] = {}

    @property
    def last_frame_seconds(self) -> float:
        """Clock of the last frame; of the first minute's begin where there was none."""
        return self._last_frame_seconds

    def frame(self, seconds: float) -> None:
        """A frame was looked at."""
        if seconds - self._last_frame_seconds > MAX_FRAME_GAP_SECONDS:
            self._count_missing(seconds)
        else:
            self._count_present(seconds)
        self._last_frame_seconds = max(seconds, self._last_frame_seconds)

    def told(self, event: EmotionEvent) -> None:
        """An event was formed of the frame that was told last."""
        if event.change == "end":
            self._present.pop(event.track_id, None)
            return
        self._present[event.track_id] = event.emotion
        self._minute.people.add(event.track_id)

    def nobody(self) -> None:
        """The tracks have ended without events: the camera was opened anew."""
        self._present.clear()

    def poll(self, seconds: float) -> Summary | None:
        """The minute, once it is over; the next one begins with that.

        Args:
            seconds: the clock, also while no frame comes.
        """
        if seconds - self._last_frame_seconds > MAX_FRAME_GAP_SECONDS:
            self._count_missing(seconds)
        if seconds - self._minute.began_seconds < MINUTE_SECONDS:
            return None
        return self.close(seconds)

    def close(self, seconds: float) -> Summary:
        """The minute as far as it has come; the next one begins."""
        minute = self._minute
        length = max(0.0, seconds - minute.began_seconds)
        self._minute = _Minute(seconds, minute.began_at + timedelta(seconds=length), {}, set(self._present))
        return Summary(
            began=minute.began_at,
            seconds=round(length, 3),
            emotions={emotion: round(spent, 3) for emotion, spent in sorted(minute.emotions.items())},
            people=len(minute.people),
            missing_seconds=round(minute.missing_seconds, 3),
        )

    def _count_missing(self, seconds: float) -> None:
        self._minute.missing_seconds += self._passed(seconds)

    def _count_present(self, seconds: float) -> None:
        passed = self._passed(seconds)
        for emotion in self._present.values():
            self._minute.emotions[emotion] = self._minute.emotions.get(emotion, 0.0) + passed

    def _passed(self, seconds: float) -> float:
        passed = max(0.0, seconds - self._counted_until)
        self._counted_until = max(seconds, self._counted_until)
        return passed
