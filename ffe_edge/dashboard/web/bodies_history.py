"""What was seen of somebody, as it goes out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from pydantic import Field

from ffe_edge.dashboard.history import Baseline, EventsPage, PastSpell
from ffe_edge.dashboard.rollups import MISSING
from ffe_edge.dashboard.web.bodies import Answer, Millis

Times = list[tuple[int, int]]
"""(from, to) in Unix milliseconds, in their order."""


class SpellBody(Answer):
    """One emotion, from when to when; cut to the day."""

    camera_id: int
    emotion: str
    began_ms: Millis
    ended_ms: Millis
    lasts: bool
    """It had not ended when it was last heard of."""


class SharesBody(Answer):
    """Time in each emotion."""

    start_ms: Millis
    day: date | None = Field(default=None)
    """Of the home, where it is a day."""
    ms: dict[str, int]
    """Milliseconds by emotion."""


class BaselineBody(Answer):
    """What is usual: of the 28 days before."""

    shares: dict[str, float]
    """Of the time in view, by emotion."""
    spreads: dict[str, float]
    """Standard deviation from day to day, by emotion."""
    days: int
    """Days that it is known from; 0: nothing is known."""
    seen_ms: int


class Day(Answer):
    """A day of the home."""

    day: date
    from_ms: Millis
    to_ms: Millis
    now_ms: Millis
    spells: list[SpellBody]
    hours: list[SharesBody]
    gaps: Times
    """When there was no picture, up to now: nobody knows who was there."""
    baseline: BaselineBody


class Month(Answer):
    """Thirty days of the home; a day without a line has nothing to tell."""

    first_day: date
    last_day: date
    days: list[SharesBody]
    baseline: BaselineBody


class EventBody(Answer):
    """What a node told."""

    id: str
    camera_id: int
    kind: str
    """``emotion``, or ``gap``: events were lost."""
    at_ms: Millis
    received_ms: Millis
    is_late: bool
    """It came long after it happened."""
    is_replayed: bool
    change: str | None
    track: int | None
    emotion: str | None
    previous: str | None
    confidence: float | None
    held_ms: int | None
    lost_count: int | None
    reason: str | None


class EventPage(Answer):
    """Newest first."""

    events: list[EventBody]
    next_before: str | None
    """For the page after this one; None where this is the last."""


def spell_bodies(spells: Iterable[PastSpell], from_ms: int, to_ms: int) -> list[SpellBody]:
    """Spells cut to a time."""
    return [
        SpellBody(
            camera_id=spell.camera_id,
            emotion=spell.emotion,
            began_ms=max(from_ms, spell.began_ms),
            ended_ms=min(to_ms, spell.ended_ms),
            lasts=spell.end_reason is None,
        )
        for spell in spells
    ]


def gaps_between(pictured: Iterable[tuple[int, int]], from_ms: int, to_ms: int) -> Times:
    """The times that are not among those with a picture."""
    gaps: Times = []
    at_ms = from_ms
    for began_ms, ended_ms in pictured:
        if began_ms > at_ms:
            gaps.append((at_ms, min(began_ms, to_ms)))
        at_ms = max(at_ms, ended_ms)
    return [*gaps, (at_ms, to_ms)] if at_ms < to_ms else gaps


def shares_bodies(found: Iterable[tuple[int, dict[str, int]]], days: dict[int, date] | None = None) -> list[SharesBody]:
    """Time by hour, or by day where ``days`` says which starts are of which."""
    return [
        SharesBody(start_ms=start_ms, day=days.get(start_ms) if days else None, ms=seen_of(shares))
        for start_ms, shares in found
    ]


def seen_of(shares: dict[str, int]) -> dict[str, int]:
    """Only emotions, and only those that were seen."""
    return {emotion: ms for emotion, ms in shares.items() if emotion != MISSING and ms > 0}


def baseline_body(baseline: Baseline) -> BaselineBody:
    """What is usual."""
    return BaselineBody.model_validate(baseline, from_attributes=True)


def event_page(page: EventsPage) -> EventPage:
    """A page of the list of events."""
    cursor = None if page.next_before is None else f"{page.next_before[0]}_{page.next_before[1]}"
    return EventPage(events=[_event(row) for row in page.events], next_before=cursor)


def cursor_of(told: str | None) -> tuple[int, str] | None:
    """Where a page goes on."""
    if told is None:
        return None
    at_ms, _, event_id = told.partition("_")
    return int(at_ms), event_id


def _event(row: dict[str, Any]) -> EventBody:
    return EventBody(**{name: row[name] for name in EventBody.model_fields})
