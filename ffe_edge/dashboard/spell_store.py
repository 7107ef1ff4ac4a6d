"""Spells in the store: those that a batch touches are made anew, and what is counted is changed by the difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, delete, insert, update

from ffe_edge.dashboard.known_places import KnownPlaces
from ffe_edge.dashboard.rollups import (
    MINUTE_MS,
    MISSING,
    Counts,
    add_time,
    camera_subject,
    resident_subject,
    store_counts,
)
from ffe_edge.dashboard.spell_reading import (
    StoredSpell,
    Track,
    events_of,
    last_events,
    open_spells,
    spells_of_track,
    spells_since,
)
from ffe_edge.dashboard.spells import LOST, RESTARTED, Spell, Told, cut, spells_of
from ffe_edge.dashboard.tables import spells
from ffe_edge.dashboard.unseen import UNSEEN, first_unseen

TOLD_BY_EVENTS: Final = frozenset({"change", "end", LOST, RESTARTED})
"""Ends that follow from the events themselves; every other is kept until an event tells better."""


_OF_ID: Final = spells.c.id == bindparam("of_id")
_ENDS: Final[dict[str, Any]] = {name: bindparam(name) for name in ("resident_id", "ended_ms", "end_reason")}
_DELETE: Final = delete(spells).where(_OF_ID)
_CHANGE: Final = update(spells).where(_OF_ID).values(**_ENDS)
_MAKE: Final = insert(spells)


class Difference:
    """What is to be written: gathered over the tracks of a batch, written at once."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self.counts: Counts = Counter()
        self._made: list[dict[str, Any]] = []
        self._changed: list[dict[str, Any]] = []
        self._gone: list[dict[str, Any]] = []

    def replace(self, track: Track, old: Sequence[StoredSpell], new: Sequence[Spell]) -> None:
        """The old spells of a track give way to the new; what is the same stays."""
        before = {each.spell.identity: each for each in old}
        for spell in new:
            known = before.pop(spell.identity, None)
            if known is not None:
                self.change(known, spell)
                continue
            self._made.append(_row(spell) | {"camera_id": track.camera_id, "track_key": track.key})
            self._count(track.camera_id, spell, 1)
        for each in before.values():
            self.remove(each)

    def change(self, old: StoredSpell, new: Spell) -> None:
        """A spell ends otherwise, or is somebody else's."""
        row = _row(new)
        if row == _row(old.spell):
            return
        self._count(old.camera_id, old.spell, -1)
        self._count(old.camera_id, new, 1)
        self._changed.append(
            {"of_id": old.id, **{name: row[name] for name in ("resident_id", "ended_ms", "end_reason")}}
        )

    def remove(self, old: StoredSpell) -> None:
        """A spell never was."""
        self._count(old.camera_id, old.spell, -1)
        self._gone.append({"of_id": old.id})

    def add_missing(self, camera_id: int, began_ms: int, missing_ms: int) -> None:
        """A camera had no picture for so long."""
        add_time(self.counts, camera_subject(camera_id), MISSING, began_ms, began_ms + missing_ms, self._zone)

    def store(self, connection: Connection) -> None:
        """Write all of it."""
        for statement, rows in ((_DELETE, self._gone), (_CHANGE, self._changed), (_MAKE, self._made)):
            if rows:
                connection.execute(statement, rows)
        store_counts(connection, self.counts)

    def _count(self, camera_id: int, spell: Spell, sign: int) -> None:
        if spell.ended_ms is None:
            return
        subjects = [camera_subject(camera_id)]
        subjects += [resident_subject(spell.resident_id)] if spell.resident_id is not None else []
        for subject in subjects:
            add_time(self.counts, subject, spell.emotion, spell.began_ms, spell.ended_ms, self._zone, sign)


def renew(
    connection: Connection,
    touched: Mapping[Track, Sequence[Told]],
    places: KnownPlaces,
    difference: Difference,
) -> None:
    """Make the spells of these tracks anew; ``touched`` holds events that are not in the store yet."""
    known = last_events(connection, touched)
    since = spells_since(connection, known)
    for track, unordered in touched.items():
        new = sorted(unordered, key=lambda event: event.sequence)
        usual = _after_the_last(new, known.get(track), since.get(track, []))
        old, found = usual or _all_of(connection, track, new)
        before = {each.spell.identity: each.spell for each in old}
        ended = [_with_end(connection, track, spell, before.get(spell.identity), places) for spell in found]
        difference.replace(track, old, ended)


def end_open(
    connection: Connection, camera_ids: Collection[int], at_ms: int, reason: str, difference: Difference
) -> None:
    """Whoever was before these cameras is no longer known to be there."""
    for each in open_spells(connection, camera_ids):
        difference.change(each, cut(each.spell, at_ms, reason))


def _after_the_last(
    new: Sequence[Told], last: Told | None, since: list[StoredSpell]
) -> tuple[list[StoredSpell], list[Spell]] | None:
    """The usual case, told fast: all that is new comes after what is known, and names nobody else."""
    if last is None or (last.change == "end" and last.sequence < new[0].sequence):
        return since, spells_of(new)
    opened = next((each.spell for each in since if each.spell.sequence == last.sequence), None)
    if last.sequence >= new[0].sequence or opened is None:
        return None
    if {event.resident_id for event in new} - {None, opened.resident_id}:
        return None
    return since, spells_of([last, *new], goes_on_from=opened)


def _all_of(connection: Connection, track: Track, new: Sequence[Told]) -> tuple[list[StoredSpell], list[Spell]]:
    told = sorted([*events_of(connection, track), *new], key=lambda event: event.sequence)
    return spells_of_track(connection, track), spells_of(told)


def _with_end(connection: Connection, track: Track, spell: Spell, before: Spell | None, places: KnownPlaces) -> Spell:
    """What else than events is known of the end of a spell."""
    if not spell.is_open_ended:
        return spell
    if before is not None and before.ended_ms is not None and before.end_reason not in TOLD_BY_EVENTS:
        return cut(spell, before.ended_ms, before.end_reason or "")
    if spell.ended_ms is not None or before is not None:
        return spell
    away = places.away(track.camera_id)
    known = [away] if away is not None and away[0] >= spell.began_ms else []
    if spell.began_ms < places.now_ms - MINUTE_MS:
        unseen_ms = first_unseen(connection, track.camera_id, spell.emotion, spell.began_ms)
        known += [(unseen_ms, UNSEEN)] if unseen_ms is not None else []
    return cut(spell, *min(known)) if known else spell


def _row(spell: Spell) -> dict[str, Any]:
    names = ("sequence", "resident_id", "emotion", "began_ms", "ended_ms", "end_reason")
    return {name: getattr(spell, name) for name in names}
