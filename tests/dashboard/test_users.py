"""Users, their sessions, and what is written down about them, on both databases."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from ffe_edge.dashboard import audit, sessions, users
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.tables import sessions as sessions_table
from ffe_edge.dashboard.tables import users as users_table
from ffe_edge.dashboard.users import NewUser, Role, User

NOW = 1_700_000_000_000
PASSWORDS = Passwords(memory_kib=64, passes=1)
HOSTILE = ["'; DROP TABLE users; --", "<script>alert(1)</script>", '" OR 1=1 --', "%' UNION SELECT 1--", "山田'花子"]


def make(database: Database, name: str = "yamada", role: Role = "carer") -> User:
    with database.writing() as connection:
        return users.create_user(connection, NewUser(name, name, role), PASSWORDS, NOW)[0]


def sign_in(database: Database, user: User, now_ms: int = NOW) -> str:
    with database.writing() as connection:
        return sessions.begin(connection, user.id, now_ms)


def found(database: Database, token: str, now_ms: int = NOW) -> sessions.Session | None:
    with database.reading() as connection:
        return sessions.find(connection, token, now_ms)


def test_the_first_start_makes_an_admin_whose_password_is_told_once(database: Database) -> None:
    with database.writing() as connection:
        told = users.ensure_admin(connection, PASSWORDS, NOW)
        again = users.ensure_admin(connection, PASSWORDS, NOW)
        login = users.find_login(connection, "ADMIN")
    assert told is not None
    assert again is None
    assert login is not None
    assert (login[0].role, login[0].must_change) == ("admin", True)
    assert PASSWORDS.is_right(login[1], told)


def test_a_name_is_taken_once_however_it_is_written(database: Database) -> None:
    make(database, "yamada")
    with pytest.raises(RefusedError, match="already"):
        make(database, "ＹＡＭＡＤＡ")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_a_name(database: Database, name: str) -> None:
    user = make(database, name)
    make(database, "other")
    with database.reading() as connection:
        login = users.find_login(connection, name)
        assert len(users.all_users(connection)) == 2
    assert login is not None
    assert login[0] == user


@pytest.mark.parametrize(("held", "wanted", "allowed"), [
    ("carer", "carer", True), ("carer", "manager", False), ("manager", "carer", True), ("manager", "admin", False),
    ("admin", "manager", True),
])  # fmt: skip
def test_each_role_may_do_what_those_below_may(sqlite: Database, held: Role, wanted: Role, allowed: bool) -> None:
    assert make(sqlite, role=held).may(wanted) is allowed


@pytest.mark.parametrize("change", [{"role": "manager"}, {"disabled": True}])
def test_the_last_admin_stays(database: Database, change: dict[str, object]) -> None:
    first = make(database, "first", "admin")
    second = make(database, "second", "admin")
    with database.writing() as connection:
        users.change_user(connection, first.id, change)
        with pytest.raises(RefusedError, match="last admin"):
            users.change_user(connection, second.id, change)


def test_two_admins_cannot_remove_each_other_at_once(database: Database) -> None:
    both = [make(database, name, "admin") for name in ("first", "second")]
    start = threading.Barrier(2)
    refused: list[str] = []

    def remove(user: User) -> None:
        start.wait()
        try:
            with database.writing() as connection:
                users.change_user(connection, user.id, {"disabled": True})
        except RefusedError as error:
            refused.append(error.code)

    threads = [threading.Thread(target=remove, args=(user,)) for user in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["last-admin"]


def test_a_user_who_is_not_there_is_told(database: Database) -> None:
    with database.writing() as connection, pytest.raises(RefusedError, match="no such user"):
        users.change_user(connection, 99, {"role": "admin"})


def test_a_chosen_password_is_kept_only_as_a_hash(database: Database, tmp_path: Path) -> None:
    user = make(database)
    with database.writing() as connection:
        users.change_password(connection, user, "four brown horses", PASSWORDS)
        kept = connection.execute(select(users_table.c.password_hash)).scalar_one()
        assert not users.get_user(connection, user.id).must_change
    assert PASSWORDS.is_right(kept, "four brown horses")
    assert not any(b"brown horses" in path.read_bytes() for path in tmp_path.glob("dashboard*"))


def test_a_reset_password_must_be_changed(database: Database) -> None:
    user = make(database)
    with database.writing() as connection:
        users.change_password(connection, user, "four brown horses", PASSWORDS)
        told = users.reset_password(connection, user.id, PASSWORDS)
        login = users.find_login(connection, "yamada")
    assert login is not None
    assert login[0].must_change
    assert PASSWORDS.is_right(login[1], told)


def test_a_hash_is_renewed_only_where_the_password_is_still_the_same(database: Database) -> None:
    user = make(database)
    with database.writing() as connection:
        users.renew_hash(connection, user.id, "another", "new")
        login = users.find_login(connection, "yamada")
        assert login is not None
        assert login[1] != "new"
        users.renew_hash(connection, user.id, login[1], "new")
        login = users.find_login(connection, "yamada")
    assert login is not None
    assert login[1] == "new"


def test_the_token_itself_is_not_in_the_store(database: Database) -> None:
    token = sign_in(database, make(database))
    with database.reading() as connection:
        kept = connection.execute(select(sessions_table)).one()
    assert len(token) == 43
    assert token not in map(str, kept)
    session = found(database, token)
    assert session is not None
    assert session.user.name == "yamada"


@pytest.mark.parametrize("token", ["", "x", "\udcff", "' OR 1=1 --", "a" * 10_000])
def test_a_token_that_was_never_given_finds_nothing(database: Database, token: str) -> None:
    sign_in(database, make(database))
    assert found(database, token) is None


def test_a_session_ends_when_it_is_not_used(database: Database) -> None:
    token = sign_in(database, make(database))
    session = found(database, token, NOW + sessions.IDLE_MS - 1)
    assert session is not None
    with database.writing() as connection:
        sessions.seen(connection, session, NOW + sessions.IDLE_MS - 1)
    assert found(database, token, NOW + 2 * sessions.IDLE_MS - 2) is not None
    assert found(database, token, NOW + 2 * sessions.IDLE_MS) is None


def test_a_session_ends_after_a_week_though_it_is_used(database: Database) -> None:
    token = sign_in(database, make(database))
    last = NOW + sessions.LONGEST_MS
    session = found(database, token)
    assert session is not None
    with database.writing() as connection:
        sessions.seen(connection, session, last - 1)
    assert found(database, token, last - 1) is not None
    assert found(database, token, last) is None


def test_signing_in_sweeps_what_has_ended(database: Database) -> None:
    user = make(database)
    sign_in(database, user)
    sign_in(database, user, NOW + sessions.IDLE_MS)
    with database.reading() as connection:
        assert len(connection.execute(select(sessions_table)).all()) == 1


def test_a_user_has_a_bounded_number_of_sessions_and_the_oldest_end(database: Database) -> None:
    user = make(database)
    tokens = [sign_in(database, user, NOW + number) for number in range(sessions.MAX_OF_A_USER + 2)]
    alive = [found(database, token, NOW + 100) is not None for token in tokens]
    assert alive == [False] * 2 + [True] * sessions.MAX_OF_A_USER


def test_a_disabled_user_is_signed_in_nowhere(database: Database) -> None:
    make(database, "boss", "admin")
    user = make(database)
    token = sign_in(database, user)
    with database.writing() as connection:
        users.change_user(connection, user.id, {"disabled": True})
    assert found(database, token) is None


def test_all_other_sessions_of_a_user_end_and_no_one_elses(database: Database) -> None:
    user, other = make(database), make(database, "other")
    kept, gone, foreign = sign_in(database, user), sign_in(database, user), sign_in(database, other)
    with database.writing() as connection:
        assert sessions.end_all(connection, user.id, sessions.hash_of(kept)) == 1
    assert [found(database, token) is not None for token in (kept, gone, foreign)] == [True, False, True]


def test_signing_out_ends_one_session(database: Database) -> None:
    token = sign_in(database, make(database))
    with database.writing() as connection:
        sessions.end(connection, sessions.hash_of(token))
    assert found(database, token) is None


def test_the_audit_is_read_newest_first_and_page_by_page(database: Database) -> None:
    user = make(database)
    with database.writing() as connection:
        for number in range(5):
            audit.record(connection, user, "resident-viewed", NOW + number, subject=f"resident:{number % 2}")
        audit.record(connection, None, "sign-in-failed", NOW, detail={"address": "192.0.2.1"})
        first = audit.page(connection, limit=2)
        rest = audit.page(connection, before=first[-1].id)
        of_one = audit.page(connection, subject="resident:1")
    assert [(entry.user_name, entry.action) for entry in first] == [
        ("", "sign-in-failed"),
        ("yamada", "resident-viewed"),
    ]
    assert [entry.at_ms - NOW for entry in rest] == [3, 2, 1, 0]
    assert [entry.at_ms - NOW for entry in of_one] == [3, 1]
    assert (first[0].detail, first[1].detail) == ({"address": "192.0.2.1"}, None)


def test_the_audit_stands_or_falls_with_the_change(database: Database) -> None:
    user = make(database)

    def change() -> None:
        with database.writing() as connection:
            audit.record(connection, user, "user-changed", NOW)
            users.change_user(connection, 99, {"role": "admin"})

    with pytest.raises(RefusedError):
        change()
    with database.reading() as connection:
        assert audit.page(connection) == []
