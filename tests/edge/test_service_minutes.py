"""Minutes of cameras as the loop drives them."""

from __future__ import annotations

import threading
import time
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


def minutes_of(hall: Camera, seconds: range, *, ends: bool = False) -> list[Summary]:
    told: list[Summary] = []
    teller = MinuteTeller(lambda _camera_id, summary: told.append(summary))
    for each in seconds:
        teller.frames([(hall, frame(each))])
    for _ in range(2 * ends):
        teller.finish(hall)
    return told


def test_a_file_has_a_summary_for_each_whole_minute_of_its_clock() -> None:
    told = minutes_of(camera("clip.mp4"), range(150))
    assert [(summary.seconds, summary.missing_seconds) for summary in told] == [(60.0, 0.0), (60.0, 0.0)]


def test_the_last_minute_is_told_once_with_the_seconds_that_it_has() -> None:
    told = minutes_of(camera("clip.mp4"), range(150), ends=True)
    assert [summary.seconds for summary in told] == [60.0, 60.0, 29.0]
    assert minutes_of(camera("clip.mp4"), range(1), ends=True) == []


def test_what_was_not_looked_at_is_missing() -> None:
    hall = camera("clip.mp4")
    hall.hide(("privacy", "the switch is on"))
    (summary,) = minutes_of(hall, range(62))
    assert summary.missing_seconds == 60.0


def test_a_live_camera_begins_its_minute_without_a_frame() -> None:
    told: list[Summary] = []
    teller = MinuteTeller(lambda _camera_id, summary: told.append(summary))
    hall = camera("rtsp://10.0.0.7/live")
    teller.poll([hall])
    assert told == []
    time.sleep(0.01)
    teller.finish(hall)
    (summary,) = told
    assert 0 < summary.seconds < 60
