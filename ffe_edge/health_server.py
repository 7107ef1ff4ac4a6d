"""A small HTTP server on loopback for Prometheus and for whoever asks whether the daemon lives.

One thread and a bounded number of connections, whatever comes: a client that is slow is hung up on, and where there are
too many the oldest gives way, so that idle connections cannot lock a probe out.

Source: RFC 9112, HTTP/1.1, sections 2 to 6 (one request a connection, ``Connection: close``).
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ffe_edge.errors import ConfigError

logger = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
MAX_CONNECTIONS: Final = 64
MAX_REQUEST_BYTES: Final = 4096
CLIENT_SECONDS: Final = 5.0
"""For all of a request and its answer."""
TICK_SECONDS: Final = 0.5

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What a path answers."""

    text: str
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


@dataclass(slots=True)
class _Client:
    channel: socket.socket
    deadline: float
    request: bytes = b""
    answer: memoryview = field(default_factory=lambda: memoryview(b""))


class HealthServer:
    """Serves pages by their path."""

    def __init__(
        self, port: int, pages: Mapping[str, Callable[[], Page]], client_seconds: float = CLIENT_SECONDS
    ) -> None:
        """Listen; nothing is answered before ``start``.

        Args:
            port: on 127.0.0.1; 0 takes a free one.
            pages: by path, as ``/healthz``; called by the server's thread.
            client_seconds: what a client gets for its request and to take the answer.

        Raises:
            ConfigError: the port is taken.
        """
        self._pages = dict(pages)
        self._client_seconds = client_seconds
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((HOST, port))
            self._listener.listen(MAX_CONNECTIONS)
        except OSError as error:
            self._listener.close()
            raise ConfigError(
                f"service.health_port: {port} cannot be used ({error.strerror}); choose another"
            ) from error
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._clients: dict[socket.socket, _Client] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health-server", daemon=True)

    @property
    def connections(self) -> int:
        """Open now."""
        return len(self._clients)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody."""
        self._ending.set()
        if self._thread.ident is None:
            self._close()
        else:
            self._thread.join(4 * TICK_SECONDS)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                for key, events in self._selector.select(TICK_SECONDS):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif client := self._clients.get(key.data):
                        self._serve(client, events)
                self._hang_up_on_the_slow(time.monotonic())
        finally:
            self._close()

    def _accept(self) -> None:
        try:
            channel, _ = self._listener.accept()
        except OSError:  # it has gone already, or there are no descriptors left: the next one will tell
            return
        channel.setblocking(False)
        if len(self._clients) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._clients.values())))
        self._clients[channel] = _Client(channel, time.monotonic() + self._client_seconds)
        self._selector.register(channel, selectors.EVENT_READ, channel)

    def _serve(self, client: _Client, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                self._receive(client)
            else:
                client.answer = client.answer[client.channel.send(client.answer) :]
                if not client.answer:
                    self._drop(client)
        except BlockingIOError:
            return
        except OSError:  # the client has gone
            self._drop(client)

    def _receive(self, client: _Client) -> None:
        received = client.channel.recv(MAX_REQUEST_BYTES)
        client.request += received
        is_whole = b"\r\n\r\n" in client.request or b"\n\n" in client.request
        if not received:
            self._drop(client)
        elif is_whole or len(client.request) > MAX_REQUEST_BYTES:
            client.answer = memoryview(self._answer(client.request, is_whole))
            self._selector.modify(client.channel, selectors.EVENT_WRITE, client.channel)

    def _answer(self, request: bytes, is_whole: bool) -> bytes:
        page = self._page(request) if is_whole else Page("the request is too long\n", 400)
        body = page.text.encode()
        head = (
            f"HTTP/1.1 {page.status} {_REASONS[page.status]}\r\nContent-Type: {page.content_type}\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if request.startswith(b"HEAD ") else body)

    def _page(self, request: bytes) -> Page:
        words = request.split(b"\n", 1)[0].split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return Page("this is no HTTP request\n", 400)
        if words[0] not in (b"GET", b"HEAD"):
            return Page("only GET\n", 405)
        make = self._pages.get(words[1].split(b"?", 1)[0].decode("latin-1"))
        return make() if make else Page(f"there are {', '.join(sorted(self._pages))}\n", 404)

    def _hang_up_on_the_slow(self, now: float) -> None:
        for client in [client for client in self._clients.values() if client.deadline < now]:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        self._selector.unregister(client.channel)
        del self._clients[client.channel]
        client.channel.close()

    def _close(self) -> None:
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.close()
        self._listener.close()
