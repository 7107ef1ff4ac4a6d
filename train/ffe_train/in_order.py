"""Work by threads or processes whose results come in the order that it was given in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def in_order(
    pool: Executor, most: int, make: Callable[[Given], Made], given: Iterable[Given]
) -> Generator[Made, None, None]:
    """What ``make`` gives for each, no more than ``most`` being made or waiting; the pool ends with the iterator."""
    waiting: deque[Future[Made]] = deque()
    try:
        for one in given:
            waiting.append(pool.submit(make, one))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
