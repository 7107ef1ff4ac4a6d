"""Rows of a home that does not exist, as many as a year makes: for measurements of pages, and a past for the demo."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Integer, Table

from ffe_edge.dashboard.personas import PERSONAS, Persona
from ffe_edge.dashboard.rollups import (
    UNITS,
    Bucket,
    Counts,
    camera_subject,
    day_bounds,
    day_number,
    resident_subject,
    shares_of,
)
from ffe_edge.dashboard.simulated import Mood, visits
from ffe_edge.dashboard.tables import cameras, events, nodes, residents, rollups, rooms, spells, summaries
from ffe_edge.wire import uuid7

MINUTE_MS: Final = 60_000
BOOT_ID: Final = "simulated-past"
Rows = tuple[Table, tuple[str, ...], Sequence[tuple[Any, ...]]]
"""A table, its columns, and rows of them."""


@dataclass(frozen=True, slots=True)
class Past:
    """How much of it."""

    residents: int = len(PERSONAS)
    days: int = 365
    events_days: int = 90
    """The last days have events and spells, too ..."""
    minutes_days: int = 14
    """... and the very last ones minutes."""
    mood_seconds: float = 240.0
    seed: int = 1
    with_today: bool = False
    """It ends with what has ended by now, not with the day before."""


def past_rows(past: Past, now_ms: int, zone: ZoneInfo, site: str = "home", node: str = "edge-01") -> Iterator[Rows]:
    """All rows for an empty store, in an order that its keys allow.

    Args:
        past: how much.
        now_ms: the past ends with the day before, or with this moment.
        zone: of the home.
        site: of the node.
        node: that told all of it.
    """
    people = [_person(number) for number in range(past.residents)]
    names = ("id", "name", "name_en", "room_id", "consent_by", "consent_at_ms", "created_ms")
    told = [(each.id, each.name, each.name_en, at, "family", 0, 0) for at, each in enumerate(people, 1)]
    yield (
        nodes,
        ("site", "node", "state", "since_ms", "heard_ms", "sequence_seen"),
        [(site, node, "online", 0, now_ms, 0)],
    )
    yield residents, names, told
    named = ("id", "name_ja", "name_en", "floor", "position", "resident_id")
    yield rooms, named, [(at, str(100 + at), str(100 + at), "1", at, each.id) for at, each in enumerate(people, 1)]
    seen = ("id", "node_id", "name", "room_id", "state", "reason", "since_ms", "heard_ms")
    yield cameras, seen, [(at, 1, each.camera, at, "online", "", 0, now_ms) for at, each in enumerate(people, 1)]
    for camera_id, person in enumerate(people, 1):
        yield from _life(past, person, camera_id, now_ms, zone)


def load(connection: Connection, rows: Rows) -> None:
    """Store rows as fast as the driver can."""
    table, columns, values = rows
    driver: Any = connection.connection.driver_connection
    names = ", ".join(columns)
    if connection.dialect.name != "postgresql":
        marks = ", ".join("?" for _ in columns)
        driver.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", values)  # noqa: S608  # ours
        return
    with driver.cursor() as cursor:
        with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)
        if columns[0] == "id" and isinstance(table.c.id.type, Integer):
            latest = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {len(values)})"
            cursor.execute(latest)


def _person(number: int) -> Persona:
    persona = PERSONAS[number % len(PERSONAS)]
    if number < len(PERSONAS):
        return persona
    return Persona(
        f"resident-{number}",
        f"入居者{number}",
        f"Resident {number}",
        f"room-{101 + number}",
        persona.moods,
        persona.evening,
    )


def _life(past: Past, person: Persona, camera_id: int, now_ms: int, zone: ZoneInfo) -> Iterator[Rows]:
    chance = random.Random(f"{past.seed} {person.id}")
    today = day_number(now_ms, zone)
    counts: Counts = Counter()
    kept: list[tuple[int, list[Mood]]] = []
    for day in range(today - past.days, today + past.with_today):
        midnight_ms = day_bounds(day, zone)[0]
        found = _until(visits(person, midnight_ms, past.mood_seconds * 1000, chance), now_ms)
        for moods in found:
            for mood in moods:
                _count(counts, person, mood, zone, with_minutes=day >= today - past.minutes_days)
        if day >= today - past.events_days:
            kept += [(day, moods) for moods in found]
    yield from _counted(counts, camera_id)
    yield from _told(person, camera_id, kept, chance)
    from_ms, to_ms = day_bounds(today - past.minutes_days, zone)[0], day_bounds(today, zone)[0]
    yield _minutes(camera_id, from_ms, now_ms - MINUTE_MS if past.with_today else to_ms)


def _until(found: Iterable[list[Mood]], now_ms: int) -> list[list[Mood]]:
    """The visits of a day without what is yet to come."""
    ended = ([mood for mood in moods if mood.ended_ms <= now_ms] for moods in found)
    return [moods for moods in ended if moods]


def _count(counts: Counts, person: Persona, mood: Mood, zone: ZoneInfo, *, with_minutes: bool) -> None:
    for unit in UNITS if with_minutes else UNITS[1:]:
        for start_ms, ms in shares_of(unit, mood.began_ms, mood.ended_ms, zone):
            counts[Bucket(resident_subject(person.id), unit, start_ms, mood.emotion)] += ms


def _counted(counts: Counts, camera_id: int) -> Iterator[Rows]:
    rows = sorted((*bucket, ms) for bucket, ms in counts.items())
    columns = ("subject", "unit", "start_ms", "emotion", "ms")
    yield rollups, columns, rows
    yield rollups, columns, [(camera_subject(camera_id), *row[1:]) for row in rows]


def _told(
    person: Persona, camera_id: int, kept: Sequence[tuple[int, list[Mood]]], chance: random.Random
) -> Iterator[Rows]:
    """Events and spells of visits; the sequences of cameras interleave, as a node's do."""
    of_spells, of_events = [], []
    sequence = camera_id
    for track, (_, moods) in enumerate(kept, 1):
        key = f"{BOOT_ID}/{track}"
        for number, mood in enumerate(moods):
            before = moods[number - 1] if number else None
            is_last = number == len(moods) - 1
            row = (person.id, mood.emotion, mood.began_ms, mood.ended_ms, "end" if is_last else "change")
            of_spells.append((camera_id, key, sequence, *row))
            change = "change" if before else "start"
            of_events.append(_event(person, camera_id, sequence, track, change, mood, before, mood.began_ms, chance))
            sequence += 1000
            if is_last:
                end = _event(person, camera_id, sequence, track, "end", mood, mood, mood.ended_ms, chance)
                of_events.append(end)
                sequence += 1000
    ends = ("resident_id", "emotion", "began_ms", "ended_ms", "end_reason")
    yield spells, ("camera_id", "track_key", "sequence", *ends), of_spells
    yield events, _EVENT, of_events


_EVENT: Final = (
    "id", "node_id", "camera_id", "kind", "sequence", "boot_id", "at_ms", "received_ms", "is_late", "is_replayed",
    "change", "track", "resident_id", "emotion", "previous", "confidence", "held_ms", "quality",
)  # fmt: skip


def _event(
    person: Persona,
    camera_id: int,
    sequence: int,
    track: int,
    change: str,
    mood: Mood,
    before: Mood | None,
    at_ms: int,
    chance: random.Random,
) -> tuple[Any, ...]:
    event_id = str(uuid7(at_ms, chance.randbytes(10)))
    known = (event_id, 1, camera_id, "emotion", sequence, BOOT_ID, at_ms, at_ms + 80, False, False, change, track)
    held_ms = before.ended_ms - before.began_ms if before else 0
    return (*known, person.id, mood.emotion, before and before.emotion, round(chance.uniform(0.5, 1), 4), held_ms, 0.9)


def _minutes(camera_id: int, from_ms: int, to_ms: int) -> Rows:
    """Every minute was told, none with missing pictures; what was seen in it stands in the counts."""
    rows = [(camera_id, at_ms, 60.0, 1, 0.0, "{}") for at_ms in range(from_ms, to_ms, MINUTE_MS)]
    return summaries, ("camera_id", "began_ms", "seconds", "people", "missing_seconds", "emotions"), rows
