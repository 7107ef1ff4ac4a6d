"""Spells: one person's one emotion from when to when, made of the change events of a track. Pure.

What two events of a track that follow one another say of the time between them depends on nothing else. So late,
repeated and reordered events give the same spells as ordered ones: only the pairs round a new event are looked at anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ffe_edge.types import Change

LOST: Final = "lost"
"""What ended it was not delivered: it is counted as far as it is known."""
RESTARTED: Final = "restarted"
"""The node began anew; likewise."""
MAX_SPELL_MS: Final = 24 * 3_600_000
"""No face shows one emotion for longer; a wrong clock does."""
CLOCK_SLACK_MS: Final = 5_000
"""By so much the times of two events may disagree with what the second says it held."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of one track."""

    sequence: int
    change: Change
    at_ms: int
    emotion: str
    previous: str | None
    held_ms: int
    """How long ``previous`` was told; 0: not known."""
    resident_id: str | None = None


@dataclass(frozen=True, slots=True)
class Spell:
    """One person's one emotion."""

    sequence: int
    """Of the event that opened it; of the one that closed it where the other is missing."""
    emotion: str
    began_ms: int
    ended_ms: int | None
    """None while it lasts."""
    end_reason: str | None
    resident_id: str | None = None
    until_ms: int | None = None
    """Where the end is only as far as is known: it may have been as late as this."""

    @property
    def identity(self) -> tuple[int, str, int]:
        """What stays the same of it, whatever else becomes known."""
        return self.sequence, self.emotion, self.began_ms

    @property
    def is_open_ended(self) -> bool:
        """Whether something else than an event may tell the end."""
        return self.ended_ms is None or self.until_ms is not None


def spells_of(events: Sequence[Told], goes_on_from: Spell | None = None) -> list[Spell]:
    """The spells of a track; those that lasted no time are left out.

    Args:
        events: of one track, ordered by sequence, none twice.
        goes_on_from: the spell that the first of them opened, where others came before it.
    """
    spells: list[Spell] = []
    name = goes_on_from.resident_id if goes_on_from else None
    cut_up = list(lives(events))
    for number, life in enumerate(cut_up):
        is_first = number == 0
        after = cut_up[number + 1][0] if number + 1 < len(cut_up) else None
        name = next((event.resident_id for event in reversed(life) if event.resident_id is not None), name)
        found = _spells_of_life(life, after, is_whole=goes_on_from is None or not is_first)
        spells += [replace(spell, resident_id=name) for spell in found]
        name = None
    return [spell for spell in spells if spell.ended_ms != spell.began_ms or spell.until_ms is not None]


def lives(events: Sequence[Told]) -> Iterator[list[Told]]:
    """A track's events, cut where another person may have got its number: at a start and after an end."""
    life: list[Told] = []
    for event in events:
        if life and (event.change == "start" or life[-1].change == "end"):
            yield life
            life = []
        life.append(event)
    if life:
        yield life


def cut(spell: Spell, ended_ms: int, reason: str) -> Spell:
    """The spell with an end that no event told of, where none told a later one."""
    if not spell.is_open_ended or ended_ms < spell.began_ms:
        return spell
    latest_ms = spell.began_ms + MAX_SPELL_MS
    latest_ms = latest_ms if spell.until_ms is None else min(latest_ms, spell.until_ms)
    return replace(spell, ended_ms=min(ended_ms, latest_ms), end_reason=reason)


def _spells_of_life(life: Sequence[Told], after: Told | None, *, is_whole: bool) -> Iterator[Spell]:
    if is_whole and (rebuilt := _rebuilt(life[0], not_before_ms=None)):
        yield rebuilt
    for event, following in itertools.pairwise(life):
        yield from _between(event, following)
    last = life[-1]
    if last.change == "end":
        return
    spell = Spell(last.sequence, last.emotion, last.at_ms, None, None)
    if after is not None:
        spell = replace(spell, ended_ms=last.at_ms, end_reason=RESTARTED, until_ms=max(last.at_ms, after.at_ms))
    yield spell


def _between(event: Told, after: Told) -> Iterator[Spell]:
    """What was from an event that opened to the next one of the same life."""
    ended_ms = max(event.at_ms, after.at_ms)
    told = Spell(event.sequence, event.emotion, event.at_ms, ended_ms, after.change)
    if after.previous == event.emotion and not _began_later(event, after):
        yield replace(told, ended_ms=min(ended_ms, event.at_ms + MAX_SPELL_MS))
        return
    yield replace(told, ended_ms=event.at_ms, end_reason=LOST, until_ms=ended_ms)
    if rebuilt := _rebuilt(after, not_before_ms=event.at_ms):
        yield rebuilt


def _began_later(event: Told, after: Told) -> bool:
    """Whether what ``after`` ended is another spell of the same emotion: those between were lost."""
    return 0 < after.held_ms < after.at_ms - event.at_ms - CLOCK_SLACK_MS


def _rebuilt(event: Told, not_before_ms: int | None) -> Spell | None:
    """The spell that an event ended, from what it says itself."""
    if event.change == "start" or event.previous is None or event.held_ms <= 0:
        return None
    began_ms = event.at_ms - min(event.held_ms, MAX_SPELL_MS)
    began_ms = began_ms if not_before_ms is None else max(began_ms, not_before_ms)
    return Spell(event.sequence, event.previous, min(began_ms, event.at_ms), event.at_ms, event.change)
