"""The live page as a web app: one page, its static files, a stream of updates."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ffe_edge.dashboard.live import LiveView
from ffe_edge.errors import ConfigError

STATIC = Path(__file__).parent / "static"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_FOLLOWERS = 32
BEAT_SECONDS = 5.0
LOOK_SECONDS = 0.25
"""How soon an open stream notices that the server stops."""
START_SECONDS = 10.0
STOP_SECONDS = 5.0
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}


class Guard:
    """Answers only to the names of this host, and sends the security headers with every answer.

    A page of another site that makes its own name point to 127.0.0.1 (DNS rebinding) still sends that name.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] == "http" and not self._is_ours(Headers(scope=scope).get("host", "")):
            refusal = PlainTextResponse("this page answers only to the name of its own host", status_code=400)
            await refusal(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self._hosts or ("*" in self._hosts and ipaddress.ip_address(name) is not None)
        except ValueError:
            return False


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


class PageServer:
    """The page, served by a thread until ``stop``."""

    def __init__(self, page: LivePage, listener: socket.socket, hosts: Iterable[str]) -> None:
        self.url = _url(listener)
        """What to open in a browser."""
        self._page = page
        self._listener = listener
        settings = uvicorn.Config(
            page.app(hosts),
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._run, name="live-page", daemon=True)

    def start(self) -> None:
        """Return when the page answers."""
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self._server.started:
            raise ConfigError(f"live page: the web server does not start on {self.url}; the log says why")

    def stop(self) -> None:
        """End open streams and stop; doing so twice is allowed."""
        self._page.close()
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        with closing(self._listener):
            self._server.run(sockets=[self._listener])


def serve(view: LiveView, host: str = "127.0.0.1", port: int = 8080) -> PageServer:
    """Serve the live page of a view in a thread.

    Args:
        view: where the news come from; the caller starts and stops it.
        host: address to listen on. Another than a loopback address shows the page to everybody who can reach it.
        port: 0 takes any free one.

    Raises:
        ConfigError: the port is in use, or the address is not ours.
    """
    listener = _listen(host, port)
    server = PageServer(LivePage(view), listener, _hosts(host))
    server.start()
    return server


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket: whether the port is free shows before anything starts."""
    if not 0 <= port <= 65_535:
        raise ConfigError(f"live page: {port} is no port; give one from 1 to 65535 with --port, or 0 for any")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"live page: {host} port {port} is no address to listen on; give another --host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(_why_not(host, port, error)) from error
    return listener


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"live page: port {port} of {host} is in use by another program; give another with --port, or --port 0"
    if error.errno == errno.EACCES:
        return f"live page: port {port} needs administrator rights; give one above 1023 with --port"
    return f"live page: cannot listen on {host} port {port} ({error}); give another --host or --port"


def _hosts(host: str) -> tuple[str, ...]:
    return (*LOOPBACK, host.lower(), *(("*",) if _is_everywhere(host) else ()))


def _is_everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if ":" in host:
        return f"http://[{'::1' if _is_everywhere(host) else host}]:{port}/"
    return f"http://{'127.0.0.1' if _is_everywhere(host) else host}:{port}/"
