"""Time in each emotion by minute, hour and day of the home. What is counted is changed by the difference.

An hour and a day are those of the home's clock: a day may have 23 or 25 hours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from functools import cache, lru_cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Insert, bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite

from ffe_edge.dashboard.tables import rollups

Unit = Literal["minute", "hour", "day"]
UNITS: Final[tuple[Unit, ...]] = ("minute", "hour", "day")
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
MISSING: Final = "missing"
"""Stands for an emotion: time without a picture."""


class Bucket(NamedTuple):
    """One row of the counts."""

    subject: str
    unit: Unit
    start_ms: int
    emotion: str


Counts = Counter[Bucket]
"""Milliseconds by row; negative where there were too many."""


def resident_subject(resident_id: str) -> str:
    """Whose time it is: a resident's."""
    return f"resident:{resident_id}"


def camera_subject(camera_id: int) -> str:
    """Whose time it is: of all who were in view of a camera."""
    return f"camera:{camera_id}"


def add_time(
    counts: Counts, subject: str, emotion: str, began_ms: int, ended_ms: int, zone: ZoneInfo, sign: int = 1
) -> None:
    """Count the time from ``began_ms`` to ``ended_ms``, or with ``sign`` -1 take it away."""
    for unit in UNITS:
        for start_ms, ms in shares_of(unit, began_ms, ended_ms, zone):
            counts[Bucket(subject, unit, start_ms, emotion)] += sign * ms


def shares_of(unit: Unit, began_ms: int, ended_ms: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """The starts of the units that a time touches, and its milliseconds in each."""
    at_ms = began_ms
    while at_ms < ended_ms:
        start_ms, end_ms = bounds(unit, at_ms, zone)
        yield start_ms, min(end_ms, ended_ms) - at_ms
        at_ms = end_ms


def bounds(unit: Unit, at_ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """Start and end of the unit in which a moment lies."""
    if unit == "minute":
        start_ms = at_ms - at_ms % MINUTE_MS
        return start_ms, start_ms + MINUTE_MS
    if unit == "hour":
        offset_ms = _offset_ms(at_ms // (15 * MINUTE_MS), zone)
        start_ms = at_ms - (at_ms + offset_ms) % HOUR_MS
        return start_ms, start_ms + HOUR_MS
    offset_ms = _offset_ms(at_ms // (15 * MINUTE_MS), zone)
    return day_bounds((at_ms + offset_ms) // DAY_MS, zone)


@lru_cache(maxsize=4096)
def day_bounds(day: int, zone: ZoneInfo) -> tuple[int, int]:
    """Start and end of a day of the home; ``day`` is counted from 1970-01-01."""
    first, second = (_midnight_ms(date(1970, 1, 1) + timedelta(days=day + more), zone) for more in (0, 1))
    return first, second


def day_number(at_ms: int, zone: ZoneInfo) -> int:
    """The day of the home in which a moment lies, counted from 1970-01-01."""
    return (at_ms + _offset_ms(at_ms // (15 * MINUTE_MS), zone)) // DAY_MS


def store_counts(connection: Connection, counts: Mapping[Bucket, int]) -> None:
    """Add to what is counted; rows that come to nothing are removed."""
    changed = sorted((bucket, ms) for bucket, ms in counts.items() if ms)
    if not changed:
        return
    connection.execute(_adding(connection.dialect.name), [{**bucket._asdict(), "ms": ms} for bucket, ms in changed])
    emptied = [{f"of_{name}": value for name, value in row._asdict().items()} for row, ms in changed if ms < 0]
    if emptied:
        connection.execute(_EMPTIED, emptied)


_EMPTIED: Final = delete(rollups).where(
    *(rollups.c[name] == bindparam(f"of_{name}") for name in Bucket._fields), rollups.c.ms <= 0
)


@cache
def _adding(dialect: str) -> Insert:
    """New rows, or more in those that are there: worded alike by both databases, but not by SQLAlchemy."""
    adding = postgresql.insert(rollups) if dialect == "postgresql" else sqlite.insert(rollups)
    more = {"ms": rollups.c.ms + adding.excluded.ms}
    return adding.on_conflict_do_update(index_elements=list(rollups.primary_key), set_=more)


@lru_cache(maxsize=65536)
def _offset_ms(quarter: int, zone: ZoneInfo) -> int:
    """What the home's clock is ahead of UTC; no zone changes within a quarter of an hour."""
    moment = datetime.fromtimestamp(quarter * 900, timezone.utc).astimezone(zone)
    offset = moment.utcoffset() or timedelta(0)
    return int(offset.total_seconds()) * 1000


def _midnight_ms(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000
