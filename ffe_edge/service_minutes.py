"""Every camera's minutes: driven by the loop, told through the outbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from ffe_edge.messages import Summary
from ffe_edge.service_camera import Camera
from ffe_edge.summary import Minutes
from ffe_edge.types import EmotionEvent, Frame


class MinuteTeller:
    """Counts for all cameras. The clock of a live camera is the monotonic one, that of a file its position."""

    def __init__(self, tell: Callable[[str, Summary], None]) -> None:
        self._tell = tell
        self._minutes: dict[str, Minutes] = {}

    def frames(self, taken: Iterable[tuple[Camera, Frame]]) -> None:
        """Frames were taken, and are about to be looked at."""
        for camera, frame in taken:
            minutes = self._of(camera, frame.seconds)
            if not camera.is_hidden:
                minutes.frame(frame.seconds)
            if not camera.is_live:
                self._poll(camera, minutes, frame.seconds)

    def told(self, camera_id: str, event: EmotionEvent) -> None:
        """An event was formed of the frames told last."""
        if camera_id in self._minutes:
            self._minutes[camera_id].told(event)

    def poll(self, cameras: Iterable[Camera]) -> None:
        """Time has passed, with or without frames."""
        now = time.monotonic()
        for camera in cameras:
            if camera.is_live:
                self._poll(camera, self._of(camera, now), now)

    def finish(self, camera: Camera) -> None:
        """The camera has ended: its unfinished minute is told as far as it has come."""
        minutes = self._minutes.pop(camera.id, None)
        if minutes is None:
            return
        seconds = time.monotonic() if camera.is_live else minutes.last_frame_seconds
        summary = minutes.close(seconds)
        if summary.seconds > 0:
            self._tell(camera.id, summary)

    def _of(self, camera: Camera, seconds: float) -> Minutes:
        if camera.id not in self._minutes:
            self._minutes[camera.id] = Minutes(seconds, datetime.now(timezone.utc))
        return self._minutes[camera.id]

    def _poll(self, camera: Camera, minutes: Minutes, seconds: float) -> None:
        if (summary := minutes.poll(seconds)) is not None:
            self._tell(camera.id, summary)
