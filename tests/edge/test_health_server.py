"""The server on loopback, flooded, starved and spoken to badly."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ffe_edge.errors import ConfigError
from ffe_edge.health_server import MAX_CONNECTIONS, HealthServer, Page


@pytest.fixture
def server() -> Iterator[HealthServer]:
    running = HealthServer(0, {"/healthz": lambda: Page("ok\n"), "/long": lambda: Page("x" * 3_000_000)})
    running.start()
    yield running
    running.stop()
    assert running.connections == 0


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def said(server: HealthServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as channel:
        channel.sendall(request)
        return b"".join(iter(lambda: channel.recv(65536), b""))


def test_pages_are_found_by_their_path(server: HealthServer) -> None:
    assert get(server, "/healthz") == (200, "ok\n")
    assert get(server, "/healthz?verbose=1") == (200, "ok\n")
    assert get(server, "/secret") == (404, "there are /healthz, /long\n")
    assert len(get(server, "/long")[1]) == 3_000_000


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"POST /healthz HTTP/1.1\r\n\r\n", b"405", id="post"),
        pytest.param(b"\x16\x03\x01\x02\x00\r\n\r\n", b"400", id="tls"),
        pytest.param(b"GET /\xff\xfe HTTP/1.1\r\n\r\n", b"404", id="not-ascii"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 5000, b"400", id="too-long"),
    ],
)
def test_a_bad_request_is_answered_and_harms_nothing(server: HealthServer, request_bytes: bytes, status: bytes) -> None:
    assert said(server, request_bytes).startswith(b"HTTP/1.1 " + status)
    assert get(server, "/healthz")[0] == 200


def test_head_has_no_body(server: HealthServer) -> None:
    assert said(server, b"HEAD /healthz HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")


def test_200_idle_connections_do_not_lock_a_probe_out(server: HealthServer) -> None:
    threads = threading.active_count()
    with ExitStack() as flood:
        for _ in range(200):
            flood.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        assert get(server, "/healthz") == (200, "ok\n")
        assert server.connections <= MAX_CONNECTIONS
        assert threading.active_count() == threads


def test_a_slow_client_is_hung_up_on() -> None:
    server = HealthServer(0, {}, client_seconds=0.2)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as channel:
        channel.sendall(b"GET /healthz HT")
        assert channel.recv(100) == b""
    server.stop()


def test_only_this_machine_is_listened_to(server: HealthServer) -> None:
    assert server._listener.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_named(server: HealthServer) -> None:
    with pytest.raises(ConfigError, match=rf"service\.health_port: {server.port} cannot be used"):
        HealthServer(server.port, {})
