"""Durations are noted by step, and nothing else changes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ffe_edge.stopwatch import KEPT, Stopwatch


def test_a_timed_call_gives_what_the_call_gives() -> None:
    watch = Stopwatch()
    power = watch.timed("power", pow)
    assert (power(2, 5), power(2, exp=3)) == (32, 8)
    assert {step: len(durations) for step, durations in watch.durations.items()} == {"power": 2}


def test_a_call_takes_as_long_as_it_takes() -> None:
    watch = Stopwatch()
    watch.timed("sleep", time.sleep)(0.02)
    (seconds,) = watch.durations["sleep"]
    assert 0.02 <= seconds < 2


def test_timed_items_come_in_order_and_each_wait_is_noted() -> None:
    def slow() -> Iterator[int]:
        for item in range(3):
            time.sleep(0.01)
            yield item

    watch = Stopwatch()
    assert list(watch.timed_items("source", slow())) == [0, 1, 2]
    assert len(watch.durations["source"]) == 3
    assert min(watch.durations["source"]) >= 0.01


def test_what_is_done_with_an_item_is_not_the_sources_time() -> None:
    watch = Stopwatch()
    for _ in watch.timed_items("source", range(3)):
        time.sleep(0.05)
    assert min(watch.durations["source"]) < 0.05


def test_a_failing_call_fails_and_is_not_noted() -> None:
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError):
        watch.timed("divide", divmod)(1, 0)
    assert watch.durations == {}


def test_only_the_last_durations_are_kept() -> None:
    watch = Stopwatch()
    call = watch.timed("nothing", int)
    for _ in range(KEPT + 5):
        call()
    assert len(watch.durations["nothing"]) == KEPT
