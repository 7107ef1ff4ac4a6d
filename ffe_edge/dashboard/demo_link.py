"""A link that signs in whoever started the demo, once: no password has to be typed, and none is known to anybody."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from ffe_edge.dashboard import audit, sessions, users
from ffe_edge.dashboard.web.problem import ProblemError
from ffe_edge.dashboard.web.session import is_same, parts_of, set_cookie

PATH: Final = "/demo/"


class DemoLink:
    """The route of the link. Used, it is worth nothing any more, and ``told`` gets the path of the next one.

    Only for a server that listens on the loopback: who reads the terminal may be here anyway.
    """

    def __init__(self, user_id: int, told: Callable[[str], None]) -> None:
        """Make the first link.

        Args:
            user_id: who is signed in by it.
            told: gets the path of the next link, when one was used.
        """
        self._user_id = user_id
        self._told = told
        self._mutex = threading.Lock()
        self._token = secrets.token_urlsafe(32)
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route(PATH + "{token}", self._sign_in, methods=["GET"])

    @property
    def path(self) -> str:
        """Of the link that is good now, below the page's address."""
        return PATH + self._token

    def _sign_in(self, request: Request, token: str) -> Response:
        self._use(token)
        parts = parts_of(request)
        now_ms = parts.now_ms()
        with parts.database.writing() as connection:
            user = users.get_user(connection, self._user_id)
            audit.record(connection, user, "sign-in", now_ms)
            cookie = sessions.begin(connection, user.id, now_ms)
        answer = RedirectResponse("/", 303)
        set_cookie(answer, parts, cookie)
        self._told(self.path)
        return answer

    def _use(self, token: str) -> None:
        with self._mutex:
            if not is_same(token, self._token):
                raise ProblemError("not-found", "the link has been used: the terminal shows the next one")
            self._token = secrets.token_urlsafe(32)
