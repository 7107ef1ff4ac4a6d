"""What templates say: words, times of the home and shapes, in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, pass_context
from jinja2.runtime import Context

from ffe_edge.dashboard import words
from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.web.shapes import BADGES, MARKS, badge, drawn_as, mark

WEEKDAYS: Final = {"ja": "月火水木金土日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def local_time(ms: int, zone: ZoneInfo) -> datetime:
    """A moment by the home's clock."""
    return datetime.fromtimestamp(ms / 1000, timezone.utc).astimezone(zone)


def day_text(language: Language, day: date) -> str:
    """A day, with its weekday."""
    weekday = WEEKDAYS[language][day.weekday()]
    if language == "ja":
        return f"{day.month}月{day.day}日（{weekday}）"
    return f"{weekday} {day.day} {MONTHS[day.month - 1]}"


def dated_text(language: Language, ms: int, zone: ZoneInfo) -> str:
    """A day with its year, for what is looked up years later."""
    day = local_time(ms, zone).date()
    if language == "ja":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def moment_text(language: Language, ms: int, zone: ZoneInfo) -> str:
    """Day and time of day."""
    moment = local_time(ms, zone)
    return f"{day_text(language, moment.date())} {moment:%H:%M}"


def _language(context: Context) -> Language:
    language: Language = context["language"]
    return language


def _zone(context: Context) -> ZoneInfo:
    zone: ZoneInfo = context["home"].zone
    return zone


@pass_context
def _t(context: Context, key: str, **figures: object) -> str:
    return words.text(_language(context), key, **figures)


@pass_context
def _label(context: Context, section: str, label: str) -> str:
    return words.or_itself(_language(context), section, label)


@pass_context
def _sentence(context: Context, key: str, figures: Mapping[str, words.Figure]) -> str:
    return words.sentence(_language(context), key, figures)


@pass_context
def _clock(context: Context, ms: int, *, seconds: bool = False) -> str:
    return local_time(ms, _zone(context)).strftime("%H:%M:%S" if seconds else "%H:%M")


@pass_context
def _moment(context: Context, ms: int) -> str:
    return moment_text(_language(context), ms, _zone(context))


@pass_context
def _dated(context: Context, ms: int) -> str:
    return dated_text(_language(context), ms, _zone(context))


@pass_context
def _day(context: Context, day: date) -> str:
    return day_text(_language(context), day)


@pass_context
def _span(context: Context, ms: float) -> str:
    return words.span(_language(context), ms)


@pass_context
def _words_json(context: Context, *sections: str) -> str:
    """Words for a script, for an attribute of the page."""
    return json.dumps({name: words.section(_language(context), name) for name in sections}, ensure_ascii=False)


def teach(environment: Environment) -> None:
    """Give templates all of this."""
    functions: dict[str, Any] = {
        "t": _t,
        "label": _label,
        "sentence": _sentence,
        "clock": _clock,
        "moment": _moment,
        "dated": _dated,
        "day_text": _day,
        "span": _span,
        "words_json": _words_json,
        "percent": words.percent,
        "badge": badge,
        "mark": mark,
        "drawn_as": drawn_as,
        "all_badges": tuple(BADGES),
        "all_marks": tuple(MARKS),
    }
    environment.globals.update(functions)
