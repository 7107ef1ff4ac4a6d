"""How long somebody waits who guesses passwords."""

from __future__ import annotations

import threading

import pytest

from ffe_edge.dashboard.rate_limit import BY_ADDRESS, BY_NAME, BY_PROXY, FORGET_SECONDS, MAX_KNOWN, LoginLimit


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> LoginLimit:
    return LoginLimit(clock)


def fail(limit: LoginLimit, times: int, name: str = "yamada") -> list[int]:
    return [limit.begin("192.0.2.1", name) for _ in range(times)]


def test_a_few_failures_cost_nothing_then_each_waits_longer(limit: LoginLimit, clock: Clock) -> None:
    assert fail(limit, BY_NAME.free) == [0] * BY_NAME.free
    waits = []
    for _ in range(8):
        waits.append(limit.begin("192.0.2.1", "yamada"))
        clock.seconds += waits[-1]
        assert limit.begin("192.0.2.1", "yamada") == 0
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_name_is_held_whatever_the_address_and_however_it_is_written(limit: LoginLimit) -> None:
    for number in range(BY_NAME.free):
        limit.begin(f"192.0.2.{number}", "yamada")
    assert limit.begin("198.51.100.1", "YAMADA") == 1
    assert limit.begin("198.51.100.1", "suzuki") == 0


def test_the_address_is_held_whatever_the_names(limit: LoginLimit) -> None:
    for number in range(BY_ADDRESS.free):
        assert limit.begin("192.0.2.1", f"name-{number}") == 0
    assert limit.begin("192.0.2.1", "another") == 1
    assert limit.begin("192.0.2.2", "another") == 0


def test_behind_a_proxy_nobody_locks_all_others_out(limit: LoginLimit) -> None:
    for number in range(BY_ADDRESS.free + 20):
        limit.begin("127.0.0.1", f"name-{number}")
    assert limit.begin("127.0.0.1", "another") <= BY_PROXY.longest_seconds


def test_success_frees_the_name(limit: LoginLimit) -> None:
    fail(limit, BY_NAME.free - 1)
    limit.succeeded("192.0.2.1", "yamada")
    assert fail(limit, BY_NAME.free) == [0] * BY_NAME.free


def test_success_does_not_free_an_address_that_guesses_at_other_names(limit: LoginLimit) -> None:
    for number in range(BY_ADDRESS.free - 1):
        limit.begin("192.0.2.1", f"name-{number}")
    for _ in range(3):
        limit.begin("192.0.2.1", "own")
        limit.succeeded("192.0.2.1", "own")
    assert limit.begin("192.0.2.1", "victim") == 0
    assert limit.begin("192.0.2.1", "victim") == 1


def test_failures_are_forgotten_after_a_quiet_hour(limit: LoginLimit, clock: Clock) -> None:
    fail(limit, BY_NAME.free)
    clock.seconds = FORGET_SECONDS + 1
    assert fail(limit, BY_NAME.free) == [0] * BY_NAME.free


def test_attempts_at_the_same_time_are_no_way_round(limit: LoginLimit) -> None:
    waits: list[int] = []
    threads = [threading.Thread(target=lambda: waits.append(limit.begin("192.0.2.1", "yamada"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits.count(0) == BY_NAME.free


def test_what_is_remembered_is_bounded(limit: LoginLimit) -> None:
    for number in range(MAX_KNOWN + 10):
        limit.begin(f"address-{number}", f"name-{number}")
    assert {kind: len(known) for kind, known in limit._known.items()} == {"address": MAX_KNOWN, "name": MAX_KNOWN}
