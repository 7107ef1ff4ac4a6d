"""What comes from the broker, read and checked: the one form in which messages go to the store and the live page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from ffe_edge.messages import CameraStatus, EmotionCloudEvent, GapCloudEvent, Health, Payload, Status, SummaryCloudEvent
from ffe_edge.wire import MAX_EVENT_BYTES

Message = EmotionCloudEvent | GapCloudEvent | SummaryCloudEvent | Status | CameraStatus | Health
CLOCK_SKEW_MS: Final = 2_000
"""An event from further ahead than this has a wrong clock: its arrival counts."""
LATE_MS: Final = 30_000
"""An event that is older when it arrives is late."""
MAX_NAME_LETTERS: Final = 32
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_OF_CAMERA: Final[dict[str, tuple[type[Payload], ...]]] = {
    "emotion": (EmotionCloudEvent, GapCloudEvent),
    "summary": (SummaryCloudEvent,),
    "state": (CameraStatus,),
}
_OF_NODE: Final[dict[str, type[Payload]]] = {"status": Status, "health": Health}
_TYPES: Final[dict[str, type[Payload]]] = {
    "jp.ffe.emotion.v1": EmotionCloudEvent,
    "jp.ffe.gap.v1": GapCloudEvent,
    "jp.ffe.summary.v1": SummaryCloudEvent,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was told: a node, or one of its cameras."""

    site: str
    node: str
    camera: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message that is what it should be."""

    place: Place
    message: Message
    received_ms: int
    topic: str = ""
    retained: bool = False

    @property
    def at_ms(self) -> int:
        """When it was so: the event's time, or its arrival's where the node's clock is wrong or it tells none."""
        message = self.message
        if isinstance(message, (EmotionCloudEvent, GapCloudEvent, SummaryCloudEvent)):
            told_ms = round(message.time.timestamp() * 1000)
            if message.clocksync and 0 <= told_ms <= self.received_ms + CLOCK_SKEW_MS:
                return told_ms
        return self.received_ms

    @property
    def is_late(self) -> bool:
        """Whether it tells of a time that is over."""
        replayed = isinstance(self.message, (EmotionCloudEvent, GapCloudEvent)) and self.message.replayed
        return replayed or self.received_ms - self.at_ms > LATE_MS


def read_arrival(root_topic: str, topic: str, payload: bytes, received_ms: int, *, retained: bool = False) -> Arrival:
    """Read a message; nothing in it is trusted.

    Args:
        root_topic: what all topics of the nodes begin with.
        topic: where it was published.
        payload: what was published.
        received_ms: now.
        retained: the broker had kept it.

    Raises:
        ValueError: it is not of this contract; the reason quotes nothing of it.
    """
    place, kind = read_topic(root_topic, topic)
    if len(payload) > MAX_EVENT_BYTES:
        raise ValueError(f"a message of {len(payload)} bytes is longer than {MAX_EVENT_BYTES}")
    expected = _OF_NODE[kind] if place.camera is None else _expected(kind, payload)
    try:
        message = expected.model_validate_json(payload)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in fault["loc"] if isinstance(part, int) or part in _names(expected))
        raise ValueError(f"not a {kind} of this contract: {where + ': ' if where else ''}{fault['type']}") from None
    return Arrival(place, message, received_ms, topic, retained)  # type: ignore[arg-type]  # all of _TYPES are messages


def read_topic(root_topic: str, topic: str) -> tuple[Place, str]:
    """Place and kind of message that a topic names.

    Raises:
        ValueError: it is no topic of ours.
    """
    levels = topic.removeprefix(f"{root_topic}/").split("/") if topic.startswith(f"{root_topic}/") else []
    names = [*levels[:2], *levels[3:4]]
    if all(_is_name(name) for name in names):
        if len(levels) == 3 and levels[2] in _OF_NODE:
            return Place(levels[0], levels[1]), levels[2]
        if len(levels) == 5 and levels[2] == "camera" and levels[4] in _OF_CAMERA:
            return Place(levels[0], levels[1], levels[3]), levels[4]
    raise ValueError("not a topic of this contract")


def _expected(kind: str, payload: bytes) -> type[Payload]:
    """What a camera's message has to be; of events it says so itself."""
    allowed = _OF_CAMERA[kind]
    if kind == "state":
        return allowed[0]
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    told = event.get("type") if isinstance(event, dict) else None
    known = _TYPES.get(told) if isinstance(told, str) else None
    if (
        known is None
        and isinstance(told, str)
        and told.rpartition(".")[0] in {name.rpartition(".")[0] for name in _TYPES}
    ):
        raise ValueError("an event of another version than v1: update ffe-edge here, or there")
    if known not in allowed:
        raise ValueError(f"not a {kind} of this contract: type")
    return known


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME_LETTERS and _LETTERS.issuperset(name)


def _names(model: type[Payload]) -> set[str]:
    """Keys that may be told of: what others made up is not quoted."""
    names = set(model.model_fields)
    data = model.model_fields.get("data")
    inner = data.annotation if data is not None else None
    return names | set(inner.model_fields) if isinstance(inner, type) and issubclass(inner, Payload) else names
