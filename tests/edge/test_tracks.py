"""People keep their numbers, and their probabilities follow one exponential whatever the frame rate."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from ffe_edge.config import TrackerSettings
from ffe_edge.tracks import IouTracker, iou
from ffe_edge.types import Faces, FloatArray, Track

JOY, SAD = np.array([0.9, 0.1], np.float32), np.array([0.2, 0.8], np.float32)


def box(x: float, y: float = 100, side: float = 80) -> tuple[float, float, float, float]:
    return (x, y, x + side, y + side)


def faces(*boxes: tuple[float, ...]) -> Faces:
    return Faces(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32), None)


def step(tracker: IouTracker, seconds: float, *boxes: tuple[float, ...], probs: FloatArray = JOY) -> tuple[Track, ...]:
    return tracker.update(faces(*boxes), np.tile(probs, (len(boxes), 1)), seconds)


def ids(tracks: Iterable[Track]) -> list[int]:
    return [track.track_id for track in tracks]


def test_a_person_who_moves_keeps_the_number() -> None:
    tracker = IouTracker(TrackerSettings())
    seen = [step(tracker, index / 15, box(100 + 10 * index)) for index in range(30)]
    assert {tuple(ids(tracks)) for tracks in seen} == {(1,)}
    assert seen[-1][0].frames == 30
    np.testing.assert_array_equal(seen[-1][0].xyxy, box(390))


def test_a_person_elsewhere_gets_a_new_number() -> None:
    tracker = IouTracker(TrackerSettings())
    step(tracker, 0, box(100))
    assert ids(step(tracker, 0.1, box(400))) == [1, 2]


def test_a_brief_absence_keeps_the_number_and_the_last_look() -> None:
    tracker = IouTracker(TrackerSettings(lost_seconds=1.5))
    (before,) = step(tracker, 0, box(100))
    (absent,) = step(tracker, 1.4)
    assert (absent.track_id, absent.frames) == (before.track_id, 1)
    np.testing.assert_array_equal(absent.xyxy, before.xyxy)
    assert ids(step(tracker, 1.5, box(105))) == [1]


def test_a_person_is_lost_after_lost_seconds_and_comes_back_as_another() -> None:
    tracker = IouTracker(TrackerSettings(lost_seconds=1.5))
    step(tracker, 0, box(100))
    assert ids(step(tracker, 1.5)) == [1]
    assert step(tracker, 1.6) == ()
    assert ids(step(tracker, 1.7, box(100))) == [2]


def test_whoever_stands_there_after_a_camera_stall_is_another_person() -> None:
    tracker = IouTracker(TrackerSettings(lost_seconds=1.5))
    step(tracker, 0, box(100))
    assert ids(step(tracker, 600, box(100))) == [2]


def test_two_people_who_cross_stay_apart_while_each_overlaps_itself_most() -> None:
    tracker = IouTracker(TrackerSettings())
    for index in range(41):
        one, other = box(100 + 10 * index, 100), box(500 - 10 * index, 150)
        pair = [one, other] if index % 2 else [other, one]
        tracks = {track.track_id: tuple(track.xyxy) for track in step(tracker, index / 15, *pair)}
        assert tracks == {2: one, 1: other}


def test_the_larger_overlap_is_matched_first() -> None:
    tracker = IouTracker(TrackerSettings())
    step(tracker, 0, box(100), box(130))
    tracks = step(tracker, 0.1, box(128), box(90))
    assert [(track.track_id, float(track.xyxy[0])) for track in tracks] == [(1, 90), (2, 128)]


def test_probabilities_follow_the_exponential_filter() -> None:
    tracker = IouTracker(TrackerSettings(smoothing_seconds=0.6))
    times, expected = [0.0, 0.1, 0.15, 0.5, 0.5, 1.3], JOY.astype(float)
    looks = [JOY, SAD, SAD, JOY, SAD, SAD]
    for index, (seconds, probs) in enumerate(zip(times, looks, strict=True)):
        (track,) = step(tracker, seconds, box(100), probs=probs)
        elapsed = seconds - times[max(index - 1, 0)]
        expected = expected + (1 - np.exp(-elapsed / 0.6)) * (probs - expected)
        np.testing.assert_allclose(track.probs, expected, atol=1e-6)
        assert track.probs.sum() == pytest.approx(1)


@pytest.mark.parametrize("fps", [2, 7, 15, 60])
def test_smoothing_does_not_depend_on_the_frame_rate(fps: int) -> None:
    tracker = IouTracker(TrackerSettings(smoothing_seconds=0.6))
    step(tracker, 0, box(100), probs=JOY)
    for index in range(1, 3 * fps + 1):
        (track,) = step(tracker, index / fps, box(100), probs=SAD)
    np.testing.assert_allclose(track.probs, SAD + (JOY - SAD) * np.exp(-3 / 0.6), atol=1e-5)


def test_without_smoothing_the_last_look_counts_alone() -> None:
    tracker = IouTracker(TrackerSettings(smoothing_seconds=0))
    step(tracker, 0, box(100), probs=JOY)
    np.testing.assert_allclose(step(tracker, 0.01, box(100), probs=SAD)[0].probs, SAD, atol=1e-6)


def test_an_absence_counts_in_the_filter() -> None:
    tracker = IouTracker(TrackerSettings(smoothing_seconds=0.6, lost_seconds=1.5))
    step(tracker, 0, box(100), probs=JOY)
    step(tracker, 0.6)
    (track,) = step(tracker, 1.2, box(100), probs=SAD)
    np.testing.assert_allclose(track.probs, SAD + (JOY - SAD) * np.exp(-1.2 / 0.6), atol=1e-6)


def test_quality_is_that_of_the_last_look() -> None:
    tracker = IouTracker(TrackerSettings(min_iou=0.1))
    assert step(tracker, 0, box(100, side=64))[0].quality == pytest.approx(1)
    assert step(tracker, 0.1, box(100, side=32))[0].quality == pytest.approx(0.5)


@pytest.mark.parametrize("min_iou", [0.0, 0.3, 1.0])
def test_an_empty_room_has_no_tracks(min_iou: float) -> None:
    assert step(IouTracker(TrackerSettings(min_iou=min_iou)), 0) == ()


def test_iou_is_intersection_over_union() -> None:
    one = np.array([[0, 0, 10, 10], [5, 5, 5, 5]], np.float32)
    other = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(iou(one, other), [[1, 50 / 150, 0], [0, 0, 0]], atol=1e-6)


def test_a_walker_keeps_the_number_although_boxes_do_not_overlap_between_looks() -> None:
    tracker = IouTracker(TrackerSettings())
    assert {tuple(ids(step(tracker, index / 5, box(100 + 60 * index)))) for index in range(10)} == {(1,)}


def test_whoever_stands_near_after_a_second_is_another_person() -> None:
    tracker = IouTracker(TrackerSettings(lost_seconds=1.5))
    step(tracker, 0, box(100))
    assert ids(step(tracker, 1.0, box(170))) == [1, 2]


def test_a_face_of_another_size_is_another_person() -> None:
    tracker = IouTracker(TrackerSettings())
    step(tracker, 0, box(100, side=40))
    assert ids(step(tracker, 0.2, box(90, side=90))) == [1, 2]


def test_somebody_behind_somebody_else_is_waited_for_longer() -> None:
    tracker = IouTracker(TrackerSettings(lost_seconds=1.0, occluded_seconds=4.0))
    step(tracker, 0, box(100), box(150))
    for index in range(1, 16):
        hidden = step(tracker, index / 5, box(150 - min(index * 10, 40)))
        assert ids(hidden) == [1, 2]
    assert ids(step(tracker, 3.2, box(110), box(75))) == [1, 2]


def test_somebody_with_nobody_in_front_is_not() -> None:
    tracker = IouTracker(TrackerSettings(lost_seconds=1.0, occluded_seconds=4.0))
    step(tracker, 0, box(100), box(400))
    for index in range(1, 6):
        step(tracker, index / 5, box(400))
    assert ids(step(tracker, 1.2, box(400))) == [2]


def test_numbers_are_never_given_twice() -> None:
    tracker = IouTracker(TrackerSettings())
    step(tracker, 0, box(100))
    tracker.clear()
    assert ids(step(tracker, 0.1, box(100))) == [2]


def test_only_whoever_was_looked_for_can_be_missed() -> None:
    tracker = IouTracker(TrackerSettings())
    step(tracker, 0, box(100), box(400))
    assert tracker.associate(faces(box(101)), 0.2, sought={1}) == (1,)
    assert tracker.missed == frozenset()
    assert tracker.associate(faces(), 0.4, sought={1}) == ()
    assert tracker.missed == {1}
    tracker.associate(faces(box(102)), 0.5)
    assert tracker.missed == {2}


def test_a_face_is_due_when_it_was_not_read_for_a_period() -> None:
    tracker = IouTracker(TrackerSettings())
    step(tracker, 0, box(100))
    tracker.associate(faces(box(100), box(400)), 0.1)
    assert (tracker.due(0.1, 0.2), tracker.due(0.2, 0.2)) == ({2}, {1, 2})
    np.testing.assert_allclose(tracker.expected({1}, 0.1), [box(100)], atol=0.5)


def test_who_has_shown_nothing_new_for_a_second_is_due_later() -> None:
    tracker = IouTracker(TrackerSettings())
    for index in range(6):
        step(tracker, index / 5, box(100))
    assert not tracker.due(1.21, 0.2, 0.4)
    assert tracker.due(1.41, 0.2, 0.4) == tracker.due(1.21, 0.2) == {1}
    step(tracker, 1.4, box(100), probs=SAD)
    assert tracker.due(1.61, 0.2, 0.4) == {1}


def test_a_face_that_was_not_read_yet_is_nobody_yet() -> None:
    tracker = IouTracker(TrackerSettings())
    tracker.associate(faces(box(100)), 0)
    assert tracker.present(0) == ()


def test_a_resident_is_whoever_was_recognised_last() -> None:
    tracker, one = IouTracker(TrackerSettings()), faces(box(100))
    for seconds, resident in ((0.0, None), (0.2, "mrs-sato"), (0.4, "mr-ito")):
        tracker.read(tracker.associate(one, seconds), one, JOY[None], np.ones(1, np.float32), seconds, [resident])
    assert tracker.present(0.4)[0].resident == "mr-ito"
