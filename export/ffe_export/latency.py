"""How long several runners take for the same crops, measured so that a noisy machine is noisy for all of them.

In every round each runner has its turns, in an order drawn anew; a ratio is that of two turns of one round, and its
estimate the median over the rounds. What slows the machine down for a while slows both and leaves the ratio.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ffe_edge.types import ImageArray, Runner
from ffe_export.interval import DoubleArray, Interval, percentiles

RESAMPLES: Final = 2_000
PERCENTILES: Final = (50, 95, 99)
_SECONDS: Final = 1e-9

Progress = Callable[[str, int, int], None]
"""(what is done, how far, of how many)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure."""

    batches: tuple[int, ...] = (1, 4, 16)
    seconds: float = 8.0
    """After these no new round of a batch begins."""
    least_rounds: int = 12
    """Rounds of a batch even where they take longer."""
    most_rounds: int = 400
    warm_up: int = 3
    """Calls of each runner that are not counted: memory is taken and threads are started in them."""

    def __post_init__(self) -> None:
        if not self.batches or min(self.batches) < 1 or not 1 <= self.least_rounds <= self.most_rounds:
            raise ValueError("a plan needs a batch of one or more and a round")


@dataclass(frozen=True, slots=True)
class Timing:
    """One runner at one batch."""

    name: str
    batch: int
    calls: int
    p50_ms: float
    p95_ms: float | None
    """None where there were fewer than 20 calls."""
    p99_ms: float | None
    """None where there were fewer than 100 calls."""
    images_per_second: float
    """At the median."""


@dataclass(frozen=True, eq=False)
class Timings:
    """Rounds of all runners at one batch."""

    batch: int
    names: tuple[str, ...]
    milliseconds: DoubleArray
    """(rounds, runners) one call each."""

    def __post_init__(self) -> None:
        if self.milliseconds.ndim != 2 or self.milliseconds.shape[1] != len(self.names) or not len(self.milliseconds):
            raise ValueError(f"times {self.milliseconds.shape} do not fit {len(self.names)} runners")

    def timing(self, name: str) -> Timing:
        """Percentiles of a runner."""
        times = self.milliseconds[:, self.names.index(name)]
        p50, p95, p99 = (_percentile(times, share) for share in PERCENTILES)
        middle = float(np.median(times)) if p50 is None else p50
        return Timing(name, self.batch, len(times), middle, p95, p99, self.batch / middle * 1e3)

    def ratio(self, name: str, to: str, *, seed: int = 0) -> Interval:
        """Time of a runner over that of another: the median of the rounds' ratios, its interval by bootstrap."""
        place = self.names.index(name), self.names.index(to)
        ratios = self.milliseconds[:, place[0]] / self.milliseconds[:, place[1]]
        rng = np.random.default_rng(seed)
        drawn = ratios[rng.integers(0, len(ratios), (RESAMPLES, len(ratios)))]
        return percentiles(float(np.median(ratios)), np.asarray(np.median(drawn, axis=1), np.float64))


def measure(
    runners: Mapping[str, Runner],
    crops: ImageArray,
    plan: Plan | None = None,
    *,
    seed: int = 0,
    clock: Callable[[], int] = time.perf_counter_ns,
    progress: Progress | None = None,
) -> tuple[Timings, ...]:
    """Time runners on the same crops, turn by turn.

    Args:
        runners: by name.
        crops: (N, S, S, 3) uint8 BGR; taken again from the start where a batch needs more.
        plan: batches and how long.
        seed: of the order in a round.
        clock: nanoseconds.
        progress: told the batch, the round, and the most rounds.

    Returns:
        One entry a batch, in the plan's order.

    Raises:
        ValueError: there is no runner or no crop.
    """
    if not runners or not len(crops):
        raise ValueError("there is nothing to time")
    plan = plan or Plan()
    rng = np.random.default_rng(seed)
    return tuple(_timings(runners, _filled(crops, batch), plan, rng, clock, progress) for batch in plan.batches)


def _timings(
    runners: Mapping[str, Runner],
    crops: ImageArray,
    plan: Plan,
    rng: np.random.Generator,
    clock: Callable[[], int],
    progress: Progress | None,
) -> Timings:
    names, calls = tuple(runners), tuple(runners.values())
    for _ in range(plan.warm_up):
        for call in calls:
            call(crops)
    rounds = list(_rounds(calls, crops, plan, rng, clock, progress))
    return Timings(len(crops), names, np.array(rounds, np.float64) / 1e6)


def _rounds(
    calls: Sequence[Runner],
    crops: ImageArray,
    plan: Plan,
    rng: np.random.Generator,
    clock: Callable[[], int],
    progress: Progress | None,
) -> Iterator[list[int]]:
    begin = clock()
    for number in range(plan.most_rounds):
        if number >= plan.least_rounds and (clock() - begin) * _SECONDS > plan.seconds:
            return
        took = [0] * len(calls)
        for place in rng.permutation(len(calls)).tolist():
            start = clock()
            calls[place](crops)
            took[place] = max(1, clock() - start)
        if progress:
            progress(f"latency, batch {len(crops)}", number + 1, plan.most_rounds)
        yield took


def _filled(crops: ImageArray, batch: int) -> ImageArray:
    """(batch, S, S, 3) crops, contiguous, from the start again where there are too few."""
    return np.ascontiguousarray(crops[np.arange(batch) % len(crops)])


def _percentile(times: DoubleArray, share: int) -> float | None:
    """Nearest rank; None where so few calls say nothing about it."""
    if len(times) < math.ceil(100 / (100 - share)):
        return None
    return float(np.percentile(times, share, method="inverted_cdf"))
