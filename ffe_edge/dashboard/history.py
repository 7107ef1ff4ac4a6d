"""What has been: a subject's spells and time in each emotion, its usual days, the list of events.

A spell that lasts counts up to when its camera was last heard of: beyond that nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from ffe_edge.dashboard.rollups import MISSING, Unit, camera_subject, day_bounds, day_number, shares_of
from ffe_edge.dashboard.spells import MAX_SPELL_MS
from ffe_edge.dashboard.tables import cameras, events, rollups, spells
from ffe_edge.dashboard.unions import ask

MIN_DAY_MS: Final = 10 * 60_000
"""A day on which somebody was seen for less tells nothing of what is usual."""
_SUMS: Final = """SELECT min(subject) AS subject, emotion, sum(ms) AS ms FROM rollups
    WHERE subject = :subject{0} AND unit = :unit{0} AND start_ms >= :from_ms{0} AND start_ms < :to_ms{0}
    GROUP BY emotion"""
Shares = dict[str, int]
"""Milliseconds by emotion."""


@dataclass(frozen=True, slots=True)
class PastSpell:
    """One person's one emotion."""

    id: int
    camera_id: int
    resident_id: str | None
    emotion: str
    began_ms: int
    ended_ms: int
    """Where it lasts: when its camera was last heard of."""
    end_reason: str | None
    """None while it lasts."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual for a subject."""

    shares: dict[str, float] = field(default_factory=dict)
    """Of the time in view, by emotion; they add up to 1."""
    spreads: dict[str, float] = field(default_factory=dict)
    """Standard deviation of the days' shares, by emotion."""
    days: int = 0
    """Days that it is known from: those with at least ten minutes in view."""
    seen_ms: int = 0
    """In view on these days."""


@dataclass(frozen=True, slots=True)
class EventsPage:
    """A page of the list of events, newest first."""

    events: list[dict[str, Any]]
    """The columns of ``events``."""
    next_before: tuple[int, str] | None
    """For the page after this one; None where this is the last."""


def spells_between(connection: Connection, subject: str, from_ms: int, to_ms: int) -> list[PastSpell]:
    """The spells that touch a time, in their order; they are not cut to it.

    Args:
        connection: to read by.
        subject: ``resident:<id>`` or ``camera:<id>``.
        from_ms: where the time begins.
        to_ms: where it ends.
    """
    query = (
        _with_heard()
        .where(_is_of(subject), spells.c.began_ms >= from_ms - MAX_SPELL_MS, spells.c.began_ms < to_ms)
        .where(or_(spells.c.ended_ms.is_(None), spells.c.ended_ms > from_ms))
        .order_by(spells.c.began_ms, spells.c.id)
    )
    found = map(_past, connection.execute(query))
    return [spell for spell in found if spell.ended_ms > max(from_ms, spell.began_ms)]


def shares_by(
    connection: Connection, subject: str, unit: Unit, from_ms: int, to_ms: int, zone: ZoneInfo
) -> list[tuple[int, Shares]]:
    """A subject's time in each emotion by minute, hour or day; those without any are left out.

    The emotion ``missing`` of a camera is time without a picture.

    Args:
        connection: to read by.
        subject: whose.
        unit: by what.
        from_ms: start of the first unit.
        to_ms: end of the last one.
        zone: of the home.
    """
    of_subject = rollups.c.subject == subject
    when = and_(rollups.c.unit == unit, rollups.c.start_ms >= from_ms, rollups.c.start_ms < to_ms)
    query = select(rollups.c.start_ms, rollups.c.emotion, rollups.c.ms).where(of_subject, when)
    found: dict[int, Shares] = {}
    for start_ms, emotion, ms in connection.execute(query):
        found.setdefault(start_ms, {})[emotion] = ms
    for spell in lasting(connection, subject):
        for start_ms, ms in shares_of(unit, spell.began_ms, spell.ended_ms, zone):
            if from_ms <= start_ms < to_ms:
                shares = found.setdefault(start_ms, {})
                shares[spell.emotion] = shares.get(spell.emotion, 0) + ms
    return sorted(found.items())


def shares_of_many(
    connection: Connection, subjects: Collection[str], unit: Unit, from_ms: int, to_ms: int
) -> dict[str, Shares]:
    """The time of several subjects in each emotion, summed over ended spells; for a shift or a floor."""
    keys = [{"subject": subject, "unit": unit, "from_ms": from_ms, "to_ms": to_ms} for subject in subjects]
    found: dict[str, Shares] = {subject: {} for subject in subjects}
    for row in ask(connection, _SUMS, keys):
        found[row.subject][row.emotion] = int(row.ms)
    return found


def baseline(connection: Connection, subject: str, before_ms: int, zone: ZoneInfo, days: int = 28) -> Baseline:
    """What is usual for a subject: its whole days before the one in which ``before_ms`` lies."""
    return baselines(connection, [subject], before_ms, zone, days)[subject]


def baselines(
    connection: Connection, subjects: Collection[str], before_ms: int, zone: ZoneInfo, days: int = 28
) -> dict[str, Baseline]:
    """The same of several subjects at once."""
    today = day_number(before_ms, zone)
    from_ms, to_ms = day_bounds(today - days, zone)[0], day_bounds(today, zone)[0]
    query = (
        select(rollups.c.subject, rollups.c.start_ms, rollups.c.emotion, rollups.c.ms)
        .where(rollups.c.subject.in_(subjects), rollups.c.unit == "day")
        .where(rollups.c.start_ms >= from_ms, rollups.c.start_ms < to_ms)
    )
    found: dict[str, dict[int, Shares]] = {subject: {} for subject in subjects}
    for subject, start_ms, emotion, ms in connection.execute(query):
        found[subject].setdefault(start_ms, {})[emotion] = ms
    for spell in lasting(connection):
        for subject in {camera_subject(spell.camera_id), f"resident:{spell.resident_id}"} & found.keys():
            for start_ms, ms in shares_of("day", max(from_ms, spell.began_ms), min(to_ms, spell.ended_ms), zone):
                shares = found[subject].setdefault(start_ms, {})
                shares[spell.emotion] = shares.get(spell.emotion, 0) + ms
    return {subject: _usual([_seen(shares) for shares in by_day.values()]) for subject, by_day in found.items()}


def _usual(days: Iterable[Shares]) -> Baseline:
    told = [shares for shares in days if sum(shares.values()) >= MIN_DAY_MS]
    seen_ms = sum(sum(shares.values()) for shares in told)
    emotions = sorted({emotion for shares in told for emotion in shares})
    by_day = {emotion: [shares.get(emotion, 0) / sum(shares.values()) for shares in told] for emotion in emotions}
    return Baseline(
        {emotion: sum(shares.get(emotion, 0) for shares in told) / seen_ms for emotion in emotions},
        {emotion: _spread(shares) for emotion, shares in by_day.items()},
        len(told),
        seen_ms,
    )


def _spread(shares: list[float]) -> float:
    """Standard deviation; ``statistics.stdev`` counts in fractions, which for a whole home takes most of the time."""
    if len(shares) < 2:
        return 0.0
    mean = math.fsum(shares) / len(shares)
    return math.sqrt(math.fsum((share - mean) ** 2 for share in shares) / (len(shares) - 1))


def events_page(
    connection: Connection,
    *,
    resident_id: str | None = None,
    camera_ids: Collection[int] | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    before: tuple[int, str] | None = None,
    limit: int = 100,
) -> EventsPage:
    """Events, newest first; ``before`` is the page before's ``next_before``."""
    conditions = [] if resident_id is None else [events.c.resident_id == resident_id]
    conditions += [] if from_ms is None else [events.c.at_ms >= from_ms]
    conditions += [] if to_ms is None else [events.c.at_ms < to_ms]
    if before is not None:
        at_ms, event_id = before
        older = and_(events.c.at_ms == at_ms, events.c.id < event_id)
        conditions += [events.c.at_ms <= at_ms, or_(events.c.at_ms < at_ms, older)]
    parts: list[list[ColumnElement[bool]]] = [[]]
    if camera_ids is not None:  # each for itself: of several the database would sort all there is
        parts = [[events.c.camera_id == camera_id] for camera_id in sorted(set(camera_ids))]
    rows = [row for part in parts for row in _newest(connection, [*conditions, *part], limit)]
    rows.sort(key=lambda row: (row["at_ms"], row["id"]), reverse=True)
    last = rows[limit - 1] if len(rows) >= limit else None
    return EventsPage(rows[:limit], (last["at_ms"], last["id"]) if last else None)


def lasting(connection: Connection, subject: str | None = None) -> list[PastSpell]:
    """The spells that last, of a subject or of all."""
    query = _with_heard().where(spells.c.ended_ms.is_(None)).order_by(spells.c.began_ms, spells.c.id)
    found = [_past(row) for row in connection.execute(query)]  # few at any time: faster than a subject's whole past
    if subject is None:
        return found
    return [spell for spell in found if subject in (camera_subject(spell.camera_id), f"resident:{spell.resident_id}")]


def _newest(connection: Connection, conditions: Iterable[ColumnElement[bool]], limit: int) -> list[dict[str, Any]]:
    query = select(events).where(*conditions).order_by(events.c.at_ms.desc(), events.c.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def _with_heard() -> Any:
    return select(spells, cameras.c.heard_ms).join(cameras, cameras.c.id == spells.c.camera_id)


def _past(row: Row[Any]) -> PastSpell:
    last_ms = min(max(row.began_ms, row.heard_ms), row.began_ms + MAX_SPELL_MS)
    ended_ms = last_ms if row.ended_ms is None else row.ended_ms
    return PastSpell(row.id, row.camera_id, row.resident_id, row.emotion, row.began_ms, ended_ms, row.end_reason)


def _is_of(subject: str) -> ColumnElement[bool]:
    kind, _, name = subject.partition(":")
    if kind == "resident" and name:
        return spells.c.resident_id == name
    if kind == "camera" and name.isdecimal():
        return spells.c.camera_id == int(name)
    raise ValueError("a subject is resident:<id> or camera:<number>")


def _seen(shares: Shares) -> Shares:
    return {emotion: ms for emotion, ms in shares.items() if emotion != MISSING and ms > 0}
