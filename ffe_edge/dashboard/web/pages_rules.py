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
from ffe_edge.dashboard.web.forms import Text, asked, done, lines, status_of
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
    return _rules(request, manager, done=done)


@router.post("/rules")
def change_rules(request: Request, manager: Manager, sent: Sent) -> Response:
    """Other figures; what is refused comes back with the reason."""
    defaults = AlertSettings()
    try:
        told = {name: _section(name, getattr(defaults, name), sent) for name in AlertSettings.model_fields}
        api_settings.change_rules(request, manager, asked(AlertSettings, **told))
    except ProblemError as error:
        return _rules(request, manager, problem=error, sent=sent)
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


def _rules(
    request: Request,
    manager: Manager,
    *,
    done: str = "",
    problem: ProblemError | None = None,
    sent: FormData | None = None,
) -> Response:
    """As they are kept, or as they were typed."""
    settings = api_settings.rules(request, manager)
    shown = {name: getattr(settings, name).model_dump() for name in AlertSettings.model_fields}
    if sent is not None:
        shown = {name: _as_typed(name, figures, sent) for name, figures in shown.items()}
    rules = [(name, shown[name.replace("-", "_")], explained(settings)[name]) for name in RULES]
    told = {"rules": rules, "quiet": shown["quiet_hours"], "done": done, "problem": problem}
    wrong = problem.detail.partition(":")[0] if problem else ""
    return render(request, "settings_rules.html", status_of(problem), **told, wrong=wrong)


def _as_typed(name: str, figures: dict[str, Any], sent: FormData) -> dict[str, Any]:
    typed = {key: sent.get(f"{name}.{key}", value) for key, value in figures.items()}
    return typed | {"enabled": sent.get(f"{name}.enabled") == "yes"}


def _section(name: str, default: BaseModel, sent: FormData) -> dict[str, Any]:
    fields = {key: (f"{name}.{key}", value) for key, value in default.model_dump().items()}
    return {key: _typed(field, sent.get(field), value) for key, (field, value) in fields.items()}


def _typed(field: str, told: object, like: Any) -> Any:
    """A field of the form, of the type that the default has."""
    if isinstance(like, bool):
        return told == "yes"
    if not isinstance(told, str):
        return like
    try:
        return type(like)(told)
    except ValueError as error:
        raise ProblemError("invalid", f"{field}: a number is needed") from error
