"""The interface for users, audit and quarantine: who may, and what is written down."""

from __future__ import annotations

from typing import Any

import pytest
from dashboard.website import API, Browser, Site, code_of
from sqlalchemy import insert

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.tables import quarantine

HOSTILE = ["<script>alert(1)</script>", "'; DROP TABLE users; --", '" onload="alert(1)', "{{ 7 * 7 }}", "山田 花子"]
ADMIN_ONLY = ["/users", "/audit", "/quarantine"]


@pytest.fixture
def site(sqlite: Database) -> Site:
    return Site(sqlite)


@pytest.fixture
def admin(site: Site) -> Browser:
    return site.signed_in("admin")


def make(admin: Browser, name: str = "yamada", role: str = "carer", display_name: str = "山田") -> Any:
    answer = admin.send("POST", "/users", {"name": name, "display_name": display_name, "role": role})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ADMIN_ONLY)
@pytest.mark.parametrize("role", ["carer", "manager"])
def test_only_an_admin_may(site: Site, role: Any, path: str) -> None:
    assert code_of(site.signed_in(role).get(API + path)) == "not-allowed"


@pytest.mark.parametrize("path", ADMIN_ONLY)
def test_nobody_else_is_told_anything(site: Site, path: str) -> None:
    assert code_of(site.browser().get(API + path)) == "not-signed-in"


def test_a_new_user_signs_in_with_the_one_time_password_and_chooses_another(site: Site, admin: Browser) -> None:
    told = make(admin)["one_time_password"]
    browser = site.browser()
    browser.sign_in("yamada", told)
    assert code_of(browser.get(f"{API}/users")) == "must-change-password"
    answer = browser.send("POST", "/me/password", {"old": told, "new": "four brown horses"})
    assert (answer.status_code, answer.json()["must_change"]) == (200, False)


def test_a_password_is_in_no_answer_but_the_first_and_not_in_the_audit(admin: Browser) -> None:
    told = make(admin)["one_time_password"]
    assert told not in admin.get(f"{API}/users").text
    assert told not in admin.get(f"{API}/audit").text
    assert "argon2" not in admin.get(f"{API}/users").text


def test_a_taken_name_is_refused(admin: Browser) -> None:
    make(admin)
    answer = admin.send("POST", "/users", {"name": "YAMADA", "display_name": "x", "role": "carer"})
    assert code_of(answer) == "name-taken"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(admin: Browser, text: str) -> None:
    made = make(admin, display_name=text)["user"]
    assert made["display_name"] == text
    assert [user["display_name"] for user in admin.read("/users")] == ["admin", text]
    assert admin.read(f"/audit?subject=user:{made['id']}")["entries"][0]["action"] == "user-created"


@pytest.mark.parametrize("text", ["", "x", "a b", "<b>", "a'b", "a\0b", "x" * 65, "\ud800"])
def test_a_name_to_sign_in_has_letters_digits_and_three_signs(admin: Browser, text: str) -> None:
    body = {"name": text, "display_name": "x", "role": "carer"}
    assert code_of(admin.send("POST", "/users", body)) == "invalid"


@pytest.mark.parametrize(
    "change", [{"role": "boss"}, {"disabled": "yes"}, {"password_hash": "x"}, {"display_name": ""}]
)
def test_what_is_no_change_is_refused(admin: Browser, change: dict[str, object]) -> None:
    made = make(admin)["user"]
    assert code_of(admin.send("PATCH", f"/users/{made['id']}", change)) == "invalid"


def test_a_disabled_user_is_signed_out_and_stays_so(site: Site, admin: Browser) -> None:
    made = make(admin)
    browser = site.browser()
    browser.sign_in("yamada", made["one_time_password"])
    path = f"/users/{made['user']['id']}"
    assert admin.send("PATCH", path, {"disabled": True}).json()["disabled"]
    assert admin.send("PATCH", path, {"disabled": False}).status_code == 200
    assert code_of(browser.get(f"{API}/me")) == "not-signed-in"


def test_the_last_admin_stays(admin: Browser) -> None:
    me = admin.read("/me")["id"]
    assert code_of(admin.send("PATCH", f"/users/{me}", {"role": "carer"})) == "last-admin"
    assert code_of(admin.send("PATCH", f"/users/{me}", {"disabled": True})) == "last-admin"
    make(admin, "second", "admin")
    assert admin.send("PATCH", f"/users/{me}", {"role": "carer"}).status_code == 200
    assert code_of(admin.get(f"{API}/users")) == "not-allowed"


def test_a_reset_password_signs_its_user_out(site: Site, admin: Browser) -> None:
    made = make(admin)
    browser = site.browser()
    browser.sign_in("yamada", made["one_time_password"])
    told = admin.send("POST", f"/users/{made['user']['id']}/password").json()["one_time_password"]
    assert code_of(browser.get(f"{API}/me")) == "not-signed-in"
    assert browser.sign_in("yamada", told).status_code == 303


@pytest.mark.parametrize(
    ("path", "code"), [("99", "not-found"), ("0", "invalid"), ("2147483648", "invalid"), ("1'--", "invalid")]
)
def test_a_user_who_is_not_there_is_told(admin: Browser, path: str, code: str) -> None:
    assert code_of(admin.send("PATCH", f"/users/{path}", {"role": "carer"})) == code


def test_changes_are_written_down_with_who_and_what(admin: Browser) -> None:
    made = make(admin)["user"]
    admin.send("PATCH", f"/users/{made['id']}", {"role": "manager"})
    first, second = admin.read(f"/audit?subject=user:{made['id']}")["entries"]
    assert (first["user_name"], first["action"], first["detail"]) == ("admin", "user-changed", {"role": "manager"})
    assert (second["action"], second["detail"]) == ("user-created", {"name": "yamada", "role": "carer"})


def test_a_refused_change_is_not_written_down(admin: Browser) -> None:
    admin.send("PATCH", "/users/99", {"role": "carer"})
    assert "user-changed" not in admin.get(f"{API}/audit").text


def test_the_audit_comes_page_by_page(admin: Browser) -> None:
    for number in range(5):
        make(admin, f"user{number}")
    first = admin.read("/audit?limit=4")
    second = admin.read(f"/audit?limit=4&before={first['next_before']}")
    ids = [entry["id"] for page in (first, second) for entry in page["entries"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == len(ids)
    assert second["next_before"] is None


def test_what_could_not_be_read_is_shown_as_text(site: Site, admin: Browser) -> None:
    with site.database.writing() as connection:
        for payload in (b"\xff<script>\x00", None):
            values = {"received_ms": 1, "topic": "ffe/<b>", "reason": "not JSON", "bytes": 9000, "count": 3}
            connection.execute(insert(quarantine).values(values | {"payload": payload}))
    page = admin.read("/quarantine")
    assert [message["text"] for message in page["messages"]] == [None, "\ufffd<script>\0"]
    assert (page["messages"][0]["count"], page["next_before"]) == (3, None)
    assert admin.read("/quarantine?before=2&limit=1")["next_before"] == 1
