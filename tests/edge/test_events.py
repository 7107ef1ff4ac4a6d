"""An emotion is told once it has lasted, and only then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ffe_edge.config import EventSettings
from ffe_edge.emotions import UNCERTAIN
from ffe_edge.events import Changes
from ffe_edge.types import EmotionEvent, FloatArray, Track

LABELS = ("joy", "sadness", "neutral")
FPS = 8
"""A power of two, so that times are exact."""
HELD = 9
"""Frames that a hold of one second takes."""
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
SETTINGS = EventSettings(hold_seconds=1.0, min_probability=0.4, min_quality=0.3, min_frames=3)


@dataclass(frozen=True)
class Look:
    """What one frame shows of the person; no label: out of sight, but still counted as present."""

    label: str | None
    quality: float = 1.0


ABSENT = Look(None)


def looks(label: str, count: int, quality: float = 1.0) -> list[Look]:
    return [Look(label, quality)] * count


def probs_of(label: str) -> FloatArray:
    return np.array([1 / 3 if label == UNCERTAIN else 0.6 if label == own else 0.2 for own in LABELS], np.float32)


def track_of(seen: Sequence[Look], track_id: int = 1) -> Track:
    """The person after these looks: out of sight, the last one in sight stays."""
    visible = [(look.label, look.quality) for look in seen if look.label]
    label, quality = visible[-1]
    return Track(track_id, np.array([1, 2, 3, 4], np.float32), probs_of(label), quality, len(visible))


def told(story: Sequence[Look], settings: EventSettings = SETTINGS) -> list[EmotionEvent]:
    changes, events = Changes(LABELS, settings), []
    for index in range(len(story)):
        seconds = index / FPS
        events += changes.update([track_of(story[: index + 1])], seconds, NOON + timedelta(seconds=seconds))
    return events


def said(events: Iterable[EmotionEvent]) -> list[tuple[str, str]]:
    return [(event.change, event.emotion) for event in events]


def test_flicker_is_never_told() -> None:
    assert told([Look("joy"), Look("sadness"), Look("neutral"), Look("sadness")] * 50) == []


def test_an_emotion_starts_once_it_has_held() -> None:
    (event,) = told(looks("joy", 30))
    assert (event.change, event.emotion, event.previous) == ("start", "joy", None)
    assert (event.seconds, event.held_seconds) == (1.0, 0.0)
    assert event.captured_at == NOON + timedelta(seconds=1)
    assert event.confidence == pytest.approx(0.6)
    assert (event.track_id, event.xyxy, event.quality) == (1, (1, 2, 3, 4), 1)
    assert event.probs == pytest.approx((0.6, 0.2, 0.2))


def test_an_emotion_that_stops_short_is_not_told() -> None:
    assert told([*looks("joy", HELD - 1), *looks("sadness", HELD - 1)]) == []


def test_a_change_tells_what_was_before_and_how_long() -> None:
    start, change = told([*looks("joy", 30), *looks("sadness", 30)])
    assert (change.change, change.emotion, change.previous) == ("change", "sadness", "joy")
    assert (start.seconds, change.seconds, change.held_seconds) == (1.0, 30 / FPS + 1.0, 30 / FPS)


def test_a_short_interruption_is_not_told() -> None:
    assert said(told([*looks("joy", 20), *looks("sadness", 5), *looks("joy", 20)])) == [("start", "joy")]


def test_below_the_least_probability_the_model_abstains() -> None:
    (event,) = told(looks(UNCERTAIN, 20))
    assert (event.change, event.emotion) == ("start", UNCERTAIN)
    assert event.confidence == pytest.approx(1 / 3)


def test_the_least_probability_itself_is_enough() -> None:
    settings = SETTINGS.model_copy(update={"min_probability": float(np.float32(0.6))})
    assert said(told(looks("joy", 20), settings)) == [("start", "joy")]


def track_with(probs: Sequence[float], frames: int) -> Track:
    return Track(1, np.array([1, 2, 3, 4], np.float32), np.array(probs, np.float32), 1.0, frames)


def swinging(one: Sequence[float], other: Sequence[float], hysteresis: float) -> list[tuple[str, str]]:
    """Events of probabilities that go to and fro every other second, after a long first look."""
    settings = SETTINGS.model_copy(update={"hysteresis": hysteresis})
    changes, events = Changes(LABELS, settings), []
    for index in range(10 * 2 * FPS):
        probs = other if index // (2 * FPS) % 2 else one
        events += changes.update([track_with(probs, index + 1)], index / FPS, NOON)
    return said(events)


def test_two_emotions_that_are_nearly_alike_do_not_take_turns() -> None:
    nearly = ([0.47, 0.43, 0.1], [0.44, 0.46, 0.1])
    assert swinging(*nearly, hysteresis=0.05) == [("start", "joy")]
    assert len(swinging(*nearly, hysteresis=0.0)) == 10


def test_an_emotion_at_the_least_probability_does_not_take_turns_with_uncertain() -> None:
    nearly = ([0.41, 0.3, 0.29], [0.38, 0.32, 0.3])
    assert swinging(*nearly, hysteresis=0.05) == [("start", "joy")]
    assert len(swinging(*nearly, hysteresis=0.0)) == 10


def test_a_clear_change_is_told_with_hysteresis_too() -> None:
    assert len(swinging([0.5, 0.4, 0.1], [0.4, 0.5, 0.1], hysteresis=0.05)) == 10


def test_the_model_still_abstains_when_it_is_clearly_below() -> None:
    assert swinging([0.5, 0.3, 0.2], [0.34, 0.33, 0.33], hysteresis=0.05)[1] == ("change", UNCERTAIN)


def test_a_resident_is_named_in_the_event() -> None:
    changes = Changes(LABELS, SETTINGS)
    tracks = [replace(track_of(looks("joy", index + 1)), resident="mrs-sato") for index in range(10)]
    (event,) = [event for index, track in enumerate(tracks) for event in changes.update([track], index / FPS, NOON)]
    assert event.resident == "mrs-sato"


def test_a_poor_face_forms_no_event() -> None:
    assert told(looks("joy", 50, quality=0.29)) == []


def test_a_poor_face_does_not_break_a_hold() -> None:
    poor = [Look("sadness", 0.1)]
    story = [*looks("joy", 4), *poor, *looks("joy", 4), *poor, *looks("joy", 4)]
    assert said(told(story)) == [("start", "joy")]


def test_the_time_of_a_poor_start_does_not_count() -> None:
    (event,) = told([*looks("joy", 20, quality=0.1), *looks("joy", 20)])
    assert event.seconds == 20 / FPS + 1.0


@pytest.mark.parametrize(
    "unseen", [pytest.param(ABSENT, id="out-of-sight"), pytest.param(Look("joy", 0.1), id="poor-face")]
)
def test_time_in_which_nothing_was_seen_settles_nothing(unseen: Look) -> None:
    assert told([*looks("joy", 4), *[unseen] * 12]) == []


def test_one_frame_and_a_long_absence_make_no_event() -> None:
    assert told([Look("joy"), *[ABSENT] * 30]) == []


def test_too_few_frames_make_no_event() -> None:
    settings = SETTINGS.model_copy(update={"min_frames": 12})
    (event,) = told(looks("joy", 20), settings)
    assert event.seconds == 11 / FPS


def test_without_hold_the_least_frames_still_count() -> None:
    settings = SETTINGS.model_copy(update={"hold_seconds": 0.0, "min_frames": 2})
    assert [event.seconds for event in told([Look("sadness"), *looks("joy", 5)], settings)] == [2 / FPS]


def test_a_leaver_ends_once() -> None:
    changes, person = Changes(LABELS, SETTINGS), looks("joy", 20)
    for index in range(20):
        list(changes.update([track_of(person[: index + 1])], index / FPS, NOON))
    (end,) = changes.update([], 5.0, NOON)
    assert (end.change, end.emotion, end.previous) == ("end", "joy", "joy")
    assert end.held_seconds == 5.0 - 1.0
    assert (list(changes.update([], 6.0, NOON)), list(changes.finish(7.0, NOON))) == ([], [])


def test_somebody_of_whom_nothing_was_told_does_not_end() -> None:
    changes = Changes(LABELS, SETTINGS)
    list(changes.update([track_of(looks("joy", 1))], 0.0, NOON))
    assert list(changes.update([], 9.0, NOON)) == []


def test_when_the_source_ends_everybody_leaves() -> None:
    changes, story = Changes(LABELS, SETTINGS), looks("joy", 20)
    for index in range(20):
        pair = [track_of(story[: index + 1], track_id) for track_id in (1, 2)]
        list(changes.update(pair, index / FPS, NOON))
    events = list(changes.finish(2.0, NOON))
    assert [(event.track_id, event.change) for event in events] == [(1, "end"), (2, "end")]


def test_people_do_not_share_a_hold() -> None:
    changes, events = Changes(LABELS, SETTINGS), []
    for index in range(12):
        joyful, sad = track_of(looks("joy", index + 1), 1), track_of(looks("sadness", index + 1), 2)
        events += changes.update([joyful, sad], index / FPS, NOON)
    assert [(event.track_id, event.emotion) for event in events] == [(1, "joy"), (2, "sadness")]


def test_leavers_come_before_starts() -> None:
    changes = Changes(LABELS, SETTINGS.model_copy(update={"hold_seconds": 0.0, "min_frames": 2}))
    for index in range(2):
        list(changes.update([track_of(looks("joy", index + 1), 1)], index / FPS, NOON))
    list(changes.update([track_of(looks("joy", 3), 1), track_of(looks("joy", 1), 2)], 0.2, NOON))
    events = list(changes.update([track_of(looks("joy", 2), 2)], 0.3, NOON))
    assert [(event.change, event.track_id) for event in events] == [("end", 1), ("start", 2)]


@given(st.lists(st.tuples(st.sampled_from([*LABELS, UNCERTAIN]), st.integers(1, 14)), max_size=20))
@example([("joy", HELD - 1), ("sadness", 1), ("joy", HELD), ("neutral", 14)])
def test_every_emotion_told_was_seen_for_the_hold_time_and_the_least_frames(runs: list[tuple[str, int]]) -> None:
    story = [look for label, count in runs for look in looks(label, count)]
    previous = None
    for event in told(story):
        index = round(event.seconds * FPS)
        held = [look.label for look in story[max(0, index + 1 - HELD) : index + 1]]
        assert held == [event.emotion] * HELD
        assert (event.previous, event.emotion != previous) == (previous, True)
        previous = event.emotion


@given(st.lists(st.sampled_from(LABELS), max_size=60))
def test_nothing_that_lasted_is_left_untold(labels: list[str]) -> None:
    story = [look for label in labels for look in looks(label, 3)]
    events = told(story)
    for index in range(HELD - 1, len(story)):
        (label, *others) = {look.label for look in story[index + 1 - HELD : index + 1]}
        if not others:
            assert [event.emotion for event in events if event.seconds <= index / FPS][-1] == label
