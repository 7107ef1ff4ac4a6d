"""Settings about people: where and when a camera may look, who is known, and who asked not to be seen."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import time
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, field_validator, model_validator

from ffe_edge.config_section import Id, Seconds, Settings, Share

Corner = tuple[Share, Share]
"""x and y in shares of the picture's width and height, origin at the top left."""
Corners = tuple[Corner, ...]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_CORNERS: Final = 64
RESIDENTS_KEY: Final = "residents.key"
"""Name of the key: of the file in the state folder, and of systemd's credential."""


def checked_polygon(corners: Corners) -> Corners:
    """The corners themselves when they bound an area.

    Raises:
        ValueError: fewer than three or more than 64 corners, one given twice, no area, or sides that cross or touch.
    """
    if not 3 <= len(corners) <= MAX_CORNERS:
        raise ValueError(f"a zone has 3 to {MAX_CORNERS} corners, not {len(corners)}")
    if len(set(corners)) < len(corners):
        raise ValueError("a zone's corners are all different; the last is joined to the first by itself")
    sides = list(zip(corners, corners[1:] + corners[:1], strict=True))
    if abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in sides)) < 1e-9:
        raise ValueError("a zone's corners lie on one line or its sides cross")
    for index, side in enumerate(sides):
        if _turns_back(*side, sides[(index + 1) % len(sides)][1]):
            raise ValueError("a zone's sides cross: one goes back over the side before it")
        for other in sides[index + 2 : len(sides) - (index == 0)]:
            if _meet(*side, *other):
                raise ValueError(f"a zone's sides cross: from {_told(side)} and from {_told(other)}")
    return corners


def _told(side: Sequence[Corner]) -> str:
    return " to ".join(f"({x:g}, {y:g})" for x, y in side)


def _turn(a: Corner, b: Corner, c: Corner) -> int:
    """+1 where a, b, c turn one way, -1 the other way, 0 on one line."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0 if abs(area) < 1e-12 else 1 if area > 0 else -1


def _turns_back(a: Corner, b: Corner, c: Corner) -> bool:
    ahead = (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1])
    return _turn(a, b, c) == 0 and ahead < 0


def _is_within(a: Corner, b: Corner, point: Corner) -> bool:
    """Whether a point on the line through a and b lies between them."""
    return min(a[0], b[0]) <= point[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= point[1] <= max(a[1], b[1])


def _meet(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether the segments ab and cd have a point in common."""
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] != turns[1] and turns[2] != turns[3]:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _is_within(*end) for turn, end in zip(turns, ends, strict=True))


Polygon = Annotated[Corners, AfterValidator(checked_polygon)]


class ZoneSettings(Settings):
    """Where in one camera's picture faces count: ``[zones.<camera>]``."""

    include: tuple[Polygon, ...] = Field(default=(), max_length=32)
    """Only faces inside one of these; none: the whole picture."""
    exclude: tuple[Polygon, ...] = Field(default=(), max_length=32)
    """No face inside one of these, the nurses' desk, say; stronger than ``include``."""


class HoursSettings(Settings):
    """A time of the day on some weekdays, in the site's time zone: ``[[schedule.hours]]``."""

    days: tuple[Day, ...] = Field(default=DAYS, min_length=1)
    """On which the hours begin; those over midnight end on the day after."""
    start: time = time(0, 0)
    """Looked at from here ..."""
    end: time = time(0, 0)
    """... and no longer from here. Not after ``start``: over midnight; the same: the whole day."""

    @field_validator("start", "end")
    @classmethod
    def _check_wall_clock(cls, moment: time) -> time:
        if moment.tzinfo is not None:
            raise ValueError("is a time of the site's wall clock, as 08:00, without an offset")
        return moment


class ScheduleSettings(Settings):
    """When cameras may look."""

    time_zone: str | None = None
    """Of the site, as ``Asia/Tokyo``; needed where there are hours."""
    hours: tuple[HoursSettings, ...] = Field(default=(), max_length=64)
    """None: always."""
    cameras: dict[Id, tuple[HoursSettings, ...]] = Field(default_factory=dict)
    """Hours of single cameras instead, by their id; an empty list: always."""
    trust_clock: bool = False
    """Believe the clock before it is synchronised (it has a battery, the site has no NTP); otherwise cameras with hours
    look at nothing until then."""

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str | None) -> str | None:
        try:
            return name if name is None else ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"no such time zone on this machine: {name!r}; write Asia/Tokyo, say") from error

    @model_validator(mode="after")
    def _check_hours(self) -> ScheduleSettings:
        if self.time_zone is None and (self.hours or any(self.cameras.values())):
            raise ValueError('hours need the site\'s time_zone, as "Asia/Tokyo"')
        return self


class PrivacySettings(Settings):
    """The switch that stops all looking; any of its sources is enough."""

    file: Path | None = None
    """On while this path exists."""
    gpio_value: Path | None = None
    """On while this file reads 1, as ``/sys/class/gpio/gpio17/value``; on too when it cannot be read."""
    gpio_active_low: bool = False
    """On at 0 instead."""
    check_seconds: float = Field(default=1.0, ge=0.1, le=10)
    """How often file and line are looked at."""


class ResidentSettings(Settings):
    """Who is known by name, each having agreed."""

    recognise: bool = False
    """Tell residents apart by the model's embedding; needs a model that can (`ffe-edge resident list` says)."""
    policy: Literal["everyone", "enrolled_only"] = "everyone"
    """``everyone``: whoever is not enrolled stays anonymous. ``enrolled_only``: forms no event."""
    store: Path | None = None
    """The encrypted file; None: ``residents.ffe`` in the state folder."""
    key_file: Path | None = None
    """32 random bytes that only the daemon's user reads; None: systemd's credential ``residents.key``, else that file
    in the state folder."""
    min_looks: int = Field(default=5, ge=3, le=1000)
    """A person is named after no fewer looks at a good face."""
    min_share: float = Field(default=0.7, gt=0.5, le=1)
    """Share of these looks that must say the same resident."""
    margin: float = Field(default=0.05, ge=0, le=1)
    """By which the best cosine must lead the second best resident's."""

    @model_validator(mode="after")
    def _check_policy(self) -> ResidentSettings:
        if self.policy == "enrolled_only" and not self.recognise:
            raise ValueError('policy "enrolled_only" needs recognise = true')
        return self


class BaselineSettings(Settings):
    """Correction for a face that does not look neutral at rest."""

    enabled: bool = False
    min_quiet_seconds: Seconds = 120.0
    """No correction before so much quiet time was seen."""
    memory_seconds: float = Field(default=1800.0, ge=60, le=864_000)
    """Time constant of the slow mean."""
    limit: float = Field(default=1.5, ge=0, le=3)
    """Largest correction of a log-probability."""


def residents_credential() -> Path | None:
    """The key that systemd hands over (``LoadCredential=residents.key:…``), where it does."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / RESIDENTS_KEY if folder else None
    return path if path is not None and path.is_file() else None


Named = TypeVar("Named", bound=dict[str, ZoneSettings] | ScheduleSettings)


def checked_cameras(section: Named, known: Collection[str]) -> Named:
    """The section itself when it names only known cameras; ``known`` is empty where they could not be read.

    Raises:
        ValueError: it names another: a misspelt id would leave a camera without its zones or hours.
    """
    named = section.cameras if isinstance(section, ScheduleSettings) else section
    if known and (unknown := sorted(set(named) - set(known))):
        raise ValueError(f"there is no camera {', '.join(unknown)}; there is {', '.join(known)}")
    return section
