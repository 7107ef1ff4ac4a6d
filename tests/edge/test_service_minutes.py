"""Minutes of cameras as the loop drives them."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import numpy as np

from ffe_edge.config import CameraSettings
from ffe_edge.messages import Summary
from ffe_edge.service_camera import Camera
from ffe_edge.service_minutes import MinuteTeller
from ffe_edge.types import Frame

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


def camera(source: str) -> Camera:
    return Camera(CameraSettings(id="hall", source=source), threading.Condition(), lambda *_told: None)


def frame(seconds: float) -> Frame:
    return Frame(np.zeros((4, 4, 3), np.uint8), 0, seconds, NOW)


def minutes_of(hall: Camera, seconds: range) -> list[Summary]:
    told: list[Summary] = []
    teller = MinuteTeller(lambda _camera_id, summary: told.append(summary))
    for each in seconds:
        teller.frames([(hall, frame(each))])
    return told


def test_a_file_has_a_summary_for_each_whole_minute_of_its_clock() -> None:
    told = minutes_of(camera("clip.mp4"), range(150))
    assert [(summary.seconds, summary.missing_seconds) for summary in told] == [(60.0, 0.0), (60.0, 0.0)]


def test_what_was_not_looked_at_is_missing() -> None:
    hall = camera("clip.mp4")
    hall.hide(("privacy", "the switch is on"))
    (summary,) = minutes_of(hall, range(62))
    assert summary.missing_seconds == 60.0


def test_a_live_camera_begins_its_minute_without_a_frame() -> None:
    told: list[str] = []
    teller = MinuteTeller(lambda camera_id, _summary: told.append(camera_id))
    teller.poll([camera("rtsp://10.0.0.7/live")])
    teller.forget("hall")
    assert told == []
