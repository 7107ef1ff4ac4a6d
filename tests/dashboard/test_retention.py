from __future__ import annotations

from zoneinfo import ZoneInfo

from dashboard.messages import NOON_MS, emotion, summary
from sqlalchemy import func, insert, select

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.ingest import ingest
from ffe_edge.dashboard.retention import clean
from ffe_edge.dashboard.rollups import DAY_MS
from ffe_edge.dashboard.settings import RetentionSettings
from ffe_edge.dashboard.tables import alerts, audit, events, quarantine, rollups, spells, summaries

DAY_SECONDS = DAY_MS / 1000
KEEP = RetentionSettings(events_days=3, minutes_days=2, hours_days=5, quarantine_days=2, audit_days=4)
TABLES = {table.name: table for table in (events, spells, summaries, alerts, audit, quarantine)}


def fill(database: Database) -> None:
    """One of everything for each of the six days that ended at noon."""
    with database.writing() as connection:
        for day in range(6):
            at_ms, at_seconds = NOON_MS - day * DAY_MS, -day * DAY_SECONDS
            told = [emotion(10 * day + 1, "start", at_seconds - 60, track=day, received_seconds=1)]
            told += [emotion(10 * day + 2, "end", at_seconds, previous="joy", track=day, received_seconds=1)]
            ingest(connection, [*told, summary(10 * day + 3, at_seconds - 60, {"joy": 60.0})], ZoneInfo("Asia/Tokyo"))
            alert = {"rule": "r", "subject": "node:1", "severity": "notice", "detail": {}, "ended_ms": at_ms}
            connection.execute(insert(alerts).values(opened_ms=at_ms, **alert))
            connection.execute(insert(audit).values(at_ms=at_ms, user_name="", action="sign-in"))
            strange = {"topic": "t", "reason": "r", "bytes": 1, "count": 1}
            connection.execute(insert(quarantine).values(received_ms=at_ms, **strange))


def test_each_kind_is_kept_as_long_as_it_is_set(database: Database) -> None:
    fill(database)
    gone = clean(database, KEEP, NOON_MS + 1)
    with database.reading() as connection:
        left = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in TABLES.items()
        }
        by_unit = select(rollups.c.unit, func.count()).group_by(rollups.c.unit)
        counted = {row[0]: row[1] for row in connection.execute(by_unit)}
    assert left == {"events": 6, "spells": 3, "summaries": 2, "alerts": 5, "audit": 4, "quarantine": 2}
    assert counted == {"minute": 2, "hour": 5, "day": 5}
    assert (gone["events"], gone["rollups"], gone["audit"]) == (6, 4 + 1 + 1, 2)


def test_what_is_young_enough_stays(database: Database) -> None:
    fill(database)
    assert clean(database, RetentionSettings(), NOON_MS) == {}


def test_it_stops_between_two_transactions(database: Database) -> None:
    fill(database)
    asked = iter([False, True])
    assert clean(database, KEEP, NOON_MS + 1, lambda: next(asked, True)) == {"events": 2}
