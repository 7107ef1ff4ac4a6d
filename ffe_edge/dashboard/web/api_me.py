"""Programs: signing in, who one is, one's own password and language."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ffe_edge.dashboard import audit, sessions, users
from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.users import User
from ffe_edge.dashboard.web import signing
from ffe_edge.dashboard.web.bodies import Answer, Asked, Millis, Password, RoleName
from ffe_edge.dashboard.web.problem import ProblemError, documented
from ffe_edge.dashboard.web.session import (
    SignedIn,
    address_of,
    clear_cookie,
    cookie_name,
    parts_of,
    set_cookie,
)

router: Final = APIRouter(tags=["me"])


class Login(Asked):
    """Name and password."""

    name: Annotated[str, Field(max_length=256)]
    password: Annotated[str, Field(max_length=1024)]


class OwnChange(Asked):
    """What one changes of oneself."""

    language: Language


class PasswordChange(Asked):
    """Another password."""

    old: Annotated[str, Field(max_length=1024)]
    new: Password


class Me(Answer):
    """Who is signed in."""

    id: int
    name: str
    display_name: str
    role: RoleName
    language: Language | None
    must_change: bool
    """Nothing but choosing a password is allowed."""
    csrf: str
    """To be sent with every change as the header ``X-CSRF-Token``."""
    now_ms: Millis


@router.post(
    "/session",
    responses=documented("wrong-password", "wrong-form", "conflict", "invalid", "too-many-tries", "database-away"),
    summary="Sign in",
)
def sign_in(request: Request, answer: Response, login: Login) -> Me:
    """The session comes as a cookie."""
    parts = parts_of(request)
    old_token = request.cookies.get(cookie_name(parts), "")
    token = signing.sign_in(parts, address_of(request), login.name, login.password, old_token)
    set_cookie(answer, parts, token)
    return _me_of(request, token)


@router.delete(
    "/session",
    status_code=204,
    responses=documented("not-signed-in", "wrong-form", "database-away"),
    summary="Sign out",
)
def sign_out(request: Request, session: SignedIn, answer: Response) -> None:
    """The session ends."""
    signing.sign_out(parts_of(request), session)
    clear_cookie(answer, parts_of(request))


@router.get("/me", responses=documented("not-signed-in", "database-away"), summary="Who is signed in")
def me(request: Request, session: SignedIn) -> Me:
    """The user, and the token that every change needs."""
    return _me(session.user, session.csrf, parts_of(request).now_ms())


@router.patch(
    "/me",
    responses=documented("not-signed-in", "wrong-form", "invalid", "database-away"),
    summary="Another language",
)
def change_me(request: Request, session: SignedIn, change: OwnChange) -> Me:
    """What a user may change of themselves."""
    parts = parts_of(request)
    now_ms = parts.now_ms()
    with parts.database.writing() as connection:
        user = users.change_user(connection, session.user.id, {"language": change.language})
        audit.record(connection, user, "language-changed", now_ms, detail={"language": change.language})
    return _me(user, session.csrf, now_ms)


@router.post(
    "/me/password",
    responses=documented(
        "not-signed-in", "wrong-password", "wrong-form", "invalid", "weak-password", "too-many-tries", "database-away"
    ),
    summary="Another password",
)
def change_password(request: Request, session: SignedIn, change: PasswordChange, answer: Response) -> Me:
    """All sessions of the user end; a new one comes as a cookie."""
    parts = parts_of(request)
    token = signing.change_password(parts, address_of(request), session, change.old, change.new)
    set_cookie(answer, parts, token)
    return _me_of(request, token)


def _me_of(request: Request, token: str) -> Me:
    parts = parts_of(request)
    with parts.database.reading() as connection:
        session = sessions.find(connection, token, parts.now_ms())
    if session is None:
        raise ProblemError("not-signed-in", "the session ended at once: sign in again")
    return _me(session.user, session.csrf, parts.now_ms())


def _me(user: User, csrf: str, now_ms: int) -> Me:
    return Me(
        id=user.id,
        name=user.name,
        display_name=user.display_name,
        role=user.role,
        language=user.language,
        must_change=user.must_change,
        csrf=csrf,
        now_ms=now_ms,
    )
