"""What the rules of alerts go by. Kept among the store's options, set on the pages, frozen."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from ffe_edge.config_section import Settings

RuleName = Literal["long-sadness", "long-fear", "long-anger", "no-joy", "node-silent", "camera-down"]
RULES: Final[tuple[RuleName, ...]] = get_args(RuleName)
Severity = Literal["notice", "warning", "urgent"]
"""``urgent`` is told in quiet hours, too; the others wait for their end."""

Minutes = Annotated[int, Field(ge=1, le=24 * 60)]
Share = Annotated[float, Field(gt=0, le=1)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class QuietHours(Settings):
    """When nobody is to be disturbed. What is found then is told when they end."""

    enabled: bool = True
    start: TimeOfDay = "22:00"
    end: TimeOfDay = "06:00"
    """The same as ``start``: never."""

    def cover(self, moment: datetime) -> bool:
        """Whether a moment of the home's own time lies in them."""
        if not self.enabled:
            return False
        now, start, end = moment.time(), time.fromisoformat(self.start), time.fromisoformat(self.end)
        return start <= now < end if start <= end else now >= start or now < end


class Rule(Settings):
    """What every rule has."""

    enabled: bool = True
    severity: Severity = "warning"
    hold_minutes: Minutes = 10
    """So long it must be true at every look before it is told."""
    release_minutes: Minutes = 10
    """So long it must be untrue before the alert ends."""
    cool_down_minutes: int = Field(default=120, ge=0, le=7 * 24 * 60)
    """So long after its end the same alert does not begin again."""


class LongEmotion(Rule):
    """An emotion that a resident shows for much longer than usual."""

    window_minutes: Minutes = 120
    """How far back it is counted."""
    seen_minutes: Minutes = 20
    """So long the resident must have been in view in that time."""
    shown_minutes: Minutes = 10
    """In so many different minutes it must have been shown."""
    at_least: Share = 0.3
    """Share of the time in view, however little is usual."""
    at_least_unknown: Share = 0.6
    """The same of a resident whose usual days are not known yet."""
    spreads: float = Field(default=3.0, ge=1, le=10)
    """So many times the usual spread between days above what is usual."""


class NoJoy(Rule):
    """Joy that a resident usually shows, and has not shown for days."""

    severity: Severity = "notice"
    hold_minutes: Minutes = 2
    cool_down_minutes: int = Field(default=24 * 60, ge=0, le=7 * 24 * 60)
    days: int = Field(default=3, ge=2, le=14)
    """Whole days that have passed."""
    seen_minutes: Minutes = 30
    """So long the resident must have been in view on each of them."""
    usual_at_least: Share = 0.02
    """Who usually shows less is not watched for it."""
    of_usual: Share = 0.2
    """Less than this part of what is usual is none."""


class NodeSilent(Rule):
    """A device that tells nothing any more."""

    hold_minutes: Minutes = 2
    release_minutes: Minutes = 2
    cool_down_minutes: int = Field(default=10, ge=0, le=7 * 24 * 60)
    silent_minutes: Minutes = 10
    """A device that lives tells something every minute or so."""


class CameraDown(Rule):
    """A camera of a living device that gives no picture."""

    severity: Severity = "notice"
    hold_minutes: Minutes = 5
    release_minutes: Minutes = 2
    cool_down_minutes: int = Field(default=30, ge=0, le=7 * 24 * 60)


class AlertSettings(Settings):
    """All rules."""

    quiet_hours: QuietHours = QuietHours()
    long_sadness: LongEmotion = LongEmotion()
    long_fear: LongEmotion = LongEmotion(window_minutes=60, seen_minutes=10, shown_minutes=5, hold_minutes=5)
    long_anger: LongEmotion = LongEmotion(window_minutes=60, seen_minutes=10, shown_minutes=5, hold_minutes=5)
    no_joy: NoJoy = NoJoy()
    node_silent: NodeSilent = NodeSilent()
    camera_down: CameraDown = CameraDown()

    def rule(self, name: RuleName) -> Rule:
        """A rule by its name."""
        rules: dict[RuleName, Rule] = {
            "long-sadness": self.long_sadness,
            "long-fear": self.long_fear,
            "long-anger": self.long_anger,
            "no-joy": self.no_joy,
            "node-silent": self.node_silent,
            "camera-down": self.camera_down,
        }
        return rules[name]
