"""Who asks, and whether they may: cookie, session, form token, role. Dependencies of the routes.

Every change needs the session's token in the form's field ``csrf`` or in the header ``X-CSRF-Token``; the app asks for
it of all routes, so that none can be forgotten.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from ffe_edge.dashboard import sessions
from ffe_edge.dashboard.sessions import LONGEST_MS, SEEN_EVERY_MS, Session
from ffe_edge.dashboard.users import Role, User
from ffe_edge.dashboard.web.guard import SAFE_METHODS
from ffe_edge.dashboard.web.problem import ProblemError
from ffe_edge.dashboard.web.seams import Parts

CSRF_HEADER: Final = "x-csrf-token"
CSRF_FIELD: Final = "csrf"
FORM: Final = "application/x-www-form-urlencoded"
LOGIN_PATHS: Final = frozenset({"/login", "/api/v1/session"})
"""Nobody is signed in yet: these check the form in another way (see ``login``)."""
WITH_ONE_TIME_PASSWORD: Final = frozenset(
    {"/password", "/logout", "/language", "/api/v1/me", "/api/v1/me/password", "/api/v1/session"}
)
"""All that is open to who still has to choose a password."""


def parts_of(request: Request) -> Parts:
    """What the app was made of."""
    parts: Parts = request.app.state.parts
    return parts


def session_of(request: Request) -> Session | None:
    """Who is signed in, looked up once a request.

    Raises:
        StoreError: the database cannot be used at present.
    """
    if not hasattr(request.state, "session"):
        parts = parts_of(request)
        request.state.session = _look_up(parts, request.cookies.get(cookie_name(parts), ""))
    found: Session | None = request.state.session
    return found


def _look_up(parts: Parts, token: str) -> Session | None:
    if not token:
        return None
    now_ms = parts.now_ms()
    with parts.database.reading() as connection:
        session = sessions.find(connection, token, now_ms)
    if session is not None and now_ms - session.seen_ms >= SEEN_EVERY_MS:
        with parts.database.writing() as connection:
            sessions.seen(connection, session, now_ms)
    return session


def signed_in(request: Request) -> Session:
    """The session of who asks.

    Raises:
        ProblemError: nobody is signed in, or the password has to be changed first.
    """
    session = session_of(request)
    if session is None:
        raise ProblemError("not-signed-in", "sign in first")
    if session.user.must_change and request.url.path not in WITH_ONE_TIME_PASSWORD:
        raise ProblemError("must-change-password", "choose a password of your own first")
    return session


def needs(role: Role) -> Callable[[Request], User]:
    """A dependency: the user who asks, who has this role or one above it."""

    def user_with_role(request: Request) -> User:
        user = signed_in(request).user
        if not user.may(role):
            raise ProblemError("not-allowed", f"this needs the role {role}")
        return user

    return user_with_role


async def _form_token(request: Request) -> str | None:
    if request.method in SAFE_METHODS:
        return None
    if (told := request.headers.get(CSRF_HEADER)) is not None:
        return told
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return None
    told_by_form = (await request.form()).get(CSRF_FIELD)
    return None if isinstance(told_by_form, UploadFile) else told_by_form


def check_form(request: Request, token: Annotated[str | None, Depends(_form_token)]) -> None:
    """Of every change: that it comes from a page of ours that this session was shown.

    Raises:
        ProblemError: it does not, or nobody is signed in.
    """
    if request.method in SAFE_METHODS or (request.url.path in LOGIN_PATHS and request.method == "POST"):
        return
    session = session_of(request)
    if session is None:
        raise ProblemError("not-signed-in", "sign in first")
    if not is_same(token, session.csrf):
        raise ProblemError("wrong-form", f"send the session's token as the field {CSRF_FIELD} or {CSRF_HEADER}")


def is_same(told: str | None, kept: str) -> bool:
    """Compare secrets in constant time."""
    return told is not None and hmac.compare_digest(told.encode("utf-8", "surrogatepass"), kept.encode())


def cookie_name(parts: Parts) -> str:
    """Over https with the prefix that keeps other hosts of the domain from setting it."""
    return "__Host-ffe_session" if parts.settings.web.secure_cookies else "ffe_session"


def set_cookie(answer: Response, parts: Parts, token: str) -> None:
    """Give the browser its session."""
    secure = parts.settings.web.secure_cookies
    longest = LONGEST_MS // 1000
    answer.set_cookie(cookie_name(parts), token, longest, path="/", secure=secure, httponly=True, samesite="lax")


def clear_cookie(answer: Response, parts: Parts) -> None:
    """Take the session from the browser."""
    secure = parts.settings.web.secure_cookies
    answer.delete_cookie(cookie_name(parts), path="/", secure=secure, httponly=True, samesite="lax")


def address_of(request: Request) -> str:
    """Where the request comes from; a proxy's word is not taken for it."""
    return request.client.host if request.client else ""


Carer = Annotated[User, Depends(needs("carer"))]
Manager = Annotated[User, Depends(needs("manager"))]
Admin = Annotated[User, Depends(needs("admin"))]
SignedIn = Annotated[Session, Depends(signed_in)]
