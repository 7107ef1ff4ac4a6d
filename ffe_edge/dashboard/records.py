"""What the page shows: nodes, cameras, people, lines of the list, outages.

Times are Unix milliseconds, as the browser wants them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ffe_edge.messages import CameraState, EmotionCloudEvent, GapCloudEvent, StatusState


@dataclass(frozen=True, slots=True)
class Node:
    """A device."""

    state: StatusState
    session: str | None
    """None once it has shown a life that no birth told of."""
    since_ms: int
    heard_ms: int
    """When it last told anything."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of a node."""

    state: CameraState
    reason: str
    since_ms: int
    heard_ms: int


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in view of a camera."""

    person: str
    """``<site>/<node>/<camera>#<track>``."""
    camera: str
    track: int
    emotion: str
    emotion_ja: str
    confidence: float
    probabilities: dict[str, float]
    since_ms: int
    """Since when this emotion has been told."""
    seen_ms: int
    """Since when the person is known."""
    heard_ms: int
    """When an event of this person arrived last."""
    resident: str | None = None
    """Whose time it is counted as; only of who consented."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the list of events, and one edge of the timeline."""

    id: str
    camera: str
    person: str | None
    track: int | None
    change: Literal["start", "change", "end", "lost", "gap"]
    """``lost``: whether and when the person left is not known."""
    emotion: str
    emotion_ja: str
    previous: str | None
    confidence: float
    held_ms: int
    at_ms: int
    lost: int | None
    """Events that a gap names; None when it is not known, or no gap."""
    resident: str | None = None
    """Whose time it is counted as; only of who consented."""
    late: bool = False
    """It tells of a time that was over when it came."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time of which nothing is known: neither who was there nor that nobody was."""

    place: str
    """``broker``, a node or a camera."""
    from_ms: int
    to_ms: int | None
    """None while it lasts."""


def told(camera: str, event: EmotionCloudEvent, at_ms: int, *, resident: str | None = None, late: bool = False) -> Told:
    """The line of an emotion event of a camera."""
    data = event.data
    return Told(
        event.id,
        camera,
        f"{camera}#{data.track}",
        data.track,
        data.change,
        data.emotion,
        data.emotion_ja,
        data.previous,
        data.confidence,
        round(min(data.held_seconds, 1e9) * 1000),
        at_ms,
        None,
        resident,
        late,
    )


def told_gap(camera: str, event: GapCloudEvent, at_ms: int) -> Told:
    """The line of a gap of a camera."""
    return Told(event.id, camera, None, None, "gap", "", "", None, 0.0, 0, at_ms, event.data.count)


def moved(known: Person | None, line: Told, event: EmotionCloudEvent, now_ms: int) -> Person:
    """Somebody in view as a line of the list leaves them; ``known`` is how they were before."""
    is_same = known is not None and line.change != "start"
    return Person(
        f"{line.camera}#{event.data.track}",
        line.camera,
        event.data.track,
        line.emotion,
        line.emotion_ja,
        line.confidence,
        event.data.probabilities,
        line.at_ms,
        known.seen_ms if known else line.at_ms - line.held_ms,
        now_ms,
        line.resident or (known.resident if known and is_same else None),
    )


def told_lost(person: Person, at_ms: int) -> Told:
    """The line of a person whose end will not be told."""
    return Told(
        f"lost {person.person} {at_ms}",
        person.camera,
        person.person,
        person.track,
        "lost",
        person.emotion,
        person.emotion_ja,
        person.emotion,
        person.confidence,
        max(0, at_ms - person.since_ms),
        at_ms,
        None,
        person.resident,
    )
