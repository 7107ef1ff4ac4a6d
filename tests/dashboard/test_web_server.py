"""Connections that take their time, and the web server that many need."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from dashboard.website import Site

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.web import guard, server
from ffe_edge.dashboard.web.app import serve
from ffe_edge.dashboard.web.server import WebServer


@pytest.fixture
def running(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setattr(server, "ASK_SECONDS", 0.5)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.5)
    site = Site(sqlite, web={"port": 0})
    running = serve(site.app, site.parts.settings.web)
    try:
        yield running
    finally:
        running.stop()


def connected(running: WebServer) -> socket.socket:
    address = urlsplit(running.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=10)


@pytest.mark.parametrize("head", [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_who_connects_and_asks_nothing_is_hung_up_on(running: WebServer, head: bytes) -> None:
    with connected(running) as slow:
        slow.sendall(head)
        assert slow.recv(1000) == b""


def test_who_never_ends_a_request_is_answered_and_not_waited_for(running: WebServer) -> None:
    with connected(running) as slow:
        head = "POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        slow.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert b"400 Bad Request" in slow.recv(1000)


def test_silent_connections_lock_nobody_out(running: WebServer) -> None:
    with ExitStack() as silent:
        for _ in range(server.MAX_CONNECTIONS + 10):
            silent.enter_context(connected(running))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if httpx.get(f"{running.url}healthz", timeout=10).status_code == 200:
                return
        pytest.fail("nobody is answered any more")


def test_a_connection_that_is_kept_open_is_used_again(running: WebServer) -> None:
    with httpx.Client(base_url=running.url) as client:
        assert client.get("/healthz").text == "ok\n"
        time.sleep(0.7)
        assert client.get("/healthz").text == "ok\n"
