"""Residents: who lives here; of one, the day, the month and what was told. Every look is written down."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from ffe_edge.dashboard import history, people_store
from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.web import api_history, api_places
from ffe_edge.dashboard.web.api_history import Cursor, HomeDay, Id
from ffe_edge.dashboard.web.bodies_history import Day, EventPage, Month, cursor_of, event_page
from ffe_edge.dashboard.web.pages_floor import person_name, room_name, short
from ffe_edge.dashboard.web.render import language_of, render
from ffe_edge.dashboard.web.session import Carer, parts_of
from ffe_edge.dashboard.web.strip import in_order, strip
from ffe_edge.dashboard.web.usual import compare
from ffe_edge.dashboard.words import emotion_word

router: Final = APIRouter(prefix="/residents", include_in_schema=False)
EVENTS: Final = 40
ONE_DAY: Final = dt.timedelta(days=1)


@router.get("")
def residents_page(request: Request, user: Carer) -> Response:
    """All of them; nothing that was seen."""
    found, language = api_places.floor(request, user), language_of(request)
    rooms = {room.id: room_name(room, language) for room in found.rooms}
    people = [(each, person_name(each, language), rooms.get(each.room_id or 0, "")) for each in found.residents]
    return render(request, "residents.html", people=people)


@router.get("/{resident_id}")
def resident_page(
    request: Request, user: Carer, resident_id: Id, day: HomeDay = None, before: Cursor = None
) -> Response:
    """One resident's day against what is usual, thirty days, and what was told that day."""
    told = api_history.day(request, user, resident_id, date=day)
    month = api_history.month(request, user, resident_id, last=told.day)
    language = language_of(request)
    with parts_of(request).database.reading() as connection:
        resident = people_store.get_resident(connection, resident_id)
    floor = api_places.floor(request, user)
    ms = _time_in_each(told)
    gaps = told.gaps if _are_gaps_kept(request, told) else []
    return render(
        request,
        "resident.html",
        resident=resident,
        name=person_name(resident, language),
        room=next((room_name(room, language) for room in floor.rooms if room.id == resident.room_id), ""),
        told=told,
        today=history_day(request),
        one_day=ONE_DAY,
        gaps=gaps,
        strip=strip(told.spells, gaps, told.from_ms, told.to_ms, told.now_ms),
        lines=compare(ms, told.baseline) if ms else [],
        seen_ms=sum(ms.values()),
        month=month,
        chart=json.dumps(chart_of(month, language), ensure_ascii=False),
        events=_events(request, resident_id, told, before),
        cameras={camera.id: short(camera.name) for camera in floor.cameras},
        emotions=in_order({emotion for each in month.days for emotion in each.ms}),
    )


def history_day(request: Request) -> dt.date:
    """Today, at home."""
    parts = parts_of(request)
    return dt.datetime.fromtimestamp(parts.now_ms() / 1000, parts.settings.home.zone).date()


def chart_of(month: Month, language: Language) -> dict[str, Any]:
    """Thirty days for the chart: shares by emotion, None on days of which nothing is known."""
    days = [month.first_day + number * ONE_DAY for number in range((month.last_day - month.first_day).days + 1)]
    told = {each.day: each.ms for each in month.days if each.ms}
    emotions = in_order({emotion for ms in told.values() for emotion in ms})

    def share(day: dt.date, emotion: str) -> float | None:
        ms = told.get(day)
        return None if ms is None else ms.get(emotion, 0) / sum(ms.values())

    return {
        "days": [f"{day.month}/{day.day}" for day in days],
        "emotions": [
            {
                "id": emotion,
                "word": emotion_word(language, emotion),
                "shares": [share(day, emotion) for day in days],
                "usual": month.baseline.shares.get(emotion, 0.0) if month.baseline.days else None,
                "spread": month.baseline.spreads.get(emotion, 0.0),
            }
            for emotion in emotions
        ],
    }


def _time_in_each(told: Day) -> dict[str, int]:
    found: dict[str, int] = {}
    for spell in told.spells:
        found[spell.emotion] = found.get(spell.emotion, 0) + spell.ended_ms - spell.began_ms
    return found


def _are_gaps_kept(request: Request, told: Day) -> bool:
    """When there was a picture is kept as long as minutes are; of older days it is not known any more."""
    kept_days = parts_of(request).settings.retention.minutes_days
    return told.from_ms > told.now_ms - (kept_days - 1) * 86_400_000


def _events(request: Request, resident_id: str, told: Day, before: str | None) -> EventPage:
    """Of the day. That it is looked at is written down with the day."""
    with parts_of(request).database.reading() as connection:
        page = history.events_page(
            connection,
            resident_id=resident_id,
            from_ms=told.from_ms,
            to_ms=told.to_ms,
            before=cursor_of(before),
            limit=EVENTS,
        )
    return event_page(page)
