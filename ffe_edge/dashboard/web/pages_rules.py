"""Settings: rules of alerts, and the notice that tells what is done here; for managers."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.datastructures import FormData
from starlette.responses import Response

from ffe_edge.dashboard import words
from ffe_edge.dashboard.alert_rules import explained
from ffe_edge.dashboard.alert_settings import RULES, AlertSettings
from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.web import api_places, api_settings
from ffe_edge.dashboard.web.api_settings import Notice
from ffe_edge.dashboard.web.forms import Text, asked, done, lines
from ffe_edge.dashboard.web.pages_floor import room_name
from ffe_edge.dashboard.web.problem import ProblemError
from ffe_edge.dashboard.web.render import LANGUAGES, render
from ffe_edge.dashboard.web.session import Manager, parts_of

router: Final = APIRouter(prefix="/settings", include_in_schema=False)
SENTENCES: Final = ("what", "not", "who", "rooms", "keep", "rights", "contact")
"""Of the notice that comes with the program, in their order."""


async def _sent(request: Request) -> FormData:
    return await request.form()


Sent = Annotated[FormData, Depends(_sent)]


@router.get("/rules")
def rules_page(request: Request, manager: Manager, done: str = "") -> Response:
    """Each rule in words, and the figures that it goes by."""
    settings = api_settings.rules(request, manager)
    rules = [(name, settings.rule(name).model_dump(), explained(settings)[name]) for name in RULES]
    return render(request, "settings_rules.html", rules=rules, quiet=settings.quiet_hours, done=done)


@router.post("/rules")
def change_rules(request: Request, manager: Manager, sent: Sent) -> Response:
    """Other figures."""
    defaults = AlertSettings()
    told = {name: _section(name, getattr(defaults, name), sent) for name in AlertSettings.model_fields}
    api_settings.change_rules(request, manager, asked(AlertSettings, **told))
    return done("/settings/rules")


@router.get("/notice")
def notice_page(request: Request, manager: Manager, done: str = "", contact: str = "") -> Response:
    """The notice in both languages, to print and put up."""
    kept = api_settings.notice(request, manager)
    texts = [
        (language, getattr(kept, language) or _notice(request, manager, language, contact[:200]))
        for language in LANGUAGES
    ]
    return render(
        request,
        "settings_notice.html",
        texts=texts,
        kept=kept,
        notice_heading=_heading,
        contact=contact[:200],
        done=done,
    )


@router.post("/notice")
def change_notice(request: Request, manager: Manager, ja: Text = "", en: Text = "", reset: Text = "") -> Response:
    """Another text, or again the one that comes with the program."""
    told = {} if reset else {"ja": lines(ja) or None, "en": lines(en) or None}
    api_settings.change_notice(request, manager, asked(Notice, **told))
    return done("/settings/notice")


def _notice(request: Request, manager: Manager, language: Language, contact: str) -> str:
    """What the program knows to be so, said to residents and visitors."""
    settings, found = parts_of(request).settings, api_places.floor(request, manager)
    home = settings.home.name_ja if language == "ja" else settings.home.name_en
    watched = {camera.room_id for camera in found.cameras}
    rooms = [room_name(room, language) for room in found.rooms if room.id in watched]
    figures = {
        "home": home or words.text(language, "notice.home_default"),
        "rooms": ("、" if language == "ja" else ", ").join(rooms),
        "events": settings.retention.events_days,
        "hours": settings.retention.hours_days,
        "contact": contact,
    }
    said = [name for name in SENTENCES if figures.get(name, "said") != ""]
    return "\n\n".join(words.WORDS[f"notice.{name}"][language == "en"].format_map(figures) for name in said)


def _heading(language: Language) -> str:
    return words.text(language, "notice.heading")


def _section(name: str, default: BaseModel, sent: FormData) -> dict[str, Any]:
    return {key: _typed(sent.get(f"{name}.{key}"), value) for key, value in default.model_dump().items()}


def _typed(told: object, like: Any) -> Any:
    """A field of the form, of the type that the default has."""
    if isinstance(like, bool):
        return told == "yes"
    if not isinstance(told, str):
        return like
    try:
        return type(like)(told)
    except ValueError as error:
        raise ProblemError("invalid", "a number is needed") from error
