"""A camera looks in its hours on the site's wall clock, over midnight and when the clocks change."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ffe_edge.config import load_config
from ffe_edge.config_people import ScheduleSettings
from ffe_edge.errors import ConfigError
from ffe_edge.schedule import Schedule

TOKYO, BERLIN = "Asia/Tokyo", "Europe/Berlin"


def schedule(start: str, end: str, *days: str, zone: str = TOKYO) -> Schedule:
    hours = {"start": start, "end": end, **({"days": days} if days else {})}
    return Schedule(ScheduleSettings.model_validate({"time_zone": zone, "hours": [hours]}), "lounge")


def at(text: str, zone: str = TOKYO, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(timezone.utc)


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        pytest.param("2026-11-23T07:59:59", False, id="before"),
        pytest.param("2026-11-23T08:00:00", True, id="start-belongs"),
        pytest.param("2026-11-23T19:59:59", True, id="late"),
        pytest.param("2026-11-23T20:00:00", False, id="end-does-not"),
        pytest.param("2026-11-28T12:00:00", False, id="saturday"),
    ],
)
def test_hours_of_weekdays(moment: str, allowed: bool) -> None:
    weekdays = schedule("08:00", "20:00", "mon", "tue", "wed", "thu", "fri")
    assert weekdays.allows(at(moment)) is allowed


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        pytest.param("2026-11-28T21:59:59", False, id="before"),
        pytest.param("2026-11-28T23:30:00", True, id="saturday-night"),
        pytest.param("2026-11-29T05:59:59", True, id="sunday-morning"),
        pytest.param("2026-11-29T06:00:00", False, id="over"),
        pytest.param("2026-11-28T03:00:00", False, id="friday-night-is-not-meant"),
    ],
)
def test_hours_over_midnight_belong_to_the_day_they_begin_on(moment: str, allowed: bool) -> None:
    assert schedule("22:00", "06:00", "sat").allows(at(moment)) is allowed


def test_equal_times_are_the_whole_day() -> None:
    sunday = schedule("00:00", "00:00", "sun")
    told = [sunday.allows(at(f"2026-11-{day}")) for day in ("28T23:59:59", "29T00:00:00", "29T23:59:59", "30T00:00:00")]
    assert told == [False, True, True, False]


def test_the_moment_may_come_in_any_time_zone() -> None:
    moment = datetime(2026, 11, 22, 23, 30, tzinfo=timezone.utc)
    assert schedule("08:00", "09:00", "mon").allows(moment)
    assert not schedule("08:00", "09:00", "mon", zone=BERLIN).allows(moment)


def hours_open(plan: Schedule, first: str) -> float:
    start = at(first, BERLIN)
    return sum(plan.allows(start + timedelta(minutes=15 * quarter)) for quarter in range(4 * 30)) / 4


@pytest.mark.parametrize(
    ("start", "end", "day", "expected"),
    [
        pytest.param("00:00", "06:00", "2026-03-29", 5.0, id="spring-night-is-an-hour-short"),
        pytest.param("00:00", "06:00", "2026-10-25", 7.0, id="autumn-night-is-an-hour-long"),
        pytest.param("02:30", "06:00", "2026-03-29", 2.5, id="begins-in-the-hour-that-is-not"),
        pytest.param("00:00", "02:30", "2026-03-29", 2.5, id="ends-in-the-hour-that-is-not"),
        pytest.param("00:00", "02:30", "2026-10-25", 2.5, id="ends-in-the-first-of-two"),
        pytest.param("02:30", "06:00", "2026-10-25", 4.5, id="begins-in-the-first-of-two"),
    ],
)
def test_when_clocks_change(start: str, end: str, day: str, expected: float) -> None:
    assert hours_open(schedule(start, end, "sun", zone=BERLIN), f"{day}T00:00") == expected


def test_without_hours_a_camera_always_looks_whatever_the_clock_says() -> None:
    always = Schedule(ScheduleSettings(), "lounge")
    assert always.allows(datetime(1970, 1, 1, tzinfo=timezone.utc), clock_is_synchronised=False)


def test_hours_on_an_unsynchronised_clock_are_no_hours_at_all() -> None:
    noon = at("2026-11-23T12:00")
    assert schedule("08:00", "20:00").why_not(noon, clock_is_synchronised=False) == "clock"
    trusting = ScheduleSettings.model_validate({"time_zone": TOKYO, "hours": [{}], "trust_clock": True})
    assert Schedule(trusting, "lounge").allows(noon, clock_is_synchronised=False)


def test_a_camera_may_have_hours_of_its_own_or_none() -> None:
    night = {"start": "22:00", "end": "06:00"}
    cameras = {"hall": [night], "garden": []}
    settings = ScheduleSettings.model_validate({"time_zone": TOKYO, "hours": [{"end": "12:00"}], "cameras": cameras})
    noon = at("2026-11-23T13:00")
    assert [Schedule(settings, name).why_not(noon) for name in ("lounge", "hall", "garden")] == ["hours", "hours", None]
    assert Schedule(settings, "hall").allows(at("2026-11-23T23:00"))


def test_a_moment_without_time_zone_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="time zone"):
        schedule("08:00", "20:00").allows(datetime(2026, 11, 23))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        pytest.param("[schedule]\ntime_zone = 'Asia/Tokio'", r"schedule\.time_zone: no such time zone", id="zone"),
        pytest.param("[schedule]\ntime_zone = '../etc/passwd'", r"schedule\.time_zone: no such time zone", id="path"),
        pytest.param("[[schedule.hours]]\nend = 20:00:00", "schedule: hours need the site's time_zone", id="no-zone"),
        pytest.param("[[schedule.hours]]\nend = '25:00'", r"schedule\.hours\S*end: ", id="no-such-hour"),
        pytest.param(
            "[[schedule.hours]]\nend = '12:00+09:00'", r"schedule\.hours\S*end: .*without an offset", id="offset"
        ),
        pytest.param("[[schedule.hours]]\ndays = ['montag']", r"schedule\.hours\S*days", id="day"),
        pytest.param("[schedule.cameras]\nhall = []", "schedule: there is no camera hall", id="no-such-camera"),
        pytest.param("[zones.hall]", "zones: there is no camera hall", id="no-such-camera-in-zones"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_by_key(tmp_path: Path, toml: str, message: str) -> None:
    path = tmp_path / "ffe.toml"
    path.write_text(toml)
    with pytest.raises(ConfigError, match=message):
        load_config(path)
