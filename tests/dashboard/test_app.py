"""The web app: what it answers, to whom, and with which headers."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest
from dashboard.browser import wait_until
from dashboard.payloads import CAMERA, event

from ffe_edge.dashboard.app import MAX_FOLLOWERS, LivePage, serve
from ffe_edge.dashboard.live import LiveView
from ffe_edge.dashboard.web.server import WebServer
from ffe_edge.errors import ConfigError

XSS = "<img src=x onerror=alert(1)>"


@pytest.fixture
def view() -> LiveView:
    return LiveView("mqtt://127.0.0.1:1")


class Client:
    """Asks the app without a socket."""

    def __init__(self, view: LiveView) -> None:
        self._transport = httpx.ASGITransport(LivePage(view).app())

    def request(self, method: str, path: str, **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://127.0.0.1:8080") as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(ask())

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, **headers)


@pytest.fixture
def client(view: LiveView) -> Client:
    return Client(view)


@contextmanager
def served(view: LiveView, host: str = "127.0.0.1") -> Iterator[WebServer]:
    server = serve(view, host=host, port=0)
    try:
        yield server
    finally:
        server.stop()


def stream_events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, line.removeprefix("data: ")


@pytest.mark.parametrize("path", ["/", "/api/state", "/static/live.js", "/static/live.css", "/nowhere"])
def test_every_answer_carries_the_security_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_the_page_has_no_inline_script_or_style_and_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/").text
    assert "<script>" not in page
    assert "<style" not in page
    assert " style=" not in page
    assert "//" not in page.replace("<!doctype html>", "")


@pytest.mark.parametrize("name", ["live.js", "draw.js", "words.js", "shapes.js", "timeline.js", "live.css", "icon.svg"])
def test_the_static_files_are_there(client: Client, name: str) -> None:
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 200
    assert "innerHTML" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080", "LOCALHOST:1"])
def test_it_answers_to_its_own_names(client: Client, host: str) -> None:
    assert client.get("/", host=host).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[", "192.0.2.1", ""])
def test_it_answers_to_no_other_name(client: Client, host: str) -> None:
    answer = client.get("/api/state", host=host)
    assert answer.status_code == 400
    assert "broker" not in answer.text


def test_bound_to_all_addresses_it_answers_to_addresses_but_not_to_names(view: LiveView) -> None:
    with served(view, host="0.0.0.0") as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert httpx.get(server.url, headers={"host": "192.0.2.1"}).status_code == 200
        assert httpx.get(server.url, headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"])
def test_nothing_outside_the_static_folder_is_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_page_only_reads(client: Client, method: str) -> None:
    assert client.request(method, "/api/state").status_code == 405


def test_the_state_is_json(client: Client, view: LiveView) -> None:
    view.receive(f"{CAMERA}/emotion", event(emotion=XSS))
    answer = client.get("/api/state")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["people"][0]["emotion"] == XSS


def test_the_stream_begins_with_a_snapshot_and_goes_on_with_updates(view: LiveView) -> None:
    view.receive(f"{CAMERA}/emotion", event("start", "joy", sequence=1))
    with served(view) as server, httpx.stream("GET", f"{server.url}events", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "retry: 1000"
        events = stream_events(lines)
        kind, text = next(events)
        assert (kind, json.loads(text)["people"][0]["emotion"]) == ("snapshot", "joy")
        assert next(events) == ("beat", "{}")
        view.receive(f"{CAMERA}/emotion", event("change", "fear", sequence=2))
        kind, text = next(events)
        assert (kind, json.loads(text)["people"][0]["emotion"]) == ("update", "fear")


def test_a_closed_page_is_forgotten(view: LiveView) -> None:
    with served(view) as server:
        with httpx.stream("GET", f"{server.url}events", timeout=10) as answer:
            lines = answer.iter_lines()  # held: an iterator that is dropped closes the stream
            assert next(lines) == "retry: 1000"
            assert view.followers == 1
        wait_until(lambda: view.followers == 0, "the page is forgotten")


def test_too_many_open_pages_are_turned_away(view: LiveView) -> None:
    followers = [view.follow(lambda: None) for _ in range(MAX_FOLLOWERS)]
    with served(view) as server:
        assert httpx.get(f"{server.url}events").status_code == 503
        view.unfollow(followers.pop())
        with httpx.stream("GET", f"{server.url}events", timeout=10) as answer:
            assert answer.status_code == 200


def test_it_stops_soon_though_a_page_is_open(view: LiveView) -> None:
    with served(view) as server, httpx.stream("GET", f"{server.url}events", timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 1000"
        started = time.monotonic()
        server.stop()
        server.stop()
        assert time.monotonic() - started < 2
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_a_port_in_use_is_told_with_what_to_do(view: LiveView) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} of 127.0.0.1 is in use.*--port"):
            serve(view, port=port)


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000), ("127.0.0.1", -1)]
)
def test_an_address_that_is_not_ours_is_refused(view: LiveView, host: str, port: int) -> None:
    with pytest.raises(ConfigError, match=r"--(host|port)"):
        serve(view, host=host, port=port)


def test_ipv6_works_where_there_is_any(view: LiveView) -> None:
    try:
        server = serve(view, host="::1", port=0)
    except ConfigError as error:
        pytest.skip(f"no IPv6 loopback: {error}")
    try:
        assert httpx.get(server.url).status_code == 200
    finally:
        server.stop()
