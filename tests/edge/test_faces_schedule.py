"""The whole picture is searched when it is worth it: at once, on motion, or after a while."""

from __future__ import annotations

import numpy as np
import pytest

from ffe_edge.config import PipelineSettings
from ffe_edge.faces_schedule import Schedule
from ffe_edge.types import ImageArray

FPS = 15
NOBODY: frozenset[int] = frozenset()
STILL = np.full((480, 640, 3), 90, np.uint8)
SETTINGS = PipelineSettings(detect_every_frames=6, detect_seconds=1.0)


def searched(images: list[ImageArray], lost: dict[int, frozenset[int]] | None = None) -> list[int]:
    schedule, now_lost, found = Schedule(SETTINGS), NOBODY, []
    for index, image in enumerate(images):
        now_lost = (lost or {}).get(index, now_lost)
        if schedule.is_due(image, index / FPS, now_lost):
            found.append(index)
    return found


def walker(index: int) -> ImageArray:
    image = STILL.copy()
    image[200:300, 10 * index : 10 * index + 60] = 180
    return image


def test_a_still_picture_is_searched_once_in_a_while() -> None:
    assert searched([STILL] * 46) == [0, 15, 30, 45]


def test_while_something_moves_every_nth_frame_is_searched() -> None:
    assert searched([walker(index) for index in range(25)]) == [0, 6, 12, 18, 24]


@pytest.mark.parametrize("level", [3, 10])
def test_the_noise_of_a_camera_is_no_motion(level: float) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.clip(STILL + rng.normal(0, level, STILL.shape), 0, 255).astype(np.uint8) for _ in range(16)]
    assert searched(noisy) == [0, 15]


def test_slow_motion_adds_up() -> None:
    slow = [walker(index // 4) for index in range(20)]
    assert len(searched(slow)) > 2


def test_when_somebody_is_lost_the_next_frame_is_searched_and_that_once() -> None:
    assert searched([STILL] * 12, {4: frozenset({1}), 8: frozenset({1, 2})}) == [0, 4, 8]


def test_whoever_is_found_again_may_be_lost_again() -> None:
    assert searched([STILL] * 12, {4: frozenset({1}), 6: NOBODY, 9: frozenset({1})}) == [0, 4, 9]


def test_a_clock_that_goes_back_searches_at_once() -> None:
    schedule = Schedule(SETTINGS)
    assert schedule.is_due(STILL, 100.0, NOBODY)
    assert schedule.is_due(STILL, 5.0, NOBODY)


def test_each_camera_may_change_its_size() -> None:
    schedule = Schedule(PipelineSettings(detect_every_frames=1))
    assert schedule.is_due(STILL, 0.0, NOBODY)
    assert schedule.is_due(np.zeros((3, 2, 3), np.uint8), 0.1, NOBODY)
