"""Messages between the network thread and the writer: in order, bounded, forgotten when they will come again."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from ffe_edge.dashboard.link import Received

MAX_WAITING: Final = 5_000
"""Beyond it the network thread waits, and with it the broker. MQTT 5 stops it long before."""
MAX_CARELESS: Final = 1_000
"""Beyond it what need not be acknowledged is dropped."""


class Inbox:
    """For one thread that puts and one that takes."""

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._waiting: deque[Received] = deque()
        self._condition = threading.Condition()
        self._connection = 0
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, received: Received) -> None:
        """Add a message. Where many wait, those of an old connection go: the broker sends them again."""
        with self._condition:
            if received.connection != self._connection:
                self._connection = received.connection
                self._drop_older()
            if received.number is None and len(self._waiting) >= MAX_CARELESS:
                return
            self._condition.wait_for(lambda: len(self._waiting) < MAX_WAITING or self._is_closed)
            self._waiting.append(received)
            self._condition.notify_all()

    def take(self, gather_seconds: float) -> list[Received]:
        """Wait for messages, a moment longer for more of them; empty once it is closed and nothing waits."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._is_closed)
            self._gather(gather_seconds)
            batch = [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]
            self._condition.notify_all()
            return batch

    def close(self) -> None:
        """Nothing more comes."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    def _drop_older(self) -> None:
        if len(self._waiting) > MAX_WAITING // 2:
            self._waiting = deque(one for one in self._waiting if one.number is None)

    def _gather(self, seconds: float) -> None:
        """Wait for more until none comes for a tenth of the time: a broker that sends few ahead is not let wait."""
        deadline = time.monotonic() + seconds
        while len(self._waiting) < self._max_batch and not self._is_closed and time.monotonic() < deadline:
            if not self._condition.wait(seconds / 10):
                return
