"""Latencies on a clock that the runners move themselves: percentiles, ratios, and noise that both share."""

from __future__ import annotations

import numpy as np
import pytest
from verify_parts import FakeClock, FakeRunner, some_crops

from ffe_edge.types import Runner
from ffe_export.latency import Plan, Timings, measure

CROPS = some_crops(5)


def timed(plan: Plan, **milliseconds: list[float]) -> tuple[Timings, ...]:
    clock = FakeClock()
    runners: dict[str, Runner] = {name: FakeRunner(milliseconds=ms, clock=clock) for name, ms in milliseconds.items()}
    return measure(runners, CROPS, plan, clock=clock)


def test_percentiles_are_nearest_ranks() -> None:
    (found,) = timed(Plan((1,), warm_up=0, least_rounds=100, most_rounds=100), slow=[float(k) for k in range(1, 101)])
    timing = found.timing("slow")
    assert (timing.p50_ms, timing.p95_ms, timing.p99_ms, timing.calls) == (50, 95, 99, 100)
    assert timing.images_per_second == pytest.approx(20)


def test_a_percentile_of_too_few_calls_is_not_told() -> None:
    for rounds, known in ((12, (False, False)), (20, (True, False)), (99, (True, False)), (100, (True, True))):
        (found,) = timed(Plan((1,), least_rounds=rounds, most_rounds=rounds), one=[10.0])
        timing = found.timing("one")
        assert (timing.p95_ms is not None, timing.p99_ms is not None) == known


def test_a_ratio_is_the_median_of_rounds_and_noise_that_both_share_leaves_it() -> None:
    noise = np.random.default_rng(0).lognormal(0, 1, 60)
    times = np.stack([10 * noise, 5 * noise], axis=1)
    ratio = Timings(1, ("large", "small"), times).ratio("small", "large")
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5))


def test_a_few_interrupted_calls_do_not_move_a_ratio() -> None:
    times = np.tile([10.0, 5.0], (60, 1))
    times[::9, 1] = 500
    ratio = Timings(1, ("large", "small"), times).ratio("small", "large")
    assert (ratio.value, ratio.high) == (0.5, 0.5)


def test_a_ratio_of_equals_cannot_be_told_from_one() -> None:
    times = np.random.default_rng(1).lognormal(2, 0.2, (80, 2))
    ratio = Timings(1, ("a", "b"), times).ratio("b", "a")
    assert ratio.low < 1 < ratio.high
    assert ratio == Timings(1, ("a", "b"), times).ratio("b", "a")


def test_batches_are_filled_and_warm_up_is_not_counted() -> None:
    clock, seen = FakeClock(), []

    class Watched(FakeRunner):
        def __call__(self, crops: np.ndarray) -> np.ndarray:
            seen.append(len(crops))
            return super().__call__(crops)

    plan = Plan((1, 4, 16), warm_up=2, least_rounds=3, most_rounds=3)
    found = measure({"one": Watched(clock=clock)}, CROPS, plan, clock=clock)
    assert seen == [1] * 5 + [4] * 5 + [16] * 5
    assert [(entry.batch, len(entry.milliseconds)) for entry in found] == [(1, 3), (4, 3), (16, 3)]


def test_rounds_end_with_the_time_but_not_before_the_least() -> None:
    for seconds, rounds in ((0.1, 10), (0.0, 3), (100.0, 40)):
        (found,) = timed(Plan((1,), seconds, least_rounds=3, most_rounds=40, warm_up=0), one=[10.0])
        assert len(found.milliseconds) == pytest.approx(rounds, abs=1)


def test_every_round_has_its_own_order() -> None:
    clock, turns = FakeClock(), []

    class Watched(FakeRunner):
        def __call__(self, crops: np.ndarray) -> np.ndarray:
            turns.append(self.precision)
            return super().__call__(crops)

    plan = Plan((1,), warm_up=0, least_rounds=40, most_rounds=40)
    measure({name: Watched(name, clock=clock) for name in ("fp32", "int8")}, CROPS, plan, clock=clock)
    firsts = turns[::2]
    assert all(set(pair) == {"fp32", "int8"} for pair in zip(firsts, turns[1::2], strict=True))
    assert 8 < firsts.count("int8") < 32


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    clock = FakeClock()
    plan = Plan((1, 4), least_rounds=2, most_rounds=2)
    measure({"a": FakeRunner(clock=clock)}, CROPS, plan, clock=clock, progress=lambda *line: told.append(line))
    assert told == [
        ("latency, batch 1", 1, 2),
        ("latency, batch 1", 2, 2),
        *(("latency, batch 4", k, 2) for k in (1, 2)),
    ]


def test_the_real_clock_is_one_too() -> None:
    (found,) = measure({"one": FakeRunner()}, CROPS, Plan((1,), 0.0, least_rounds=2))
    assert (found.milliseconds > 0).all()


def test_nothing_cannot_be_timed() -> None:
    with pytest.raises(ValueError, match="nothing to time"):
        measure({}, CROPS)
    with pytest.raises(ValueError, match="nothing to time"):
        measure({"one": FakeRunner()}, CROPS[:0])
    with pytest.raises(ValueError, match="a plan needs"):
        Plan(())
    with pytest.raises(ValueError, match="do not fit"):
        Timings(1, ("a",), np.ones((3, 2)))
