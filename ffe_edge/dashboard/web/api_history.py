"""Programs: what was seen of a resident. Every look at it is written down before anything is shown."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator

from ffe_edge.dashboard import audit, history, people_store
from ffe_edge.dashboard.last_known import pictured_between
from ffe_edge.dashboard.places import all_cameras
from ffe_edge.dashboard.rollups import day_bounds, day_number, resident_subject
from ffe_edge.dashboard.users import User
from ffe_edge.dashboard.web.bodies import Limit, ResidentId
from ffe_edge.dashboard.web.bodies_history import (
    Day,
    EventPage,
    Month,
    baseline_body,
    cursor_of,
    event_page,
    gaps_between,
    shares_bodies,
    spell_bodies,
)
from ffe_edge.dashboard.web.problem import documented
from ffe_edge.dashboard.web.seams import Parts
from ffe_edge.dashboard.web.session import Carer, parts_of

MONTH_DAYS: Final = 30
UNIX_DAY: Final = dt.date(1970, 1, 1).toordinal()
FIRST_DAY: Final = dt.date(2000, 1, 1)
LAST_DAY: Final = dt.date(2200, 1, 1)

router: Final = APIRouter(
    prefix="/residents/{resident_id}",
    tags=["residents"],
    responses=documented(
        "not-signed-in", "not-allowed", "must-change-password", "not-found", "invalid", "database-away"
    ),
)


def _within_reason(day: dt.date) -> dt.date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"a day from {FIRST_DAY} to {LAST_DAY}")
    return day


Id = Annotated[ResidentId, Path()]
HomeDay = Annotated[
    dt.date | None, AfterValidator(lambda day: day and _within_reason(day)), Query(description="None: today")
]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9]{1,15}_[0-9a-f-]{36}$", description="`next_before` of a page")]


@router.get("/day", summary="A resident's day")
def day(request: Request, user: Carer, resident_id: Id, date: HomeDay = None) -> Day:
    """Each spell, time by hour, when there was no picture, and what is usual."""
    parts = parts_of(request)
    zone = parts.settings.home.zone
    now_ms = _look(parts, user, resident_id, "day")
    number = _number(parts, date, now_ms)
    from_ms, to_ms = day_bounds(number, zone)
    subject = resident_subject(resident_id)
    with parts.database.reading() as connection:
        resident = people_store.get_resident(connection, resident_id)
        spells = history.spells_between(connection, subject, from_ms, to_ms)
        cameras = {spell.camera_id for spell in spells}
        cameras |= {each.id for each in all_cameras(connection) if each.room_id == resident.room_id is not None}
        known_ms = max(from_ms, min(to_ms, now_ms))
        pictured = pictured_between(connection, cameras, from_ms, known_ms)
        return Day(
            day=_day_of(number),
            from_ms=from_ms,
            to_ms=to_ms,
            now_ms=now_ms,
            spells=spell_bodies(spells, from_ms, to_ms),
            hours=shares_bodies(history.shares_by(connection, subject, "hour", from_ms, to_ms, zone)),
            gaps=gaps_between(pictured, from_ms, known_ms),
            baseline=baseline_body(history.baseline(connection, subject, from_ms, zone)),
        )


@router.get("/month", summary="A resident's thirty days")
def month(request: Request, user: Carer, resident_id: Id, last: HomeDay = None) -> Month:
    """Time in each emotion by day, and what was usual before."""
    parts = parts_of(request)
    zone = parts.settings.home.zone
    last_number = _number(parts, last, _look(parts, user, resident_id, "month"))
    numbers = range(last_number - MONTH_DAYS + 1, last_number + 1)
    starts = {day_bounds(number, zone)[0]: _day_of(number) for number in numbers}
    from_ms, to_ms = min(starts), day_bounds(last_number, zone)[1]
    subject = resident_subject(resident_id)
    with parts.database.reading() as connection:
        found = history.shares_by(connection, subject, "day", from_ms, to_ms, zone)
        return Month(
            first_day=_day_of(numbers[0]),
            last_day=_day_of(last_number),
            days=shares_bodies(found, starts),
            baseline=baseline_body(history.baseline(connection, subject, to_ms - 1, zone)),
        )


@router.get("/events", summary="What nodes told of a resident")
def events(
    request: Request,
    user: Carer,
    resident_id: Id,
    before: Cursor = None,
    limit: Annotated[Limit, Query()] = 100,
) -> EventPage:
    """Newest first, page by page."""
    parts = parts_of(request)
    _look(parts, user, resident_id, "events")
    with parts.database.reading() as connection:
        page = history.events_page(connection, resident_id=resident_id, before=cursor_of(before), limit=limit)
    return event_page(page)


def _look(parts: Parts, user: User, resident_id: str, what: Literal["day", "month", "events"]) -> int:
    """Write down who looks; returns when."""
    now_ms = parts.now_ms()
    with parts.database.writing() as connection:
        people_store.get_resident(connection, resident_id)
        subject = resident_subject(resident_id)
        audit.record(connection, user, "resident-viewed", now_ms, subject=subject, detail={"what": what})
    return now_ms


def _number(parts: Parts, asked: dt.date | None, now_ms: int) -> int:
    return day_number(now_ms, parts.settings.home.zone) if asked is None else asked.toordinal() - UNIX_DAY


def _day_of(number: int) -> dt.date:
    return dt.date.fromordinal(number + UNIX_DAY)
