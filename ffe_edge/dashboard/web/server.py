"""The web server: uvicorn in a thread, on a socket that is open before anything else starts."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from ffe_edge.errors import ConfigError

START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 5.0
MAX_CONNECTIONS: Final = 256
ASK_SECONDS: Final = 10.0
"""From connecting to the end of the first request's head."""


class ImpatientProtocol(H11Protocol):
    """Hangs up on whoever connects and asks nothing: connections are few, and somebody else wants one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Somebody has connected."""
        super().connection_made(transport)
        self.loop.call_later(ASK_SECONDS, self._hang_up_on_the_silent)

    def _hang_up_on_the_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class WebServer:
    """An app, served by a thread until ``stop``."""

    def __init__(self, app: ASGIApp, listener: socket.socket, end_streams: Callable[[], object]) -> None:
        """Nothing is answered before ``start``.

        Args:
            app: what answers.
            listener: a socket that listens; closed when the server ends.
            end_streams: has streams that never end by themselves end soon.
        """
        self.url = _url(listener)
        """What to open in a browser."""
        self._end_streams = end_streams
        self._listener = listener
        settings = uvicorn.Config(
            app,
            http=ImpatientProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # where a request comes from is not taken from what it says itself
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._run, name="web-server", daemon=True)

    def start(self) -> None:
        """Return when the app answers.

        Raises:
            ConfigError: it does not.
        """
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self._server.started:
            raise ConfigError(f"web: the web server does not start on {self.url}; the log says why")

    def stop(self) -> None:
        """End open streams and stop; doing so twice is allowed."""
        self._end_streams()
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        with closing(self._listener):
            self._server.run(sockets=[self._listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket: whether the port is free shows before anything starts.

    Args:
        host: address or name; an address other than loopback shows the pages to everybody who can reach it.
        port: 0 takes any free one.

    Raises:
        ConfigError: the port is in use, or the address is not ours.
    """
    if not 0 <= port <= 65_535:
        raise ConfigError(f"web: {port} is no port; give one from 1 to 65535 with --port, or 0 for any")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"web: {host} port {port} is no address to listen on; give another --host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(_why_not(host, port, error)) from error
    return listener


def is_everywhere(host: str) -> bool:
    """Whether it stands for all addresses of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"web: port {port} of {host} is in use by another program; give another with --port, or --port 0"
    if error.errno == errno.EACCES:
        return f"web: port {port} needs administrator rights; give one above 1023 with --port"
    return f"web: cannot listen on {host} port {port} ({error}); give another --host or --port"


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if ":" in host:
        return f"http://[{'::1' if is_everywhere(host) else host}]:{port}/"
    return f"http://{'127.0.0.1' if is_everywhere(host) else host}:{port}/"
