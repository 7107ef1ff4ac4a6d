"""Rules of alerts: what is found, and when it becomes an alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffe_edge.dashboard.alert_hold import Ended, Held, Opened, Outcome, look
from ffe_edge.dashboard.alert_rules import (
    MINUTE_MS,
    CameraFacts,
    DayFacts,
    EmotionFacts,
    Finding,
    NodeFacts,
    Sentence,
    Usual,
    camera_down,
    explained,
    long_emotion,
    no_joy,
    node_silent,
)
from ffe_edge.dashboard.alert_settings import (
    RULES,
    AlertSettings,
    CameraDown,
    LongEmotion,
    NodeSilent,
    NoJoy,
    QuietHours,
    Rule,
)
from ffe_edge.messages import CameraState, StatusState

USUAL = Usual(share=0.05, spread=0.02, days=28)
LONG = EmotionFacts("sadness", 40 * MINUTE_MS, 45, 60 * MINUTE_MS, USUAL)
JOYLESS = (DayFacts(0, 60 * MINUTE_MS),) * 3


def test_a_long_sadness_far_above_the_usual_is_found_with_its_figures() -> None:
    found = long_emotion(LongEmotion(), LONG)
    assert found is not None
    assert found.sentence.key == "long-emotion"
    assert dict(found.sentence.figures) == {
        "emotion": "sadness", "minutes": 40, "window_minutes": 120, "share": 0.667, "usual": 0.05,
    }  # fmt: skip


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(replace(LONG, usual=Usual(0.6, 0.1, 28)), id="usual-for-this-person"),
        pytest.param(replace(LONG, usual=Usual(0.3, 0.2, 28)), id="within-the-spread-between-days"),
        pytest.param(replace(LONG, seen_ms=5 * MINUTE_MS, shown_ms=5 * MINUTE_MS), id="hardly-in-view"),
        pytest.param(replace(LONG, shown_minutes=1), id="in-one-minute-only"),
        pytest.param(replace(LONG, shown_ms=10 * MINUTE_MS), id="below-the-floor"),
        pytest.param(replace(LONG, shown_ms=30 * MINUTE_MS, usual=Usual(0, 0, 2)), id="days-not-known-yet"),
        pytest.param(EmotionFacts("sadness", 0, 0, 0, USUAL), id="never-seen"),
    ],
)
def test_it_is_not_found(facts: EmotionFacts) -> None:
    assert long_emotion(LongEmotion(), facts) is None


def test_of_somebody_new_more_is_asked_and_that_is_said() -> None:
    found = long_emotion(LongEmotion(), replace(LONG, usual=Usual(0, 0, 2)))
    assert found is not None
    assert found.sentence.key == "long-emotion-new"


@given(st.integers(0, 120), st.integers(0, 9), st.integers(0, 120))
@settings(max_examples=100, deadline=None)
def test_what_was_shown_in_fewer_minutes_than_the_rule_asks_is_never_found(shown: int, minutes: int, seen: int) -> None:
    facts = EmotionFacts("fear", shown * MINUTE_MS, minutes, seen * MINUTE_MS, Usual(0, 0, 28))
    assert long_emotion(LongEmotion(shown_minutes=10), facts) is None


def test_days_without_joy_are_found_where_joy_is_usual() -> None:
    found = no_joy(NoJoy(), JOYLESS, Usual(0.1, 0.05, 28))
    assert found is not None
    assert dict(found.sentence.figures) == {"days": 3, "share": 0.0, "usual": 0.1}


@pytest.mark.parametrize(
    ("days", "usual"),
    [
        pytest.param(JOYLESS[:2], Usual(0.1, 0, 28), id="too-few-days"),
        pytest.param(JOYLESS, Usual(0.01, 0, 28), id="joy-is-not-usual"),
        pytest.param(JOYLESS, Usual(0.1, 0, 3), id="days-not-known-yet"),
        pytest.param((*JOYLESS[:2], DayFacts(0, MINUTE_MS)), Usual(0.1, 0, 28), id="a-day-out-of-view"),
        pytest.param((*JOYLESS[:2], DayFacts(2 * MINUTE_MS, 60 * MINUTE_MS)), Usual(0.1, 0, 28), id="some-joy"),
    ],
)
def test_days_without_joy_are_not_found(days: tuple[DayFacts, ...], usual: Usual) -> None:
    assert no_joy(NoJoy(), days, usual) is None


@pytest.mark.parametrize(
    ("state", "silent_minutes", "key"),
    [
        ("online", 0, None),
        ("online", 9, None),
        ("online", 10, "node-silent"),
        ("lost", 0, "node-lost"),
        ("stopped", 600, None),
    ],
)
def test_a_silent_device_is_told_apart_from_one_that_was_stopped(
    state: StatusState, silent_minutes: int, key: str | None
) -> None:
    found = node_silent(NodeSilent(), NodeFacts(state, silent_minutes * MINUTE_MS))
    assert (found and found.sentence.key) == key


@pytest.mark.parametrize(
    ("state", "node_lives", "is_found"),
    [
        ("online", True, False),
        ("stalled", True, True),
        ("offline", True, True),
        ("starting", True, True),
        ("privacy", True, False),
        ("disabled", True, False),
        ("offline", False, False),
    ],
)
def test_a_camera_without_a_picture_is_told_apart_from_one_that_shall_not_see(
    state: CameraState, node_lives: bool, is_found: bool
) -> None:
    assert (camera_down(CameraDown(), CameraFacts(state, 0, node_lives), 0) is not None) is is_found


def test_every_rule_is_explained_with_its_figures() -> None:
    sentences = explained(AlertSettings())
    assert set(sentences) == set(RULES)
    assert all(sentence.figures["hold_minutes"] for sentence in sentences.values())
    assert {AlertSettings().rule(name).enabled for name in RULES} == {True}


@pytest.mark.parametrize(
    ("start", "end", "quiet"),
    [
        ("22:00", "06:00", ["23:00", "00:00", "05:59"]),
        ("12:00", "13:00", ["12:00", "12:59"]),
        ("06:00", "06:00", []),
    ],
)
def test_quiet_hours_may_pass_midnight(start: str, end: str, quiet: list[str]) -> None:
    moments = ["00:00", "05:59", "06:00", "12:00", "12:59", "13:00", "21:59", "23:00"]
    hours = QuietHours(start=start, end=end)
    covered = [moment for moment in moments if hours.cover(datetime.fromisoformat(f"2026-11-24T{moment}:00"))]
    assert sorted(covered) == sorted(quiet)


RULE = Rule(hold_minutes=10, release_minutes=5, cool_down_minutes=60)
FOUND = Finding("warning", Sentence("long-emotion", {}))


def course(
    pattern: str, rule: Rule = RULE, finding: Finding = FOUND, step_ms: int = MINUTE_MS
) -> list[tuple[int, Outcome]]:
    """What happens at which minute: ``x`` a finding, ``X`` one in quiet hours, ``.`` none, ``,`` none in them."""
    held, told = Held(), []
    for number, letter in enumerate(pattern):
        now = finding if letter in "xX" else None
        held, outcomes = look(held, rule, now, 1_000_000 + number * step_ms, is_quiet=letter in "X,")
        told += [(number, outcome) for outcome in outcomes]
    return told


def minutes(pattern: str, rule: Rule = RULE, finding: Finding = FOUND) -> list[tuple[int, str]]:
    return [(minute, type(outcome).__name__) for minute, outcome in course(pattern, rule, finding)]


def test_an_alert_begins_after_the_hold_time_and_ends_after_the_release_time() -> None:
    assert minutes("x" * 20 + "." * 10) == [(10, "Opened"), (25, "Ended")]


def test_a_short_finding_is_no_alert() -> None:
    assert minutes("x" * 10 + "." + "x" * 10) == []


def test_a_short_pause_does_not_end_an_alert() -> None:
    assert minutes("x" * 15 + "." * 4 + "x" * 5) == [(10, "Opened")]


def test_after_its_end_it_does_not_begin_again_before_the_cool_down() -> None:
    assert minutes("x" * 11 + "." * 6 + "x" * 80) == [(10, "Opened"), (16, "Ended"), (76, "Opened")]


def test_quiet_hours_delay_an_alert() -> None:
    [(minute, outcome)] = course("X" * 30 + "x" * 5)
    assert isinstance(outcome, Opened)
    assert (minute, outcome.is_delayed, outcome.found_ms) == (30, True, 1_000_000)


def test_what_has_passed_in_quiet_hours_is_told_all_the_same() -> None:
    assert minutes("X" * 15 + "," * 30 + "." * 5) == [(45, "Opened"), (46, "Ended")]


def test_what_is_urgent_does_not_wait() -> None:
    assert minutes("X" * 15, finding=Finding("urgent", FOUND.sentence)) == [(10, "Opened")]


def test_the_hold_time_begins_again_where_nobody_looked() -> None:
    assert course("x" * 12, step_ms=5 * MINUTE_MS) == []


@given(st.text("xX.,", max_size=200), st.integers(1, 20), st.integers(1, 10), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_beginnings_and_ends_alternate_and_every_long_finding_is_told(
    pattern: str, hold: int, release: int, cool_down: int
) -> None:
    rule = Rule(hold_minutes=hold, release_minutes=release, cool_down_minutes=cool_down)
    told = [outcome for _, outcome in course(pattern + "." * 40, rule)]
    assert all(isinstance(outcome, (Opened, Ended)[number % 2]) for number, outcome in enumerate(told))
    assert len(told) % 2 == 0
    assert bool(told) is any(len(run) > hold for run in pattern.replace(",", ".").lower().split("."))
