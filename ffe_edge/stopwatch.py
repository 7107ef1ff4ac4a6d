"""Where the time goes, step by step."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import ParamSpec, TypeVar

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result")

KEPT = 1000
"""Durations kept of each step: the last minute at 15 frames a second."""


class Stopwatch:
    """The last durations of every step, in seconds."""

    def __init__(self) -> None:
        self.durations: dict[str, deque[float]] = {}

    def timed(self, step: str, call: Callable[Inputs, Result]) -> Callable[Inputs, Result]:
        """The same call, its durations noted under the step's name."""

        def measured(*args: Inputs.args, **kwargs: Inputs.kwargs) -> Result:
            started = time.perf_counter()
            result = call(*args, **kwargs)
            self._note(step, time.perf_counter() - started)
            return result

        return measured

    def timed_items(self, step: str, items: Iterable[Result]) -> Iterator[Result]:
        """The same items; how long each took to come is noted."""
        iterator = iter(items)
        while True:
            started = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            self._note(step, time.perf_counter() - started)
            yield item

    def _note(self, step: str, seconds: float) -> None:
        self.durations.setdefault(step, deque(maxlen=KEPT)).append(seconds)
