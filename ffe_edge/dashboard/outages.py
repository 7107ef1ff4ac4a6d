"""The times of which nothing is known, of every place. Pure: the clock is passed in."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from ffe_edge.dashboard.records import Outage

MAX_OUTAGES: Final = 64


class Outages:
    """The last of them."""

    def __init__(self) -> None:
        self._outages: deque[Outage] = deque(maxlen=MAX_OUTAGES)

    def mark(self, place: str, broken: bool, now_ms: int) -> None:
        """A place is broken or whole from now on; of what is no news nothing changes."""
        for index, outage in enumerate(self._outages):
            if outage.place == place and outage.to_ms is None:
                if not broken:
                    self._outages[index] = replace(outage, to_ms=now_ms)
                return
        if broken:
            self._outages.append(Outage(place, now_ms, None))

    def all(self) -> tuple[Outage, ...]:
        """All, oldest first."""
        return tuple(self._outages)
