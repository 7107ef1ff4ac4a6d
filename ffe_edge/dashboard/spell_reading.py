"""What is known of the tracks that a batch touches, in few queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, select

from ffe_edge.dashboard.spells import Spell, Told
from ffe_edge.dashboard.tables import events, spells
from ffe_edge.dashboard.unions import ask

_LAST: Final = """SELECT * FROM (
    SELECT camera_id, boot_id, track, sequence, change, at_ms, emotion, previous, held_ms, resident_id FROM events
    WHERE camera_id = :camera_id{0} AND track = :number{0} AND boot_id = :boot_id{0} AND kind = 'emotion'
    ORDER BY sequence DESC LIMIT 1
) AS last{0}"""
_SINCE: Final = """SELECT id, camera_id, track_key, sequence, emotion, began_ms, ended_ms, end_reason, resident_id
    FROM spells WHERE camera_id = :camera_id{0} AND track_key = :key{0} AND sequence >= :sequence{0}"""


class Track(NamedTuple):
    """A number that a camera's node gave to somebody in view, within one run of the machine."""

    camera_id: int
    boot_id: str
    number: int

    @property
    def key(self) -> str:
        """As spells name it."""
        return f"{self.boot_id}/{self.number}"


class StoredSpell(NamedTuple):
    """A row of ``spells``."""

    id: int
    camera_id: int
    spell: Spell


def last_events(connection: Connection, tracks: Iterable[Track]) -> dict[Track, Told]:
    """The event with the highest sequence of each track that has any."""
    asked = [{"camera_id": each.camera_id, "boot_id": each.boot_id, "number": each.number} for each in tracks]
    rows = ask(connection, _LAST, asked)
    return {Track(row.camera_id, row.boot_id, row.track): told_of(row) for row in rows}


def spells_since(connection: Connection, last: Mapping[Track, Told]) -> dict[Track, list[StoredSpell]]:
    """The spells that the last event of each track opened, or one after it: not one that it ended."""
    by_key = {(track.camera_id, track.key): track for track in last}
    asked = [{"camera_id": at.camera_id, "key": at.key, "sequence": told.sequence} for at, told in last.items()]
    found: dict[Track, list[StoredSpell]] = {track: [] for track in last}
    for row in ask(connection, _SINCE, asked):
        track = by_key[row.camera_id, row.track_key]
        if row.sequence > last[track].sequence or row.began_ms >= last[track].at_ms:
            found[track].append(_stored(row))
    return found


def events_of(connection: Connection, track: Track) -> list[Told]:
    """All events of a track."""
    of_track = (events.c.camera_id == track.camera_id, events.c.track == track.number, events.c.kind == "emotion")
    query = select(events).where(*of_track, events.c.boot_id == track.boot_id)
    return [told_of(row) for row in connection.execute(query)]


def spells_of_track(connection: Connection, track: Track) -> list[StoredSpell]:
    """All spells of a track."""
    return stored_spells(connection, spells.c.camera_id == track.camera_id, spells.c.track_key == track.key)


def stored_spells(connection: Connection, *conditions: ColumnElement[bool]) -> list[StoredSpell]:
    """Rows of ``spells``."""
    return [_stored(row) for row in connection.execute(select(spells).where(*conditions))]


def open_spells(connection: Connection, camera_ids: Collection[int]) -> list[StoredSpell]:
    """Those that last before these cameras.

    Few last at any time, and a camera has a long past: the sum keeps the database from going by the camera's index.
    """
    return stored_spells(connection, spells.c.ended_ms.is_(None), (spells.c.camera_id + 0).in_(camera_ids))


def told_of(row: Row[Any]) -> Told:
    """An event's row as spells are made of it."""
    return Told(row.sequence, row.change, row.at_ms, row.emotion, row.previous, row.held_ms or 0, row.resident_id)


def _stored(row: Row[Any]) -> StoredSpell:
    spell = Spell(row.sequence, row.emotion, row.began_ms, row.ended_ms, row.end_reason, row.resident_id)
    return StoredSpell(row.id, row.camera_id, spell)
