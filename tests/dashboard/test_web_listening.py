"""Where the pages listen, and which files they give away."""

from __future__ import annotations

import socket
from contextlib import closing

import httpx
import pytest
from dashboard.website import Site

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.web.app import FILES, serve
from ffe_edge.dashboard.web.server import listen
from ffe_edge.errors import ConfigError


def test_a_port_in_use_is_told_with_what_to_do() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} of 127.0.0.1 is in use.*--port"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000), ("127.0.0.1", -1)]
)
def test_an_address_that_is_not_ours_is_refused(host: str, port: int) -> None:
    with pytest.raises(ConfigError, match=r"--(host|port)"):
        listen(host, port)


def test_on_all_addresses_it_answers_to_addresses_but_not_to_names(sqlite: Database) -> None:
    site = Site(sqlite, web={"host": "0.0.0.0", "port": 0})
    running = serve(site.app, site.parts.settings.web)
    try:
        assert running.url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{running.url}healthz", headers={"host": "192.0.2.1"}).status_code == 200
        assert httpx.get(f"{running.url}healthz", headers={"host": "evil.example"}).status_code == 400
    finally:
        running.stop()


@pytest.mark.parametrize("path", ["/static/../tables.py", "/static/%2e%2e/tables.py", "/static//etc/passwd"])
def test_nothing_outside_the_static_folder_is_served(sqlite: Database, path: str) -> None:
    assert Site(sqlite).browser().get(path).status_code == 404


@pytest.mark.parametrize("script", sorted(path.name for path in FILES.glob("*.js")))
def test_scripts_put_no_text_into_the_page_as_markup(script: str) -> None:
    assert "innerHTML" not in (FILES / script).read_text(encoding="utf-8")
