from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffe_edge.emotions import LABELS
from ffe_edge.messages import ModelIdentity, Summary
from ffe_edge.summary import Minutes
from ffe_edge.types import EmotionEvent
from ffe_edge.wire import EventContext, encode_summary

NOON = datetime(2026, 11, 23, 3, 0, tzinfo=timezone.utc)


def event(change: Any, track: int, emotion: str, seconds: float) -> EmotionEvent:
    return EmotionEvent(
        change, track, emotion, None, 0.0, 0.7, (0.7,), (0.0, 0.0, 1.0, 1.0), 0.9, seconds, NOON
    )  # fmt: skip


def frames(minutes: Minutes, first: int, last: int, step: float = 0.1) -> None:
    for number in range(round(first / step), round(last / step) + 1):
        minutes.frame(number * step)


def test_seconds_are_counted_by_emotion_and_person() -> None:
    minutes = Minutes(0.0, NOON)
    frames(minutes, 0, 10)
    minutes.told(event("start", 1, "joy", 10))
    minutes.told(event("start", 2, "joy", 10))
    frames(minutes, 10, 30)
    minutes.told(event("change", 1, "sadness", 30))
    frames(minutes, 30, 40)
    minutes.told(event("end", 2, "joy", 40))
    frames(minutes, 40, 60)
    assert minutes.poll(59.9) is None
    assert minutes.poll(60.0) == Summary(
        began=NOON, seconds=60.0, emotions={"joy": 50.0, "sadness": 30.0}, people=2, missing_seconds=0.0
    )


def test_who_stays_is_seen_in_the_next_minute_too() -> None:
    minutes = Minutes(0.0, NOON)
    minutes.told(event("start", 1, "joy", 0))
    frames(minutes, 0, 60)
    minutes.poll(60.0)
    minutes.told(event("end", 1, "joy", 60))
    frames(minutes, 60, 120)
    assert minutes.poll(120.0) == Summary(
        began=NOON + timedelta(minutes=1), seconds=60.0, emotions={}, people=1, missing_seconds=0.0
    )


def test_a_time_without_frames_is_missing_and_nobodys() -> None:
    minutes = Minutes(0.0, NOON)
    frames(minutes, 0, 10)
    minutes.told(event("start", 1, "joy", 10))
    frames(minutes, 30, 60)
    (emotions, missing) = (summary := minutes.close(60.0)).emotions, summary.missing_seconds
    assert (emotions, missing) == ({"joy": pytest.approx(30.0)}, pytest.approx(20.0))


def test_a_dead_camera_gives_minutes_that_are_missing() -> None:
    minutes = Minutes(0.0, NOON)
    told = [summary for second in range(1, 181) if (summary := minutes.poll(float(second)))]
    assert [(one.seconds, one.missing_seconds, one.people) for one in told] == [(60.0, 60.0, 0)] * 3


def test_a_camera_that_was_opened_anew_has_nobody_in_view() -> None:
    minutes = Minutes(0.0, NOON)
    minutes.told(event("start", 1, "joy", 0))
    minutes.nobody()
    frames(minutes, 0, 60)
    assert minutes.close(60.0).emotions == {}


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=60))
def test_one_person_and_missing_video_never_fill_more_than_the_time(steps: list[tuple[float, bool]]) -> None:
    minutes, seconds, told = Minutes(0.0, NOON), 0.0, []
    minutes.told(event("start", 1, "joy", 0))
    for step, has_frame in steps:
        seconds += step
        if has_frame:
            minutes.frame(seconds)
        if summary := minutes.poll(seconds):
            told.append(summary)
    told.append(minutes.close(seconds))
    assert sum(one.seconds for one in told) == pytest.approx(seconds, abs=0.1)
    assert sum(one.missing_seconds + one.emotions.get("joy", 0.0) for one in told) <= seconds + 0.1


def test_the_golden_summary_stays() -> None:
    model = ModelIdentity(name="mini", sha256="ab12", backend="tensorrt", precision="int8")
    context = EventContext("ffe/v1/kiso/edge-01/camera/day-room", "boot-1", LABELS, model, clock_synchronised=True)
    summary = Summary(began=NOON, seconds=60.0, emotions={"joy": 12.5}, people=2, missing_seconds=1.5)
    event_id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
    told_at = NOON + timedelta(minutes=1)
    assert json.loads(encode_summary(summary, context, sequence=7, event_id=event_id, told_at=told_at, seconds=60)) == {
        "specversion": "1.0",
        "id": event_id,
        "source": "ffe/v1/kiso/edge-01/camera/day-room",
        "type": "jp.ffe.summary.v1",
        "time": "2026-11-23T03:01:00.000Z",
        "dataschema": "summary-v1.json",
        "sequence": 7,
        "bootid": "boot-1",
        "monotonic": 60.0,
        "clocksync": True,
        "replayed": False,
        "data": {
            "began": "2026-11-23T03:00:00.000Z",
            "seconds": 60.0,
            "emotions": {"joy": 12.5},
            "people": 2,
            "missing_seconds": 1.5,
        },
    }
