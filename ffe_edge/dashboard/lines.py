"""The last lines of the list of events, and those of them that no page has been given yet."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, replace
from typing import Any, Final

from ffe_edge.dashboard.records import Told

MAX_EVENTS: Final = 400


class Lines:
    """Bounded: beyond it the oldest go."""

    def __init__(self) -> None:
        self._lines: deque[Told] = deque(maxlen=MAX_EVENTS)
        self._news: deque[Told] = deque(maxlen=MAX_EVENTS)

    def add(self, line: Told) -> None:
        """One more."""
        self._lines.append(line)
        self._news.append(line)

    def told(self) -> list[dict[str, Any]]:
        """All, oldest first, as JSON objects."""
        return [asdict(line) for line in self._lines]

    def take_news(self) -> list[dict[str, Any]]:
        """Those that are new since the last call, as JSON objects."""
        news = [asdict(line) for line in self._news]
        self._news.clear()
        return news

    def forget_name(self, resident: str) -> None:
        """No line names this resident any more."""
        for lines in (self._lines, self._news):
            nameless = [replace(line, resident=None) if line.resident == resident else line for line in lines]
            lines.clear()
            lines.extend(nameless)
