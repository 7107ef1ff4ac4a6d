"""A database that goes away and comes back, under a real web server with an open page."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing

import httpx
import pytest
from dashboard.payloads import CAMERA, event
from dashboard.postgresql import PostgreSql
from dashboard.waiting import wait_until
from dashboard.website import API, PASSWORD, Site, code_of

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.web import stream
from ffe_edge.dashboard.web.app import serve


@pytest.mark.slow
def test_pages_say_that_the_database_is_away_and_go_on_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.3)
    with PostgreSql() as postgresql, closing(Database(postgresql.make_database("away"))) as database:
        database.migrate()
        site = Site(database, web={"port": 0})
        site.add_user("yamada")
        server = serve(site.app, site.parts.settings.web)
        try:
            with httpx.Client(base_url=server.url, timeout=30) as client:
                client.post(f"{API}/session", json={"name": "yamada", "password": PASSWORD}).raise_for_status()
                _goes_away_and_comes_back(postgresql, site, client)
        finally:
            server.stop()


def _goes_away_and_comes_back(postgresql: PostgreSql, site: Site, client: httpx.Client) -> None:
    told: list[str] = []
    with client.stream("GET", f"{API}/stream") as answer:
        page = threading.Thread(target=lambda: told.extend(answer.iter_lines()), daemon=True)
        page.start()
        postgresql.stop("immediate")
        started = time.monotonic()
        api, html, login = client.get(f"{API}/me"), client.get("/password"), client.get("/login")
        assert code_of(api) == "database-away"
        assert (html.status_code, login.status_code, client.get("/healthz").status_code) == (503, 503, 503)
        assert 'data-problem="database-away"' in html.text
        assert "postgresql" not in api.text + html.text
        assert time.monotonic() - started < 10
        time.sleep(1)  # the open page looks whether its session goes on, in vain
        postgresql.start()
        wait_until(lambda: client.get(f"{API}/me").status_code == 200, "the pages are back")
        site.receive(f"{CAMERA}/emotion", event("start", "joy", sequence=1))
        wait_until(lambda: any('"joy"' in line for line in told), "the open page goes on")
        assert not any("signed-out" in line for line in told)
        assert json.loads(client.get(f"{API}/me").text)["name"] == "yamada"
        site.app.state.closing.set()
        page.join(5)
