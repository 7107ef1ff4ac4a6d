"""The web app, put together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.datastructures import State
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from ffe_edge import __version__
from ffe_edge.dashboard.settings import WebSettings
from ffe_edge.dashboard.web import (
    api_alerts,
    api_handover,
    api_history,
    api_me,
    api_places,
    api_records,
    api_residents,
    api_settings,
    api_users,
    login,
    stream,
    watching,
)
from ffe_edge.dashboard.web.guard import LOOPBACK, Guard
from ffe_edge.dashboard.web.mending import add_handlers
from ffe_edge.dashboard.web.problem import Problem
from ffe_edge.dashboard.web.seams import Parts
from ffe_edge.dashboard.web.server import WebServer, is_everywhere, listen
from ffe_edge.dashboard.web.session import check_form

FILES: Final = Path(__file__).parents[1] / "static"
PREFIX: Final = "/api/v1"
PROGRAMS: Final = (
    api_me.router,
    api_places.router,
    api_residents.router,
    api_history.router,
    api_alerts.router,
    api_handover.router,
    api_settings.router,
    api_users.router,
    api_records.router,
    stream.router,
)
"""Below ``/api/v1``."""
PEOPLE: Final = (login.router, watching.router)


class DashboardApp(FastAPI):
    """The app behind its guard, with its own description of the interface."""

    state: State

    def build_middleware_stack(self) -> ASGIApp:
        """The guard stands before everything: an answer that tells of a fault has its headers, too."""
        web = self.state.parts.settings.web
        return Guard(super().build_middleware_stack(), hosts(web), https_only=web.secure_cookies)

    def openapi(self) -> dict[str, Any]:
        """OpenAPI 3.1: routes, answers, and each way they may be refused."""
        if not self.openapi_schema:
            found = get_openapi(title=self.title, version=self.version, summary=self.summary, routes=self.routes)
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            schemas |= problem.pop("$defs") | {"Problem": problem}
            self.openapi_schema = found
        return self.openapi_schema


def make_app(parts: Parts, pages: Iterable[APIRouter] = ()) -> DashboardApp:
    """Put the app together.

    Args:
        parts: store, live picture, settings.
        pages: routes of the pages for people.
    """
    app = DashboardApp(
        title="FFE-Edge dashboard",
        summary="What a care home's dashboard knows",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        dependencies=[Depends(check_form)],
    )
    app.state.parts = parts
    app.state.closing = Event()
    app.state.away_told_at = -math.inf
    add_handlers(app)
    for router in PROGRAMS:
        app.include_router(router, prefix=PREFIX)
    for router in (*PEOPLE, *pages):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=FILES))
    return app


def hosts(web: WebSettings) -> tuple[str, ...]:
    """Names that are answered to; ``*``, any IP address, where it listens on all of them."""
    return (*LOOPBACK, web.host.lower(), *web.names, *(("*",) if is_everywhere(web.host) else ()))


def serve(app: DashboardApp, web: WebSettings) -> WebServer:
    """Serve the app in a thread.

    Raises:
        ConfigError: the port is in use, or the address is not ours.
    """
    server = WebServer(app, listen(web.host, web.port), app.state.closing.set)
    server.start()
    return server
