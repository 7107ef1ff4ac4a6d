from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.rollups import Bucket, Counts, add_time, bounds, shares_of, store_counts
from ffe_edge.dashboard.tables import rollups

TOKYO = ZoneInfo("Asia/Tokyo")
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("unit", "zone", "moment", "start", "hours"),
    [
        pytest.param("minute", TOKYO, "2026-11-24T01:02:03+09:00", "2026-11-24T01:02+09:00", 1 / 60, id="minute"),
        pytest.param("hour", TOKYO, "2026-11-24T01:02:03+09:00", "2026-11-24T01:00+09:00", 1, id="hour"),
        pytest.param("day", TOKYO, "2026-11-24T01:02:03+09:00", "2026-11-24T00:00+09:00", 24, id="day"),
        pytest.param(
            "hour", ZoneInfo("Asia/Kolkata"), "2026-11-24T01:02+05:30", "2026-11-24T01:00+05:30", 1, id="half"
        ),
        pytest.param("day", BERLIN, "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", 23, id="short day"),
        pytest.param("day", BERLIN, "2026-10-25T12:00+01:00", "2026-10-25T00:00+02:00", 25, id="long day"),
    ],
)
def test_units_are_those_of_the_home(unit: str, zone: ZoneInfo, moment: str, start: str, hours: float) -> None:
    start_ms, end_ms = bounds(unit, at(moment), zone)  # type: ignore[arg-type]
    assert (start_ms, end_ms - start_ms) == (at(start), hours * HOUR)


@pytest.mark.parametrize("unit", ["minute", "hour", "day"])
def test_the_shares_of_a_time_are_the_time(unit: str) -> None:
    began_ms, ended_ms = at("2026-10-24T21:13:07+02:00"), at("2026-10-25T21:13:08+01:00")
    shares = dict(shares_of(unit, began_ms, ended_ms, BERLIN))  # type: ignore[arg-type]
    assert sum(shares.values()) == ended_ms - began_ms == 25 * HOUR + 1000
    assert [start for start in shares if start != bounds(unit, start, BERLIN)[0]] == []  # type: ignore[arg-type]


def test_what_is_counted_is_changed_by_the_difference_and_nothing_is_left_of_nothing(database: Database) -> None:
    counts: Counts = Counter()
    add_time(counts, "camera:1", "joy", 30_000, 90_000, TOKYO)
    with database.writing() as connection:
        store_counts(connection, counts)
        store_counts(connection, {Bucket("camera:1", "minute", 0, "joy"): -30_000})
        store_counts(connection, {Bucket("camera:1", "minute", 60_000, "joy"): 5})
        rows = connection.execute(select(rollups.c.unit, rollups.c.start_ms, rollups.c.ms)).all()
    day_ms = bounds("day", 0, TOKYO)[0]
    assert sorted(map(tuple, rows)) == [("day", day_ms, 60_000), ("hour", 0, 60_000), ("minute", 60_000, 30_005)]


def test_the_epoch_is_a_morning_in_japan() -> None:
    assert bounds("day", 0, TOKYO)[0] == at("1970-01-01T00:00+09:00") == -9 * HOUR
    assert datetime.fromtimestamp(0, timezone.utc).astimezone(TOKYO).hour == 9
