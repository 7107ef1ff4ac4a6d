"""The dashboard's website for tests: a real store, a real picture, asked without a socket."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from threading import Event
from typing import Any

import httpx
from fastapi import APIRouter

from ffe_edge.dashboard import users
from ffe_edge.dashboard.arrivals import read_arrival
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.present import Present
from ffe_edge.dashboard.rate_limit import LoginLimit
from ffe_edge.dashboard.settings import DashboardSettings
from ffe_edge.dashboard.users import NewUser, Role
from ffe_edge.dashboard.web.app import DashboardApp, make_app
from ffe_edge.dashboard.web.seams import Parts

PASSWORD = "four brown horses"
BASE = "http://127.0.0.1:8080"
API = "/api/v1"
PASSWORDS = Passwords(memory_kib=64, passes=1)


class Clock:
    """Unix seconds that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class ToldNodes:
    """Counts how often the devices were to be asked."""

    times: int = 0

    def forget_owed(self) -> None:
        self.times += 1


_PUT_TOGETHER: dict[tuple[int, ...], DashboardApp] = {}


def _routes(pages: Sequence[APIRouter]) -> DashboardApp:
    """The app: its routes are put together once, which takes longer than most tests."""
    key = tuple(map(id, pages))
    if key not in _PUT_TOGETHER:
        database = Database("sqlite:////nowhere/dashboard.sqlite")
        parts = Parts(database, Present(), ToldNodes(), DashboardSettings(), passwords=PASSWORDS)
        _PUT_TOGETHER[key] = make_app(parts, pages)
    return _PUT_TOGETHER[key]


def _app_of(parts: Parts, pages: Sequence[APIRouter]) -> DashboardApp:
    """The app of a test; one at a time."""
    app = _routes(pages)
    app.state.parts, app.state.closing, app.state.away_told_at = parts, Event(), -math.inf
    app.middleware_stack = None
    return app


class Site:
    """An app, its parts, and users of each role: ``carer``, ``manager``, ``admin``."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords | None = None,
        pages: Sequence[APIRouter] = (),
        **settings: Any,
    ) -> None:
        self.database = database
        self.clock = Clock()
        self.present = Present(self.clock)
        self.nodes = ToldNodes()
        self.parts = Parts(
            database,
            self.present,
            self.nodes,
            DashboardSettings.model_validate(settings),
            figures=lambda: "ffe_dashboard_events_total 7\n",
            passwords=passwords or PASSWORDS,
            login_limit=LoginLimit(self.clock),
            clock=self.clock,
        )
        self.app: DashboardApp = _app_of(self.parts, pages)

    def receive(self, topic: str, payload: bytes) -> None:
        """A message that the picture is told of, and the store is not."""
        self.present.committed([read_arrival("ffe/v1", topic, payload, self.parts.now_ms())], {})

    def add_user(self, name: str, role: Role = "carer", *, password: str = PASSWORD) -> int:
        with self.database.writing() as connection:
            user, _ = users.create_user(connection, NewUser(name, name, role), self.parts.passwords, 0)
            users.change_password(connection, user, password, self.parts.passwords)
            return user.id

    def browser(self, address: str = "192.0.2.7", base: str = BASE) -> Browser:
        return Browser(self.app, address, base)

    def signed_in(self, role: Role = "carer") -> Browser:
        """A browser of a new user of this role, whose name is the role's."""
        self.add_user(role, role)
        browser = self.browser()
        assert browser.sign_in(role).status_code == 303
        return browser


class Browser:
    """Keeps cookies, and sends a session's form token with what it changes."""

    def __init__(self, app: DashboardApp, address: str, base: str = BASE) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 40_000))
        self._base = base
        self.cookies = httpx.Cookies()
        self.csrf = ""

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url=self._base, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **more)
                self.cookies = client.cookies
                return answer

        return asyncio.run(ask())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post_form(self, path: str, page: str | None = None, **fields: str) -> httpx.Response:
        """Fill in the form of a page and send it, as a browser without scripts does."""
        csrf = hidden(self.get(page or path).text, "csrf")
        return self.request("POST", path, data={"csrf": csrf} | fields)

    def sign_in(self, name: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
        answer = self.post_form("/login", name=name, password=password, **fields)
        if answer.status_code == 303:
            self.csrf = self.get(f"{API}/me").json().get("csrf", "")
        return answer

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Ask the API for a change."""
        headers = {"X-CSRF-Token": self.csrf, "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        return self.request(method, API + path, content=content, headers=headers)

    def read(self, path: str) -> Any:
        answer = self.get(API + path)
        assert answer.status_code == 200, answer.text
        return answer.json()


def hidden(page: str, name: str) -> str:
    """Value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return unescape(found[1])


def code_of(answer: httpx.Response) -> str:
    """The code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    return str(body["type"]).rpartition(":")[2]
