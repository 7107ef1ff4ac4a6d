"""What every request passes, and what is answered when something is wrong."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from dashboard.website import API, Browser, Site, code_of
from fastapi import APIRouter

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.web.app import make_app
from ffe_edge.dashboard.web.guard import MAX_BODY_BYTES

PATHS = ["/login", "/nowhere", f"{API}/me", f"{API}/openapi.json", "/static/icon.svg", "/healthz", "/metrics"]


@pytest.fixture
def site(sqlite: Database) -> Site:
    return Site(sqlite)


@pytest.fixture
def browser(site: Site) -> Browser:
    return site.browser()


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_security_headers(browser: Browser, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", "192.0.2.1", ""])
@pytest.mark.parametrize("path", ["/login", f"{API}/me"])
def test_it_answers_to_no_name_but_its_own(browser: Browser, host: str, path: str) -> None:
    answer = browser.get(path, headers={"host": host})
    assert answer.status_code == 400
    assert "content-security-policy" in answer.headers


def test_it_answers_to_the_names_of_the_settings(sqlite: Database) -> None:
    browser = Site(sqlite, web={"host": "192.0.2.1", "names": ["Home.Example"]}).browser()
    for host in ("home.example", "192.0.2.1:8080"):
        assert browser.get("/login", headers={"host": host}).status_code == 200


def test_a_long_body_is_refused_whether_its_length_is_told_or_not(browser: Browser) -> None:
    long = b"x" * (MAX_BODY_BYTES + 1)

    async def parts() -> object:
        for _ in range(3):
            yield long[: MAX_BODY_BYTES // 2]

    assert code_of(browser.request("POST", f"{API}/session", content=long)) == "too-large"
    assert code_of(browser.request("POST", f"{API}/session", content=parts())) == "too-large"
    assert code_of(browser.get(f"{API}/me", headers={"content-length": "many"})) == "too-large"


def test_every_route_that_changes_something_asks_for_the_forms_token(site: Site) -> None:
    browser = site.signed_in("admin")
    paths = site.app.openapi()["paths"]
    changing = [(method.upper(), path) for path, told in paths.items() for method in told if method != "get"]
    changing += [("POST", path) for path in ("/logout", "/password", "/language")]
    changing.remove(("POST", f"{API}/session"))
    assert len(changing) >= 5
    for method, path in changing:
        assert browser.request(method, path.replace("{", "1").replace("}", "")).status_code == 403, path


def test_every_route_but_signing_in_asks_who_it_is(site: Site) -> None:
    browser = site.browser()
    paths = site.app.openapi()["paths"]
    asked = [(method.upper(), path) for path, told in paths.items() for method in told]
    asked.remove(("POST", f"{API}/session"))
    assert len(asked) > 30
    for method, path in asked:
        assert browser.request(method, path.replace("{", "1").replace("}", "")).status_code == 401, path


def test_a_page_of_another_router_is_protected_as_well(site: Site) -> None:
    pages = APIRouter()

    @pages.post("/pages/change")
    def change() -> dict[str, bool]:
        return {"changed": True}

    site.app = make_app(site.parts, [pages])
    browser = site.signed_in()
    assert browser.request("POST", "/pages/change").status_code == 403
    assert browser.request("POST", "/pages/change", data={"csrf": "x"}).status_code == 403
    assert browser.request("POST", "/pages/change", data={"csrf": browser.csrf}).json() == {"changed": True}


@pytest.mark.parametrize("told", [None, "", "x", "é", "token-of-another-session"])
def test_a_change_without_the_sessions_token_is_refused(site: Site, told: str | None) -> None:
    browser = site.signed_in()
    headers = [] if told is None else [(b"x-csrf-token", told.encode())]
    answer = browser.request("PATCH", f"{API}/me", json={"language": "en"}, headers=headers)
    assert code_of(answer) == "wrong-form"
    assert browser.send("PATCH", "/me", {"language": "en"}).json()["language"] == "en"


def test_a_login_that_another_sites_form_could_send_is_not_taken(site: Site, browser: Browser) -> None:
    site.add_user("yamada")
    body = '{"name": "yamada", "password": "four brown horses"}'
    answer = browser.request("POST", f"{API}/session", content=body, headers={"content-type": "text/plain"})
    assert code_of(answer) == "invalid"


def test_wrong_values_are_named_and_not_repeated(browser: Browser) -> None:
    answer = browser.request("POST", f"{API}/session", json={"name": 1, "password": "secret", "more": "<script>"})
    assert code_of(answer) == "invalid"
    assert {mistake["where"] for mistake in answer.json()["mistakes"]} == {"body.name", "body.more"}
    assert "secret" not in answer.text


@pytest.mark.parametrize(("method", "path", "code"), [
    ("GET", f"{API}/nowhere", "not-found"), ("PUT", f"{API}/me", "wrong-method"),
])  # fmt: skip
def test_a_program_is_answered_with_a_problem(site: Site, method: str, path: str, code: str) -> None:
    browser = site.signed_in()
    assert code_of(browser.request(method, path, headers={"X-CSRF-Token": browser.csrf})) == code


def test_people_are_answered_with_a_page(browser: Browser) -> None:
    answer = browser.get("/nowhere<script>alert(1)</script>")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert 'data-problem="not-found"' in answer.text
    assert "<script" not in answer.text


def test_a_fault_of_ours_shows_no_traceback(site: Site) -> None:
    broken = APIRouter()

    @broken.get("/broken")
    @broken.get(f"{API}/broken")
    def broken_page() -> None:
        raise ZeroDivisionError("secret")

    site.app = make_app(site.parts, [broken])
    browser = site.browser()
    for path in ("/broken", f"{API}/broken"):
        answer = browser.get(path)
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert "content-security-policy" in answer.headers


def test_without_its_database_it_says_so_and_recovers_by_itself(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ffe_edge.dashboard.web.mending")
    browser = site.signed_in()
    site.database.close()
    file = tmp_path / "dashboard.sqlite"
    away = tmp_path / "away"
    file.rename(away)
    file.mkdir()
    api, page, health = browser.get(f"{API}/me"), browser.get("/password"), browser.get("/healthz")
    assert code_of(api) == "database-away"
    assert (page.status_code, health.status_code) == (503, 503)
    assert 'data-problem="database-away"' in page.text
    assert "sqlite" not in api.text + page.text + health.text
    assert api.headers["retry-after"] == page.headers["retry-after"] == "5"
    assert len(caplog.records) == 1
    file.rmdir()
    away.rename(file)
    assert browser.get(f"{API}/me").status_code == 200
    assert browser.get("/healthz").text == "ok\n"


def test_figures_are_for_this_machine_and_for_admins(site: Site) -> None:
    assert site.browser("192.0.2.7").get("/metrics").status_code == 403
    assert site.signed_in("carer").get("/metrics").status_code == 403
    assert "ffe_dashboard_events_total 7" in site.browser("127.0.0.1").get("/metrics").text
    assert "ffe_dashboard_pages 0" in site.signed_in("admin").get("/metrics").text


@pytest.mark.parametrize("header", [{"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=x"}, {"host": "home.example"}])
def test_what_a_proxy_passes_on_was_not_asked_here(sqlite: Database, header: dict[str, str]) -> None:
    site = Site(sqlite, web={"names": ["home.example"]})
    assert site.browser("127.0.0.1").get("/metrics", headers=header).status_code == 403
