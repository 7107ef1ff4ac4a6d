"""News for open pages, over a real socket."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from dashboard.payloads import CAMERA, event
from dashboard.waiting import wait_until
from dashboard.website import API, PASSWORD, Site

from ffe_edge import __version__
from ffe_edge.dashboard import users
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.follower import MAX_WAITING
from ffe_edge.dashboard.web import stream
from ffe_edge.dashboard.web.app import serve
from ffe_edge.dashboard.web.server import WebServer


@contextmanager
def served(site: Site) -> Iterator[WebServer]:
    server = serve(site.app, site.parts.settings.web)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def site(sqlite: Database) -> Site:
    site = Site(sqlite, web={"port": 0})
    site.add_user("yamada")
    return site


@pytest.fixture
def server(site: Site) -> Iterator[WebServer]:
    with served(site) as server:
        yield server


@pytest.fixture
def client(server: WebServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=10) as client:
        client.post(f"{API}/session", json={"name": "yamada", "password": PASSWORD}).raise_for_status()
        yield client


def events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, line.removeprefix("data: ")


def test_the_stream_is_only_for_who_is_signed_in(server: WebServer) -> None:
    assert httpx.get(f"{server.url}api/v1/stream").status_code == 401


def test_it_begins_with_a_picture_and_goes_on_with_news_within_a_second(site: Site, client: httpx.Client) -> None:
    site.receive(f"{CAMERA}/emotion", event("start", "joy", sequence=1))
    with client.stream("GET", f"{API}/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = events(answer.iter_lines())
        kind, text = next(found)
        assert (kind, json.loads(text)["people"][0]["emotion"]) == ("snapshot", "joy")
        assert json.loads(text)["version"] == __version__
        assert next(found) == ("beat", "{}")
        told = time.monotonic()
        site.receive(f"{CAMERA}/emotion", event("change", "fear", sequence=2))
        kind, text = next(found)
        assert (kind, json.loads(text)["people"][0]["emotion"]) == ("update", "fear")
        assert time.monotonic() - told < 1


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "data: x' OR 1=1", "event: signed-out", "\u2028\u2029"])
def test_hostile_words_of_a_device_are_one_line_of_json(site: Site, client: httpx.Client, text: str) -> None:
    site.receive(f"{CAMERA}/emotion", event("start", text, emotion_ja=text))
    with client.stream("GET", f"{API}/stream") as answer:
        kind, told = next(events(answer.iter_lines()))
    assert (kind, json.loads(told)["people"][0]["emotion"]) == ("snapshot", text)


def test_a_closed_page_is_forgotten(site: Site, client: httpx.Client) -> None:
    with client.stream("GET", f"{API}/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 1000"
        assert site.present.followers == 1
    wait_until(lambda: site.present.followers == 0, "the page is forgotten")


def test_too_many_pages_are_turned_away(site: Site, client: httpx.Client) -> None:
    for _ in range(stream.MAX_FOLLOWERS):
        site.present.follow(lambda: None)
    answer = client.get(f"{API}/stream")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


def test_a_page_that_reads_nothing_never_holds_the_others(site: Site, client: httpx.Client) -> None:
    address = urlsplit(str(client.base_url))
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    for track in range(40):
        site.receive(f"{CAMERA}/emotion", event(track=track, sequence=track + 1))
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((address.hostname, address.port))
        slow.sendall(f"GET {API}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
        wait_until(lambda: site.present.followers == 1, "the slow page is there")
        with client.stream("GET", f"{API}/stream") as answer:
            found = events(answer.iter_lines())
            assert next(found)[0] == "snapshot"
            for number in range(2 * MAX_WAITING):
                site.receive(f"{CAMERA}/emotion", event("change", track=1, sequence=100 + number))
            started = time.monotonic()
            site.receive(f"{CAMERA}/emotion", event("start", "fear", track=999, sequence=999))
            while '"track": 999' not in next(found)[1]:
                pass
            assert time.monotonic() - started < 5


def test_a_page_of_who_is_disabled_is_told_and_ends(
    site: Site, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.3)
    with client.stream("GET", f"{API}/stream") as answer:
        found = events(answer.iter_lines())
        assert next(found)[0] == "snapshot"
        with site.database.writing() as connection:
            users.change_user(connection, users.all_users(connection)[0].id, {"disabled": True})
        assert [kind for kind, _ in found if kind != "beat"] == ["signed-out"]


def test_it_stops_soon_though_a_page_is_open(site: Site, client: httpx.Client, server: WebServer) -> None:
    with client.stream("GET", f"{API}/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 1000"
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 2


def test_where_a_request_comes_from_is_not_taken_from_what_it_says(site: Site, server: WebServer) -> None:
    assert httpx.get(f"{server.url}metrics").status_code == 200
    assert httpx.get(f"{server.url}metrics", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 403
