"""Signing in and out by plain forms, and what protects them."""

from __future__ import annotations

import httpx
import pytest
from dashboard.website import API, PASSWORD, Browser, Site, code_of, hidden

from ffe_edge.dashboard import audit, sessions, users
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.rate_limit import BY_NAME

XSS = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>"
SQL = "' OR 1=1; DROP TABLE users; --"


class CountedPasswords(Passwords):
    """Notes each check that was made, and whether there was anything to check against."""

    def __init__(self) -> None:
        super().__init__(memory_kib=64, passes=1)
        self.checked: list[bool] = []

    def is_right(self, kept: str | None, password: str) -> bool:
        self.checked.append(kept is not None)
        return super().is_right(kept, password)


@pytest.fixture
def site(sqlite: Database) -> Site:
    site = Site(sqlite)
    site.add_user("yamada")
    return site


@pytest.fixture
def browser(site: Site) -> Browser:
    return site.browser()


def actions(site: Site) -> list[tuple[str, str]]:
    with site.database.reading() as connection:
        return [(entry.user_name, entry.action) for entry in audit.page(connection)]


def problem_in(answer: httpx.Response) -> str:
    return answer.text.partition('data-problem="')[2].partition('"')[0]


def test_signing_in_needs_no_script_and_leads_to_where_one_wanted_to_go(browser: Browser) -> None:
    answer = browser.sign_in("Yamada", next="/residents/resident-1?day=2026-11-24")
    assert (answer.status_code, answer.headers["location"]) == (303, "/residents/resident-1?day=2026-11-24")
    assert browser.read("/me")["name"] == "yamada"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Browser) -> None:
    cookies = browser.sign_in("yamada").headers.get_list("set-cookie")
    (session,) = [cookie for cookie in cookies if cookie.startswith("ffe_session=")]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(session.split("; "))
    assert "Domain" not in session


def test_over_https_cookies_are_secure_and_browsers_are_told_to_stay_with_it(sqlite: Database) -> None:
    site = Site(sqlite, web={"secure_cookies": True, "names": ["home.example"]})
    site.add_user("yamada")
    browser = site.browser(base="https://home.example")
    answer = browser.sign_in("yamada")
    (session,) = [c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-ffe_session=")]
    assert "Secure" in session
    assert "max-age" in answer.headers["strict-transport-security"]
    assert browser.read("/me")["name"] == "yamada"


@pytest.mark.parametrize(
    ("name", "password"), [("yamada", "wrong"), ("nobody", PASSWORD), ("", ""), ("a\0b", PASSWORD)]
)
def test_a_wrong_name_and_a_wrong_password_are_told_alike(browser: Browser, name: str, password: str) -> None:
    answer = browser.sign_in(name, password)
    assert (answer.status_code, problem_in(answer)) == (401, "wrong-password")
    assert "ffe_session" not in browser.cookies


def test_a_name_that_nobody_has_costs_as_much_work_as_a_wrong_password(sqlite: Database) -> None:
    site = Site(sqlite, passwords=CountedPasswords())
    site.add_user("yamada")
    for name in ("yamada", "nobody"):
        site.browser().sign_in(name, "wrong")
    assert site.parts.passwords.checked == [True, False]  # type: ignore[attr-defined]


@pytest.mark.parametrize("hostile", [XSS, SQL])
def test_hostile_logins_are_only_wrong_ones(site: Site, browser: Browser, hostile: str) -> None:
    answer = browser.sign_in(hostile, hostile, next=f"/{hostile}")
    assert answer.status_code == 401
    assert "<script" not in answer.text
    assert "onerror='" not in answer.text
    assert browser.sign_in("yamada").status_code == 303


def test_what_was_typed_as_a_name_is_not_written_down(site: Site, browser: Browser) -> None:
    browser.sign_in("my secret password", "x")
    browser.sign_in("yamada", "x")
    assert actions(site) == [("yamada", "sign-in-failed"), ("", "sign-in-failed")]


@pytest.mark.parametrize(
    "told",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\r\nSet-Cookie: x=y"],
)
def test_signing_in_leads_to_no_other_site(browser: Browser, told: str) -> None:
    answer = browser.sign_in("yamada", next=told)
    assert answer.headers["location"] == "/"
    assert browser.get("/login", params={"next": told}).headers["location"] == "/"


def test_a_login_without_the_forms_token_is_not_looked_at(site: Site, browser: Browser) -> None:
    answer = browser.request("POST", "/login", data={"name": "yamada", "password": PASSWORD})
    assert (answer.status_code, problem_in(answer)) == (403, "wrong-form")
    assert actions(site) == []


def test_the_token_of_another_visitors_form_is_worth_nothing(site: Site, browser: Browser) -> None:
    browser.get("/login")
    foreign = hidden(site.browser().get("/login").text, "csrf")
    answer = browser.request("POST", "/login", data={"csrf": foreign, "name": "yamada", "password": PASSWORD})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "header", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_a_form_that_another_site_sends_is_turned_away(browser: Browser, header: dict[str, str]) -> None:
    csrf = hidden(browser.get("/login").text, "csrf")
    fields = {"csrf": csrf, "name": "yamada", "password": PASSWORD}
    assert browser.request("POST", "/login", data=fields, headers=header).status_code == 403
    own = {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}
    assert browser.request("POST", "/login", data=fields, headers=own).status_code == 303


def test_guessing_is_slowed_down_even_for_who_then_guesses_right(site: Site, browser: Browser) -> None:
    for _ in range(BY_NAME.free):
        browser.sign_in("yamada", "wrong")
    answer = browser.sign_in("yamada")
    assert (answer.status_code, problem_in(answer)) == (429, "too-many-tries")
    assert answer.headers["retry-after"] == "1"
    site.clock.seconds += 1
    assert browser.sign_in("yamada").status_code == 303


def test_each_login_has_a_token_of_its_own_and_ends_the_one_before(browser: Browser) -> None:
    browser.sign_in("yamada")
    first = browser.cookies["ffe_session"]
    answer = browser.request("POST", f"{API}/session", json={"name": "yamada", "password": PASSWORD})
    assert answer.status_code == 200
    assert browser.cookies["ffe_session"] != first
    browser.cookies = httpx.Cookies({"ffe_session": first})
    assert code_of(browser.get(f"{API}/me")) == "not-signed-in"


def test_a_session_that_an_attacker_chose_is_not_taken_over(site: Site, browser: Browser) -> None:
    browser.cookies = httpx.Cookies({"ffe_session": "chosen"})
    browser.sign_in("yamada")
    assert browser.cookies.get("ffe_session", domain="127.0.0.1") != "chosen"
    with site.database.reading() as connection:
        assert sessions.find(connection, "chosen", site.parts.now_ms()) is None


def test_signing_out_needs_the_token_and_ends_the_session(site: Site, browser: Browser) -> None:
    browser.sign_in("yamada")
    token = browser.cookies["ffe_session"]
    assert browser.request("POST", "/logout").status_code == 403
    answer = browser.request("POST", "/logout", data={"csrf": browser.csrf})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    browser.cookies = httpx.Cookies({"ffe_session": token})
    assert code_of(browser.get(f"{API}/me")) == "not-signed-in"
    assert actions(site)[0] == ("yamada", "sign-out")


def test_a_session_ends_after_twelve_hours_without_use_and_after_a_week(site: Site, browser: Browser) -> None:
    browser.sign_in("yamada")
    for _ in range(14):
        site.clock.seconds += 11.9 * 3600
        assert browser.get(f"{API}/me").status_code == 200
    site.clock.seconds += 11.9 * 3600
    assert code_of(browser.get(f"{API}/me")) == "not-signed-in"


def test_a_disabled_user_does_not_get_in(site: Site, browser: Browser) -> None:
    with site.database.writing() as connection:
        users.change_user(connection, users.all_users(connection)[0].id, {"disabled": True})
    assert browser.sign_in("yamada").status_code == 401


def test_a_page_asks_who_is_not_signed_in_to_do_so_and_a_program_is_told(browser: Browser) -> None:
    answer = browser.get("/password?a=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fpassword%3Fa%3D1")
    assert code_of(browser.get(f"{API}/me")) == "not-signed-in"


def test_the_language_is_chosen_before_and_after_signing_in(browser: Browser) -> None:
    assert '<html lang="ja">' in browser.get("/login").text
    assert '<html lang="en">' in browser.get("/login?lang=en").text
    assert '<html lang="en">' in browser.get("/login").text
    assert '<html lang="en">' in browser.get("/login?lang=<script>").text
    browser.sign_in("yamada")
    answer = browser.request("POST", "/language", data={"csrf": browser.csrf, "language": "ja", "next": "/password"})
    assert answer.headers["location"] == "/password"
    assert '<html lang="ja">' in browser.get("/password").text


def test_pages_hold_no_inline_script_or_style(browser: Browser) -> None:
    for path in ("/login", "/nowhere"):
        page = browser.get(path).text
        assert "<script" not in page
        assert "style=" not in page
