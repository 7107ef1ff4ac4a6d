"""What is known of the tracks that a batch touches, in few queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, TextClause, select, text

from ffe_edge.dashboard.spells import Spell, Told
from ffe_edge.dashboard.tables import events, spells

SIZES: Final = (1, 4, 16, 64)
"""Tracks that one query asks for: few sizes, so that each is worded once."""
_LAST: Final = """SELECT * FROM (
    SELECT camera_id, boot_id, track, sequence, change, at_ms, emotion, previous, held_ms, resident_id FROM events
    WHERE camera_id = :camera_id{0} AND track = :number{0} AND boot_id = :boot_id{0} AND kind = 'emotion'
    ORDER BY sequence DESC LIMIT 1
) AS last{0}"""
_SINCE: Final = """SELECT id, camera_id, track_key, sequence, emotion, began_ms, ended_ms, end_reason, resident_id
    FROM spells WHERE camera_id = :camera_id{0} AND track_key = :key{0} AND sequence >= :sequence{0}"""
T = TypeVar("T")


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
    found: dict[Track, Told] = {}
    for chunk in _chunks(list(tracks)):
        asked = [{"camera_id": each.camera_id, "boot_id": each.boot_id, "number": each.number} for each in chunk]
        for row in connection.execute(_union(_LAST, len(chunk)), _numbered(asked)):
            found[Track(row.camera_id, row.boot_id, row.track)] = told_of(row)
    return found


def spells_since(connection: Connection, last: Mapping[Track, Told]) -> dict[Track, list[StoredSpell]]:
    """The spells that the last event of each track opened, or one after it: not one that it ended."""
    by_key = {(track.camera_id, track.key): track for track in last}
    found: dict[Track, list[StoredSpell]] = {track: [] for track in last}
    for chunk in _chunks(list(last)):
        asked = [{"camera_id": each.camera_id, "key": each.key, "sequence": last[each].sequence} for each in chunk]
        rows = {row.id: row for row in connection.execute(_union(_SINCE, len(chunk)), _numbered(asked))}
        for row in rows.values():
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
    """Those that last before these cameras. Few last at any time: all are asked for, not all of the cameras' past."""
    return [each for each in stored_spells(connection, spells.c.ended_ms.is_(None)) if each.camera_id in camera_ids]


def told_of(row: Row[Any]) -> Told:
    """An event's row as spells are made of it."""
    return Told(row.sequence, row.change, row.at_ms, row.emotion, row.previous, row.held_ms or 0, row.resident_id)


def _stored(row: Row[Any]) -> StoredSpell:
    spell = Spell(row.sequence, row.emotion, row.began_ms, row.ended_ms, row.end_reason, row.resident_id)
    return StoredSpell(row.id, row.camera_id, spell)


@cache
def _union(part: str, count: int) -> TextClause:
    return text(" UNION ALL ".join(part.format(number) for number in range(count)))


def _chunks(asked: Sequence[T]) -> Iterator[Sequence[T]]:
    """Pieces of the sizes there are; the last is filled up with what it holds already."""
    for at in range(0, len(asked), SIZES[-1]):
        piece = list(asked[at : at + SIZES[-1]])
        size = next(size for size in SIZES if size >= len(piece))
        yield piece + piece[-1:] * (size - len(piece))


def _numbered(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{name}{number}": value for number, row in enumerate(rows) for name, value in row.items()}
