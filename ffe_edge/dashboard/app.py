"""The live page as a web app: one page, its static files, a stream of updates."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ffe_edge.dashboard.live import LiveView
from ffe_edge.dashboard.web.guard import LOOPBACK, Guard
from ffe_edge.dashboard.web.server import WebServer, is_everywhere, listen

STATIC = Path(__file__).parent / "static"
MAX_FOLLOWERS = 32
BEAT_SECONDS = 5.0
LOOK_SECONDS = 0.25
"""How soon an open stream notices that the server stops."""


class LivePage:
    """The routes."""

    def __init__(self, view: LiveView) -> None:
        self._view = view
        self._closing = threading.Event()

    def close(self) -> None:
        """End the open streams, soon."""
        self._closing.set()

    def app(self, hosts: Iterable[str] = LOOPBACK) -> Starlette:
        """The web app; ``hosts`` are the names it answers to, ``*`` stands for any IP address."""
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/events", self._events),
                Route("/api/state", self._state),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            middleware=[Middleware(Guard, hosts=tuple(hosts))],
        )

    async def _page(self, _request: Request) -> Response:
        return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")

    async def _state(self, _request: Request) -> Response:
        return JSONResponse(self._view.snapshot())

    async def _events(self, _request: Request) -> Response:
        if self._view.followers >= MAX_FOLLOWERS:
            return PlainTextResponse("too many pages are open", status_code=503, headers={"Retry-After": "10"})
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _stream(self) -> AsyncIterator[str]:
        """Server-sent events: a snapshot, updates, and a beat in between."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        follower = self._view.follow(lambda: loop.call_soon_threadsafe(news.set))
        beat_at = time.monotonic()
        try:
            yield "retry: 1000\n\n"
            while not self._closing.is_set():
                for kind, text in self._view.take(follower):
                    yield f"event: {kind}\ndata: {text}\n\n"
                if time.monotonic() >= beat_at:
                    beat_at = time.monotonic() + BEAT_SECONDS
                    yield ": beat\n\nevent: beat\ndata: {}\n\n"
                await _wait(news)
                news.clear()
        finally:
            self._view.unfollow(follower)


async def _wait(news: asyncio.Event) -> None:
    waiting = asyncio.ensure_future(news.wait())
    try:
        await asyncio.wait({waiting}, timeout=LOOK_SECONDS)
    finally:
        waiting.cancel()


def serve(view: LiveView, host: str = "127.0.0.1", port: int = 8080) -> WebServer:
    """Serve the live page of a view in a thread.

    Args:
        view: where the news come from; the caller starts and stops it.
        host: address to listen on. Another than a loopback address shows the page to everybody who can reach it.
        port: 0 takes any free one.

    Raises:
        ConfigError: the port is in use, or the address is not ours.
    """
    listener = listen(host, port)
    page = LivePage(view)
    names = (*LOOPBACK, host.lower(), *(("*",) if is_everywhere(host) else ()))
    server = WebServer(page.app(names), listener, page.close)
    server.start()
    return server
