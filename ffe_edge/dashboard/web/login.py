"""The forms of signing in, signing out, another password, another language. They need no script.

Before somebody is signed in there is no session to bind the form to: it is bound to a random cookie of its own, whose
hash stands in the form. Another site can neither read nor set either.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from ffe_edge.dashboard import audit, users
from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.sessions import hash_of
from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.web import signing
from ffe_edge.dashboard.web.problem import KINDS, ProblemError
from ffe_edge.dashboard.web.render import local_path, remember_language, render
from ffe_edge.dashboard.web.session import (
    SignedIn,
    address_of,
    clear_cookie,
    cookie_name,
    is_same,
    parts_of,
    session_of,
    set_cookie,
)

router: Final = APIRouter(include_in_schema=False)
FORM_SECONDS: Final = 24 * 3600
Field = Annotated[str, Form()]


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002  the name in the address
    """The form; who is signed in goes on."""
    if session_of(request) is not None:
        return RedirectResponse(local_path(next), 303)
    return _form(request, next)


@router.post("/login")
def login(
    request: Request,
    name: Field = "",
    password: Field = "",
    csrf: Field = "",
    next: Field = "/",  # noqa: A002  the name in the form
) -> Response:
    """Sign in; what is wrong is told in the form."""
    parts = parts_of(request)
    bound_to = request.cookies.get(_cookie(request), "")
    if not bound_to or not is_same(csrf, _token(bound_to)):
        return _form(request, next, ProblemError("wrong-form", "the form is out of date: try again"), name)
    try:
        old_token = request.cookies.get(cookie_name(parts), "")
        token = signing.sign_in(parts, address_of(request), name, password, old_token)
    except ProblemError as error:
        return _form(request, next, error, name)
    answer = RedirectResponse(local_path(next), 303)
    set_cookie(answer, parts, token)
    answer.delete_cookie(_cookie(request), path="/", secure=parts.settings.web.secure_cookies, httponly=True)
    return answer


@router.post("/logout")
def logout(request: Request, session: SignedIn) -> Response:
    """Sign out."""
    signing.sign_out(parts_of(request), session)
    answer = RedirectResponse("/login", 303)
    clear_cookie(answer, parts_of(request))
    return answer


@router.get("/password")
def password_page(request: Request, session: SignedIn) -> Response:
    """The form for another password."""
    return render(request, "password.html", problem=None, must_change=session.user.must_change)


@router.post("/password")
def password(request: Request, session: SignedIn, old: Field = "", new: Field = "", again: Field = "") -> Response:
    """Take another password; what is wrong is told in the form."""
    parts = parts_of(request)
    try:
        _check_same(new, again)
        token = signing.change_password(parts, address_of(request), session, old, new)
    except (ProblemError, RefusedError) as error:
        status = KINDS[error.code].status
        return render(request, "password.html", status, problem=error, must_change=session.user.must_change)
    answer = RedirectResponse("/", 303)
    set_cookie(answer, parts, token)
    return answer


@router.post("/language")
def language(
    request: Request,
    session: SignedIn,
    language: Annotated[Language, Form()],
    next: Field = "/",  # noqa: A002  the name in the form
) -> Response:
    """Another language."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        users.change_user(connection, session.user.id, {"language": language})
        audit.record(connection, session.user, "language-changed", parts.now_ms(), detail={"language": language})
    answer = RedirectResponse(local_path(next), 303)
    remember_language(request, answer, language)
    return answer


def login_address(request: Request) -> str:
    """Where to sign in, and come back from."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/login?next={quote(path if request.method == 'GET' else '/', safe='')}"


def _check_same(new: str, again: str) -> None:
    if new != again:
        raise ProblemError("invalid", "the new password was typed in two ways")


def _form(request: Request, next_path: str, problem: ProblemError | None = None, name: str = "") -> Response:
    parts = parts_of(request)
    known = request.cookies.get(_cookie(request), "")
    bound_to = known or secrets.token_urlsafe(32)
    status = KINDS[problem.code].status if problem else 200
    answer = render(
        request, "login.html", status, csrf=_token(bound_to), next=local_path(next_path), problem=problem, name=name
    )
    answer.headers.update(problem.headers if problem else {})
    secure = parts.settings.web.secure_cookies
    answer.set_cookie(_cookie(request), bound_to, FORM_SECONDS, path="/", secure=secure, httponly=True, samesite="lax")
    return answer


def _cookie(request: Request) -> str:
    return "__Host-ffe_form" if parts_of(request).settings.web.secure_cookies else "ffe_form"


def _token(bound_to: str) -> str:
    return hash_of(f"form:{bound_to}")
