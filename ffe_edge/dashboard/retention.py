"""What is older than it may be is deleted, in small transactions: events are stored in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, delete, func, select

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.rollups import DAY_MS
from ffe_edge.dashboard.settings import RetentionSettings
from ffe_edge.dashboard.tables import alerts, audit, cameras, events, quarantine, rollups, sessions, spells, summaries

SLICE_MS: Final = DAY_MS
"""So much time is deleted at once."""


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    table: Table
    column: Column[Any]
    keep_days: int
    conditions: tuple[ColumnElement[bool], ...] = ()


def clean(
    database: Database, retention: RetentionSettings, now_ms: int, is_stopping: Callable[[], bool] = lambda: False
) -> dict[str, int]:
    """Delete what is too old.

    Args:
        database: the store.
        retention: how long what is kept.
        now_ms: now.
        is_stopping: asked between transactions.

    Returns:
        How many rows went, by table.

    Raises:
        StoreError: the database cannot be used at present; what went before is gone.
    """
    with database.reading() as connection:
        camera_ids = list(connection.execute(select(cameras.c.id)).scalars())
    gone: dict[str, int] = {}
    for rule in _rules(retention, camera_ids):
        before_ms = now_ms - rule.keep_days * DAY_MS
        while not is_stopping() and (count := _delete_slice(database, rule, before_ms)) is not None:
            gone[rule.name] = gone.get(rule.name, 0) + count
    return gone


def _rules(keep: RetentionSettings, camera_ids: list[int]) -> list[_Rule]:
    by_camera = [
        _Rule(table.name, table, table.c.began_ms, keep_days, (table.c.camera_id == camera_id,))
        for table, keep_days in ((spells, keep.events_days), (summaries, keep.minutes_days))
        for camera_id in camera_ids
    ]
    by_unit = [
        _Rule("rollups", rollups, rollups.c.start_ms, keep_days, (rollups.c.unit == unit,))
        for unit, keep_days in (("minute", keep.minutes_days), ("hour", keep.hours_days), ("day", keep.hours_days))
    ]
    return [
        _Rule("events", events, events.c.at_ms, keep.events_days),
        *by_camera,
        *by_unit,
        _Rule("alerts", alerts, alerts.c.opened_ms, keep.hours_days, (alerts.c.ended_ms.is_not(None),)),
        _Rule("audit", audit, audit.c.at_ms, keep.audit_days),
        _Rule("quarantine", quarantine, quarantine.c.received_ms, keep.quarantine_days),
        _Rule("sessions", sessions, sessions.c.expires_ms, 1),
    ]


def _delete_slice(database: Database, rule: _Rule, before_ms: int) -> int | None:
    """Delete the oldest day of what is too old; None where nothing is."""
    oldest = select(func.min(rule.column)).where(*rule.conditions)
    with database.reading() as connection:
        first_ms = connection.execute(oldest).scalar_one()
    if first_ms is None or first_ms >= before_ms:
        return None
    until_ms = min(first_ms + SLICE_MS, before_ms)
    with database.writing() as connection:
        return connection.execute(delete(rule.table).where(*rule.conditions, rule.column < until_ms)).rowcount
