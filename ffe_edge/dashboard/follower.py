"""What waits for one open page."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

MAX_WAITING = 100
"""Updates that wait for one page; a page that is slower gets a snapshot instead."""


class Follower:
    """One open page: the messages that wait for it."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake
        """There is something to take."""
        self._waiting: deque[tuple[str, str]] = deque()
        self.missed = False
        """It was too slow: what waited was dropped, and it needs a snapshot."""

    def put(self, kind: str, text: str) -> None:
        """Add a message and wake the page. The caller holds the view's lock."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self.missed = True
        if not self.missed:
            self._waiting.append((kind, text))
        self.wake()

    def take(self, snapshot: Callable[[], str]) -> list[tuple[str, str]]:
        """All that waits, as (kind, JSON). The caller holds the view's lock."""
        waiting = [("snapshot", snapshot())] if self.missed else list(self._waiting)
        self._waiting.clear()
        self.missed = False
        return waiting
