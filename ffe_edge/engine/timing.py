"""How long runners take, all in turns, so that what else the machine does hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ffe_edge.types import FloatArray, ImageArray

Durations = Mapping[tuple[str, int], Sequence[float]]
"""Seconds of every run by runner and batch."""


def interleaved(
    runners: Mapping[str, Callable[[ImageArray], FloatArray]],
    crops: ImageArray,
    batches: Sequence[int],
    seconds: float,
    min_rounds: int = 1,
) -> Durations:
    """Measure every runner with every batch, one run of each in a round, after one that does not count.

    Args:
        runners: by name.
        crops: at least as many as the largest batch.
        batches: their sizes.
        seconds: no round begins after them, but for the smallest number of rounds.
        min_rounds: one or more, however long they take.
    """
    turns = [(name, batch) for batch in batches for name in runners]
    for name, batch in turns:
        runners[name](crops[:batch])
    taken: dict[tuple[str, int], list[float]] = {turn: [] for turn in turns}
    deadline, rounds = time.perf_counter() + seconds, 0
    while rounds < min_rounds or time.perf_counter() < deadline:
        for name, batch in turns:
            began = time.perf_counter()
            runners[name](crops[:batch])
            taken[name, batch].append(time.perf_counter() - began)
        rounds += 1
    return taken
