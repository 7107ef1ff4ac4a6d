"""Shifts of a home: which time they are. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import ZoneInfo

ShiftName = Literal["day", "evening", "night"]
SHIFTS: Final[dict[ShiftName, tuple[dt.time, dt.time]]] = {
    "day": (dt.time(8), dt.time(16)),
    "evening": (dt.time(16), dt.time(0)),
    "night": (dt.time(0), dt.time(8)),
}


@dataclass(frozen=True, slots=True)
class Shift:
    """A time of one day, which may reach into the next."""

    day: dt.date
    begins: dt.time
    ends: dt.time
    """As early as ``begins`` or earlier: on the next day."""

    def bounds_ms(self, zone: ZoneInfo) -> tuple[int, int]:
        """From when to when, by the home's clock."""
        end_day = self.day if self.ends > self.begins else self.day + dt.timedelta(days=1)
        return _ms(self.day, self.begins, zone), _ms(end_day, self.ends, zone)

    @property
    def name(self) -> ShiftName | None:
        """Which of the usual ones; None: one of its own."""
        return next((name for name, times in SHIFTS.items() if times == (self.begins, self.ends)), None)


def latest(now: dt.datetime) -> Shift:
    """The usual shift that ended last: what is handed over now."""
    ended = [
        Shift(day, *SHIFTS[name])
        for day in (now.date() - dt.timedelta(days=1), now.date())
        for name in ("night", "day", "evening")
    ]
    zone = now.tzinfo
    if not isinstance(zone, ZoneInfo):
        raise TypeError("the home's own time is needed")
    now_ms = int(now.timestamp() * 1000)
    return max(
        (shift for shift in ended if shift.bounds_ms(zone)[1] <= now_ms), key=lambda shift: shift.bounds_ms(zone)
    )


def _ms(day: dt.date, time: dt.time, zone: ZoneInfo) -> int:
    return int(dt.datetime.combine(day, time, zone).timestamp() * 1000)
