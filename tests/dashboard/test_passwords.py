"""What is kept of a password, and which are refused."""

from __future__ import annotations

import pytest

from ffe_edge.dashboard.passwords import MEMORY_KIB, Passwords, check_new_password, one_time_password
from ffe_edge.dashboard.refusal import RefusedError

GOOD = "four brown horses"


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(memory_kib=64, passes=1)


def test_a_password_is_known_again_and_no_other(passwords: Passwords) -> None:
    kept = passwords.hash(GOOD)
    assert passwords.is_right(kept, GOOD)
    assert not passwords.is_right(kept, GOOD + "s")
    assert GOOD not in kept


def test_the_same_password_is_kept_differently_each_time(passwords: Passwords) -> None:
    assert passwords.hash(GOOD) != passwords.hash(GOOD)


def test_full_width_letters_are_the_same_password(passwords: Passwords) -> None:
    assert passwords.is_right(passwords.hash("ａｂｃｄｅｆｇ１２３４５"), "abcdefg12345")


def test_nobody_has_no_password(passwords: Passwords) -> None:
    assert not passwords.is_right(None, GOOD)


@pytest.mark.parametrize("kept", ["", "plain text", "$argon2id$broken", "$2b$12$abcdefghijklmnopqrstuv"])
def test_a_broken_hash_lets_nobody_in(passwords: Passwords, kept: str) -> None:
    assert not passwords.is_right(kept, GOOD)


def test_a_hash_of_other_parameters_is_right_and_outdated(passwords: Passwords) -> None:
    older = Passwords(memory_kib=32, passes=1).hash(GOOD)
    assert passwords.is_right(older, GOOD)
    assert passwords.is_outdated(older)
    assert not passwords.is_outdated(passwords.hash(GOOD))


def test_the_parameters_are_argon2id_and_at_least_what_owasp_asks() -> None:
    kept = Passwords().hash(GOOD)
    assert kept.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t=2,p=1$")
    assert MEMORY_KIB >= 19 * 1024


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        pytest.param("short", "12 to 128", id="short"),
        pytest.param("x" * 129, "12 to 128", id="long"),
        pytest.param("aaaaaaaaaaaa", "different", id="one-letter"),
        pytest.param("xx-Yamada-xx-123", "name", id="name"),
        pytest.param("xx-ＹＡＭＡＤＡ-xx-123", "name", id="name-full-width"),
        pytest.param("山田花子のひみつのことば", "name", id="name-japanese"),
    ],
)
def test_a_password_that_is_guessed_easily_is_refused(password: str, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason) as caught:
        check_new_password(password, ("yamada", "山田花子"))
    assert caught.value.code == "weak-password"


def test_a_good_password_is_taken() -> None:
    check_new_password(GOOD, ("yamada", "山田花子", "Al"))
    check_new_password(one_time_password(), ("yamada",))


def test_one_time_passwords_differ_and_hold_no_letters_that_look_alike() -> None:
    made = {one_time_password() for _ in range(100)}
    assert len(made) == 100
    assert not set("".join(made)) & set("01oil")
