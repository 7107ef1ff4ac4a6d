"""Pages out of templates. All that is put into one is text: nothing in it becomes markup."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.web.phrases import teach
from ffe_edge.dashboard.web.problem import KINDS, ProblemCode
from ffe_edge.dashboard.web.session import parts_of, session_of

TEMPLATES: Final = Path(__file__).parents[1] / "templates"
LANGUAGE_COOKIE: Final = "ffe_language"
LANGUAGES: Final[tuple[Language, ...]] = ("ja", "en")
MAX_PATH_LETTERS: Final = 512

environment: Final = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
teach(environment)


def render(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """A page.

    Args:
        request: what is answered.
        template: file in ``templates``.
        status: of HTTP.
        context: names for the template, beside ``session``, ``user``, ``role`` (all None where nobody is signed in),
            ``language``, ``csrf`` (for the field of every form), ``home`` (settings), ``path``, ``address`` (path
            with its query).

    Raises:
        StoreError: the database cannot be used at present.
    """
    session = session_of(request)
    names = {
        "session": session,
        "user": session.user if session else None,
        "role": session.user.role if session else None,
        "language": language_of(request),
        "csrf": session.csrf if session else "",
        "home": parts_of(request).settings.home,
        "path": request.url.path,
        "address": local_path(request.url.path + (f"?{request.url.query}" if request.url.query else "")),
    }
    text = environment.get_template(template).render(names | context)
    answer = HTMLResponse(text, status)
    if (chosen := request.query_params.get("lang")) in LANGUAGES and session is None:
        remember_language(request, answer, chosen)
    return answer


def render_problem(request: Request, code: ProblemCode, detail: str) -> Response:
    """A page that says why a request is not met."""
    kind = KINDS[code]
    return render(request, "problem.html", kind.status, code=code, title=kind.title, detail=detail)


def language_of(request: Request) -> Language:
    """The user's own, what was chosen before signing in, or the home's."""
    session = session_of(request)
    chosen = (
        session.user.language if session else request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
    )
    for language in LANGUAGES:
        if language in chosen[:1] or (chosen[0] not in LANGUAGES and language == chosen[1]):
            return language
    return parts_of(request).settings.home.language


def remember_language(request: Request, answer: Response, language: str) -> None:
    """Keep the language in the browser."""
    secure = parts_of(request).settings.web.secure_cookies
    year = 365 * 24 * 3600
    answer.set_cookie(LANGUAGE_COOKIE, language, year, path="/", secure=secure, httponly=True, samesite="lax")


def local_path(told: str) -> str:
    """Where to go next, if it is a place of this site; ``/`` otherwise."""
    is_path = told.startswith("/") and not told.startswith("//")
    if not is_path or len(told) > MAX_PATH_LETTERS or "\\" in told or not told.isprintable() or not told.isascii():
        return "/"
    return told
