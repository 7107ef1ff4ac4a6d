"""A box is predicted where it is going, and stays where it was when nothing is known of its speed."""

from __future__ import annotations

import numpy as np
import pytest

from ffe_edge.tracks_motion import FADE_SECONDS, begun, corrected, predicted
from ffe_edge.types import FloatArray


def box(x: float, side: float = 80) -> FloatArray:
    return np.array([x, 100, x + side, 100 + side], np.float32)


def test_somebody_seen_once_is_expected_at_the_same_place() -> None:
    np.testing.assert_allclose(predicted(begun(box(100), 0), 3).xyxy, box(100))


def test_a_walker_is_expected_ahead() -> None:
    motion = begun(box(100), 0)
    for index in range(1, 15):
        motion = corrected(motion, box(100 + 20 * index), index / 5)
    assert motion.speed[0] == pytest.approx(100, rel=0.15)
    np.testing.assert_allclose(predicted(motion, 3).xyxy, box(400), atol=10)  # half a step


def test_somebody_out_of_sight_drifts_on_a_little_and_stays() -> None:
    motion = begun(box(100), 0)
    for index in range(1, 15):
        motion = corrected(motion, box(100 + 20 * index), index / 5)
    drift = predicted(motion, 60).place[0] - motion.place[0]
    assert drift == pytest.approx(FADE_SECONDS * motion.speed[0], rel=0.01)


def test_a_found_box_is_believed_more_than_a_prediction_made_long_ago() -> None:
    motion = corrected(begun(box(100), 0), box(150), 2)
    np.testing.assert_allclose(motion.xyxy, box(150), atol=1)


def test_doubt_grows_while_nothing_is_seen_and_shrinks_when_something_is() -> None:
    first = begun(box(100), 0)
    ahead = predicted(first, 1)
    assert first.doubt < predicted(first, 0.2).doubt < ahead.doubt
    assert corrected(first, box(100), 1).doubt < 0.1 * ahead.doubt


def test_near_and_far_faces_are_alike_in_sides() -> None:
    small, large = (corrected(begun(box(0, side), 0), box(side / 4, side), 0.2) for side in (20, 200))
    np.testing.assert_allclose(large.speed, small.speed * 10, rtol=1e-4)


def test_a_clock_that_stands_still_changes_nothing() -> None:
    motion = corrected(begun(box(100), 0), box(120), 0.2)
    np.testing.assert_allclose(predicted(motion, 0.2).xyxy, motion.xyxy)
    np.testing.assert_allclose(predicted(motion, 0.1).xyxy, motion.xyxy)
