"""When something is worth a look. Pure: facts come in, a finding or nothing comes out.

No rule looks at a frame or at an event: facts are times that were added up over many minutes. A finding is not yet an
alert: it must be made again at every look for as long as the rule holds; see ``alert_hold``. What is found is said by
the key of a sentence and its figures; the words stand with the pages, in each language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ffe_edge.dashboard.alert_settings import (
    AlertSettings,
    CameraDown,
    LongEmotion,
    NodeSilent,
    NoJoy,
    RuleName,
    Severity,
)
from ffe_edge.messages import CameraState, StatusState

MINUTE_MS: Final = 60_000
KNOWN_DAYS: Final = 7
"""From so many days on a resident's usual days are known."""
DOWN: Final[frozenset[CameraState]] = frozenset({"starting", "stalled", "offline"})

Figure = int | float | str | None


@dataclass(frozen=True, slots=True)
class Sentence:
    """Something to be said in each language."""

    key: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found at this look."""

    severity: Severity
    sentence: Sentence


@dataclass(frozen=True, slots=True)
class Usual:
    """A resident's own days before."""

    share: float
    """Of the time in view, on a usual day."""
    spread: float
    """Standard deviation between days."""
    days: int
    """Days that it is known from."""


@dataclass(frozen=True, slots=True)
class EmotionFacts:
    """A resident's time in one emotion, in the window of the rule.

    A spell that lasts counts only up to when its camera was last heard of: the start of a spell and silence after it is
    no long emotion.
    """

    emotion: str
    shown_ms: int
    shown_minutes: int
    """In how many different minutes."""
    seen_ms: int
    usual: Usual


@dataclass(frozen=True, slots=True)
class DayFacts:
    """One whole day of a resident."""

    joy_ms: int
    seen_ms: int


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A device as it was last heard."""

    state: StatusState
    silent_ms: int
    """Since it was last heard, or since we can hear again: the broker's silence is not the device's."""


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """A camera as its device told of it last."""

    state: CameraState
    since_ms: int
    node_lives: bool


def long_emotion(rule: LongEmotion, facts: EmotionFacts) -> Finding | None:
    """A resident shows sadness, fear or anger for much longer than usual.

    True where, in the window, the resident was long enough in view, the emotion was shown in enough different minutes,
    and its share of the time in view is above both a floor and what is usual for this very person by several times the
    spread between their days. Of somebody whose days are not known yet a higher floor is asked for.
    """
    if facts.seen_ms < rule.seen_minutes * MINUTE_MS or facts.shown_minutes < rule.shown_minutes:
        return None
    share, usual = facts.shown_ms / facts.seen_ms, facts.usual
    is_known = usual.days >= KNOWN_DAYS
    limit = max(rule.at_least, usual.share + rule.spreads * usual.spread) if is_known else rule.at_least_unknown
    if share < min(limit, 1.0):
        return None
    figures: dict[str, Figure] = {
        "emotion": facts.emotion,
        "minutes": round(facts.shown_ms / MINUTE_MS),
        "window_minutes": rule.window_minutes,
        "share": round(share, 3),
    }
    if is_known:
        return Finding(rule.severity, Sentence("long-emotion", figures | {"usual": round(usual.share, 3)}))
    return Finding(rule.severity, Sentence("long-emotion-new", figures))


def no_joy(rule: NoJoy, days: tuple[DayFacts, ...], usual: Usual) -> Finding | None:
    """A resident who usually shows joy has shown next to none for days.

    True where joy is usual for this person, each of the last whole days had the resident long enough in view, and on
    none of them its share reached the given part of what is usual. A day without much view proves nothing: it makes
    the rule say nothing.
    """
    recent = days[-rule.days :]
    if len(recent) < rule.days or usual.days < KNOWN_DAYS or usual.share < rule.usual_at_least:
        return None
    if any(day.seen_ms < rule.seen_minutes * MINUTE_MS for day in recent):
        return None
    if any(day.joy_ms >= rule.of_usual * usual.share * day.seen_ms for day in recent):
        return None
    seen_ms = sum(day.seen_ms for day in recent)
    share = sum(day.joy_ms for day in recent) / seen_ms
    figures = {"days": rule.days, "share": round(share, 4), "usual": round(usual.share, 3)}
    return Finding(rule.severity, Sentence("no-joy", figures))


def node_silent(rule: NodeSilent, facts: NodeFacts) -> Finding | None:
    """A device has told that it is lost, or tells nothing although it should.

    True where the broker has told the device's will, or nothing at all came from it for the given time while we could
    hear. A device that was stopped on purpose is no finding.
    """
    if facts.state == "stopped":
        return None
    if facts.state == "lost":
        return Finding(rule.severity, Sentence("node-lost", {"minutes": facts.silent_ms // MINUTE_MS}))
    if facts.silent_ms < rule.silent_minutes * MINUTE_MS:
        return None
    return Finding(rule.severity, Sentence("node-silent", {"minutes": facts.silent_ms // MINUTE_MS}))


def camera_down(rule: CameraDown, facts: CameraFacts, now_ms: int) -> Finding | None:
    """A camera gives no picture, and its device says so.

    True where the camera starts, stalls or is offline. One that is switched off or in privacy mode is no finding, nor
    is one of a device that is itself silent: that is told already.
    """
    if not facts.node_lives or facts.state not in DOWN:
        return None
    minutes = max(0, now_ms - facts.since_ms) // MINUTE_MS
    return Finding(rule.severity, Sentence("camera-down", {"state": facts.state, "minutes": minutes}))


def explained(settings: AlertSettings) -> dict[RuleName, Sentence]:
    """What each rule does, as a sentence with the figures that it goes by."""
    longs: tuple[tuple[RuleName, str, LongEmotion], ...] = (
        ("long-sadness", "sadness", settings.long_sadness),
        ("long-fear", "fear", settings.long_fear),
        ("long-anger", "anger", settings.long_anger),
    )
    rules = {name: Sentence("rule-long-emotion", {"emotion": label} | _figures(rule)) for name, label, rule in longs}
    rules["no-joy"] = Sentence("rule-no-joy", _figures(settings.no_joy))
    rules["node-silent"] = Sentence("rule-node-silent", _figures(settings.node_silent))
    rules["camera-down"] = Sentence("rule-camera-down", _figures(settings.camera_down))
    return rules


def _figures(rule: LongEmotion | NoJoy | NodeSilent | CameraDown) -> dict[str, Figure]:
    return {key: value for key, value in rule.model_dump().items() if key != "enabled"}
