"""When a camera may look: hours on weekdays, by the wall clock of the site. Pure: the moment is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Literal
from zoneinfo import ZoneInfo

from ffe_edge.config_people import DAYS, HoursSettings, ScheduleSettings

WhyNot = Literal["hours", "clock"]
"""Outside the hours; the clock is not synchronised, so nobody knows."""


class Schedule:
    """One camera's hours.

    Hours are on the wall clock. On the night when clocks go forward, hours that begin in the hour that does not exist
    begin when it would have; when they go back, hours that end in the hour that comes twice end at its first time and
    those that begin in it begin at its first time.
    """

    def __init__(self, settings: ScheduleSettings, camera_id: str) -> None:
        self._hours: Sequence[HoursSettings] = settings.cameras.get(camera_id, settings.hours)
        self._zone = ZoneInfo(settings.time_zone) if settings.time_zone else timezone.utc
        self._trust_clock = settings.trust_clock

    def allows(self, moment: datetime, *, clock_is_synchronised: bool = True) -> bool:
        """Whether the camera may look; without hours it always may."""
        return self.why_not(moment, clock_is_synchronised=clock_is_synchronised) is None

    def why_not(self, moment: datetime, *, clock_is_synchronised: bool = True) -> WhyNot | None:
        """Why the camera may not look, None when it may.

        Args:
            moment: with its time zone.
            clock_is_synchronised: whether the machine's clock can be believed. A machine without a battery wakes in
                1970: until its clock is set nothing is looked at, unless the settings trust the clock.
        """
        if moment.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        if not self._hours:
            return None
        if not (clock_is_synchronised or self._trust_clock):
            return "clock"
        today = moment.astimezone(self._zone).date()
        # Yesterday's hours may last past midnight, and hours of the whole day end when today's begin.
        spans = [
            self._span(hours, day)
            for hours in self._hours
            for day in (today - timedelta(days=1), today)
            if DAYS[day.weekday()] in hours.days
        ]
        return None if any(span.holds(moment) for span in spans) else "hours"

    def _span(self, hours: HoursSettings, day: date) -> _Span:
        last = day if hours.end > hours.start else day + timedelta(days=1)
        ends = (datetime.combine(on, at, self._zone) for on, at in ((day, hours.start), (last, hours.end)))
        return _Span(*(end.astimezone(timezone.utc) for end in ends))


@dataclass(frozen=True, slots=True)
class _Span:
    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.end
