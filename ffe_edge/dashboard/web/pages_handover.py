"""申し送り: a shift in figures, sentences and lanes; to read, to print, as CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ffe_edge.dashboard import history
from ffe_edge.dashboard.last_known import pictured_between
from ffe_edge.dashboard.rollups import resident_subject
from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.users import User
from ffe_edge.dashboard.web import api_handover
from ffe_edge.dashboard.web.api_handover import Handover, ResidentShift
from ffe_edge.dashboard.web.api_history import HomeDay
from ffe_edge.dashboard.web.bodies_history import Times, gaps_between, spell_bodies
from ffe_edge.dashboard.web.handover_text import sentences
from ffe_edge.dashboard.web.naming import Names, names_of
from ffe_edge.dashboard.web.pages_floor import person_name
from ffe_edge.dashboard.web.render import language_of, render
from ffe_edge.dashboard.web.session import Carer, parts_of
from ffe_edge.dashboard.web.shifts import SHIFTS, Shift, latest
from ffe_edge.dashboard.web.strip import Strip, in_order, settled, strip
from ffe_edge.dashboard.words import emotion_word, percent, text

router: Final = APIRouter(prefix="/handover", include_in_schema=False)
TICKS: Final = 8
TimeOfDay = Annotated[dt.time | None, Query()]
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet reckons with a cell that begins so."""


@dataclass(frozen=True, slots=True)
class Told:
    """One resident on the page."""

    id: str
    name: str
    sentences: list[str]
    strip: Strip


@dataclass(frozen=True, slots=True)
class Asked:
    """The shift that is looked at, and what is known of it."""

    shift: Shift
    from_ms: int
    to_ms: int
    now_ms: int
    found: Handover

    @property
    def known_ms(self) -> int:
        """Up to when it can be told."""
        return max(self.from_ms, min(self.to_ms, self.now_ms))


@router.get("")
def handover_page(
    request: Request, user: Carer, day: HomeDay = None, begins: TimeOfDay = None, ends: TimeOfDay = None
) -> Response:
    """A shift; without a day the one that has ended last."""
    asked, language = _asked(request, user, day, begins, ends), language_of(request)
    gaps = {camera.camera_id: _gaps(request, [camera.camera_id], asked) for camera in asked.found.cameras}
    names = names_of(request, user, language)
    return render(
        request,
        "handover.html",
        asked=asked,
        today=_now(request).date(),
        shifts=SHIFTS,
        people=[_told(request, asked, each, language) for each in asked.found.residents],
        gaps=[(names.of(f"camera:{key}"), sum(b - a for a, b in times)) for key, times in gaps.items() if times],
        names=names,
        ticks=_ticks(request, asked),
        one_day=dt.timedelta(days=1),
    )


@router.get(".csv")
def handover_csv(
    request: Request, user: Carer, day: HomeDay = None, begins: TimeOfDay = None, ends: TimeOfDay = None
) -> Response:
    """The same figures for a spreadsheet."""
    asked, language = _asked(request, user, day, begins, ends), language_of(request)
    rows = _rows(asked, language, names_of(request, user, language))
    name = f"handover-{asked.shift.day}-{asked.shift.begins:%H%M}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(csv_text(rows).encode("utf-8-sig"), headers=headers, media_type="text/csv; charset=utf-8")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV in which no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _now(request: Request) -> dt.datetime:
    parts = parts_of(request)
    return dt.datetime.fromtimestamp(parts.now_ms() / 1000, parts.settings.home.zone)


def _asked(
    request: Request,
    user: User,
    day: dt.date | None,
    begins: dt.time | None,
    ends: dt.time | None,
) -> Asked:
    usual = latest(_now(request))
    shift = Shift(day or usual.day, _plain(begins) or usual.begins, _plain(ends) or usual.ends)
    from_ms, to_ms = shift.bounds_ms(parts_of(request).settings.home.zone)
    found = api_handover.handover(request, user, from_ms=from_ms, to_ms=to_ms)
    return Asked(shift, from_ms, to_ms, parts_of(request).now_ms(), found)


def _plain(told: dt.time | None) -> dt.time | None:
    """Hours and minutes of the home's clock. Midnight is a time, too."""
    return None if told is None else dt.time(told.hour, told.minute)


def _told(request: Request, asked: Asked, each: ResidentShift, language: Language) -> Told:
    subject = resident_subject(each.resident_id)
    with parts_of(request).database.reading() as connection:
        past = history.spells_between(connection, subject, asked.from_ms, asked.to_ms)
    spells = spell_bodies(past, asked.from_ms, asked.to_ms)
    gaps = _gaps(request, sorted({spell.camera_id for spell in spells}), asked) if spells else []
    gap_ms = sum(ended - began for began, ended in gaps)
    return Told(
        each.resident_id,
        person_name(each, language),
        sentences(language, each.ms, gap_ms, each.baseline),
        strip(spells, gaps, asked.from_ms, asked.to_ms, asked.now_ms),
    )


def _gaps(request: Request, camera_ids: list[int], asked: Asked) -> Times:
    with parts_of(request).database.reading() as connection:
        pictured = pictured_between(connection, camera_ids, asked.from_ms, asked.known_ms)
    return settled(gaps_between(pictured, asked.from_ms, asked.known_ms), asked.now_ms)


def _ticks(request: Request, asked: Asked) -> list[str]:
    zone, step_ms = parts_of(request).settings.home.zone, (asked.to_ms - asked.from_ms) / TICKS
    times = [(asked.from_ms + number * step_ms) / 1000 for number in range(TICKS)]
    return [f"{dt.datetime.fromtimestamp(at, zone):%-H:%M}" for at in times]


def _rows(asked: Asked, language: Language, names: Names) -> list[list[object]]:
    def t(key: str) -> str:
        return text(language, key)

    rows: list[list[object]] = [
        [t("handover.title"), str(asked.shift.day), f"{asked.shift.begins:%H:%M}", f"{asked.shift.ends:%H:%M}"],
        [t("common.estimate")],
        [
            t(key)
            for key in (
                "handover.resident",
                "resident.emotion",
                "handover.minutes",
                "resident.share",
                "handover.usual_day",
            )
        ],
    ]
    for each in asked.found.residents:
        seen_ms = sum(each.ms.values())
        for emotion in in_order(each.ms):
            usual = percent(each.baseline.shares.get(emotion, 0.0)) if each.baseline.days else ""
            minutes, share = round(each.ms[emotion] / 60_000, 1), percent(each.ms[emotion] / seen_ms)
            rows.append([person_name(each, language), emotion_word(language, emotion), minutes, share, usual])
    rows.append([t("handover.home_gaps"), "", t("handover.without")])
    rows += [
        [names.of(f"camera:{each.camera_id}"), "", round(each.missing_ms / 60_000, 1)] for each in asked.found.cameras
    ]
    return rows
