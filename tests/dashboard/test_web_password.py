"""One's own password: the first, another, and how it is kept."""

from __future__ import annotations

import httpx
import pytest
from dashboard.website import API, PASSWORD, Browser, Site, code_of
from sqlalchemy import update

from ffe_edge.dashboard import audit, users
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.tables import users as users_table


@pytest.fixture
def site(sqlite: Database) -> Site:
    site = Site(sqlite)
    site.add_user("yamada")
    return site


@pytest.fixture
def browser(site: Site) -> Browser:
    return site.browser()


def last_action(site: Site) -> tuple[str, str]:
    with site.database.reading() as connection:
        entry = audit.page(connection)[0]
    return entry.user_name, entry.action


def problem_in(answer: httpx.Response) -> str:
    return answer.text.partition('data-problem="')[2].partition('"')[0]


def test_who_has_a_one_time_password_can_only_change_it(site: Site, browser: Browser) -> None:
    with site.database.writing() as connection:
        user = users.all_users(connection)[0]
        told = users.reset_password(connection, user.id, site.parts.passwords)
    assert browser.sign_in("yamada", told).status_code == 303
    assert browser.read("/me")["must_change"]
    assert code_of(browser.get(f"{API}/stream")) == "must-change-password"
    wrong = browser.post_form("/password", old=told, new="short", again="short")
    assert (wrong.status_code, problem_in(wrong)) == (422, "weak-password")
    same = browser.post_form("/password", old=told, new=told, again=told)
    assert (same.status_code, problem_in(same)) == (422, "weak-password")
    assert browser.post_form("/password", old=told, new=PASSWORD, again=PASSWORD).status_code == 303
    assert not browser.read("/me")["must_change"]


def test_a_changed_password_ends_the_users_other_sessions(site: Site, browser: Browser) -> None:
    other = site.browser()
    other.sign_in("yamada")
    browser.sign_in("yamada")
    answer = browser.post_form("/password", old=PASSWORD, new="five white horses", again="five white horses")
    assert answer.status_code == 303
    assert browser.get(f"{API}/me").status_code == 200
    assert other.get(f"{API}/me").status_code == 401
    assert last_action(site) == ("yamada", "password-changed")


def test_a_password_is_changed_only_by_who_knows_the_old_one(browser: Browser) -> None:
    browser.sign_in("yamada")
    answer = browser.post_form("/password", old="wrong", new="five white horses", again="five white horses")
    assert (answer.status_code, problem_in(answer)) == (401, "wrong-password")


def test_a_hash_of_yesterdays_parameters_is_renewed_at_login(site: Site, browser: Browser) -> None:
    with site.database.writing() as connection:
        old = Passwords(memory_kib=32, passes=1).hash(PASSWORD)
        connection.execute(update(users_table).values(password_hash=old))
    assert browser.sign_in("yamada").status_code == 303
    with site.database.reading() as connection:
        login = users.find_login(connection, "yamada")
    assert login is not None
    assert login[1] != old
    assert site.browser().sign_in("yamada").status_code == 303
