"""The codec of the wire: the one place that knows JSON. Topics and promises stand in the contract.

Events are JSON in CloudEvents' structured mode. Source: CNCF, CloudEvents JSON event format 1.0.2, section 3.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError

from ffe_edge.emotions import affect, japanese
from ffe_edge.messages import (
    CameraState,
    CameraStatus,
    EmotionCloudEvent,
    EmotionData,
    FaceData,
    Gap,
    GapCloudEvent,
    Health,
    ModelIdentity,
    Payload,
    Status,
    StatusState,
    Summary,
    SummaryCloudEvent,
)
from ffe_edge.types import EmotionEvent

MAX_EVENT_BYTES = 64 * 1024
"""No event of ours comes near it; a longer payload is refused unread."""


@dataclass(frozen=True, slots=True)
class EventContext:
    """What all events of one run have in common."""

    source: str
    """Topic prefix of the camera."""
    boot_id: str
    labels: tuple[str, ...]
    """(K,) in the order of the events' ``probs``."""
    model: ModelIdentity
    clock_synchronised: bool


_EVENTS: TypeAdapter[EmotionCloudEvent | GapCloudEvent] = TypeAdapter(
    Annotated[EmotionCloudEvent | GapCloudEvent, Field(discriminator="type")]
)


def uuid7(unix_ms: int, random: bytes) -> UUID:
    """A UUID that sorts by time.

    Source: RFC 9562, section 5.7.

    Args:
        unix_ms: milliseconds since 1970, in [0, 2**48).
        random: ten random bytes; six of their bits give way to version and variant.
    """
    if not 0 <= unix_ms < 2**48 or len(random) != 10:
        raise ValueError(f"a UUID of version 7 needs a 48-bit time and 10 bytes, not {unix_ms} and {len(random)} bytes")
    value = unix_ms << 80 | int.from_bytes(random, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def new_event_id() -> UUID:
    """The name of an event of now."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def encode_event(event: EmotionEvent, context: EventContext, *, sequence: int, event_id: UUID | str) -> bytes:
    """The JSON of an emotion event."""
    envelope = _envelope(context, sequence, event_id, event.captured_at, event.seconds)
    data = _emotion_data(event, context)
    return _json(EmotionCloudEvent(**envelope, subject=f"track-{event.track_id}", data=data))


def encode_gap(
    gap: Gap, context: EventContext, *, sequence: int, event_id: UUID | str, told_at: datetime, seconds: float
) -> bytes:
    """The JSON of a gap, told at ``told_at`` (aware) and ``seconds`` (monotonic)."""
    envelope = _envelope(context, sequence, event_id, told_at, seconds)
    return _json(GapCloudEvent(**envelope, data=gap))


def encode_summary(
    summary: Summary, context: EventContext, *, sequence: int, event_id: UUID | str, told_at: datetime, seconds: float
) -> bytes:
    """The JSON of a camera's minute, told at ``told_at`` (aware) and ``seconds`` (monotonic)."""
    envelope = _envelope(context, sequence, event_id, told_at, seconds)
    return _json(SummaryCloudEvent(**envelope, data=summary))


def resident_of(payload: bytes) -> str | None:
    """Whom an event of ours names, of whatever version; None where it names nobody."""
    try:
        event = json.loads(payload)
    except ValueError:
        return None
    data = event.get("data") if isinstance(event, dict) else None
    resident = data.get("resident") if isinstance(data, dict) else None
    return resident if isinstance(resident, str) else None


def encode_status(
    state: StatusState,
    session: str,
    *,
    boot_id: str | None = None,
    version: str | None = None,
    engine: str | None = None,
    engine_state: str | None = None,
    engine_reason: str | None = None,
    detector: str | None = None,
    cameras: tuple[str, ...] | None = None,
) -> bytes:
    """The JSON of a birth (``online``, with everything), a will (``lost``) or a clean stop (``stopped``)."""
    status = Status(
        state=state,
        session=session,
        boot_id=boot_id,
        version=version,
        engine=engine,
        engine_state=engine_state,
        engine_reason=None if engine_reason is None else _one_line(engine_reason),
        detector=detector,
        cameras=cameras,
    )
    return status.model_dump_json(exclude_none=True).encode()


def encode_camera_state(state: CameraState, reason: str) -> bytes:
    """The JSON of a camera's state."""
    return _json(CameraStatus(state=state, reason=reason))


def encode_health(health: Health) -> bytes:
    """The JSON of a node's health; what is not known is left out."""
    return health.model_dump_json(exclude_none=True).encode()


def as_replayed(payload: bytes) -> bytes:
    """An event as it is told once more: all is the same but ``replayed``. What is no JSON object is left as it is."""
    try:
        event = json.loads(payload)
    except ValueError:
        return payload
    if not isinstance(event, dict):
        return payload
    return json.dumps({**event, "replayed": True}, ensure_ascii=False, separators=(",", ":")).encode()


def parse_event(payload: bytes) -> EmotionCloudEvent | GapCloudEvent:
    """Read an event that came from a broker; nothing in it is trusted.

    Args:
        payload: what the broker delivered.

    Raises:
        ValueError: it is no event of this contract. The message does not quote the payload.
    """
    if len(payload) > MAX_EVENT_BYTES:
        raise ValueError(f"an event of {len(payload)} bytes is longer than {MAX_EVENT_BYTES}")
    try:
        return _EVENTS.validate_json(payload)
    except ValidationError as error:
        kind = error.errors(include_url=False, include_input=False, include_context=False)[0]["type"]
        raise ValueError(f"not an event of this contract: {kind}") from None


def _envelope(
    context: EventContext, sequence: int, event_id: UUID | str, moment: datetime, seconds: float
) -> dict[str, Any]:
    """What every event of the outbox has in common: ``moment`` (aware) and ``seconds`` (monotonic) are its time."""
    return {
        "id": str(event_id),
        "source": context.source,
        "time": moment.astimezone(timezone.utc),
        "sequence": sequence,
        "bootid": context.boot_id,
        "monotonic": _rounded(seconds),
        "clocksync": context.clock_synchronised,
    }


def _emotion_data(event: EmotionEvent, context: EventContext) -> EmotionData:
    if len(event.probs) != len(context.labels):
        raise ValueError(f"{len(event.probs)} probabilities do not fit {len(context.labels)} labels")
    valence, arousal = affect(event.emotion)
    left, top, right, bottom = (_rounded(value) for value in event.xyxy)
    return EmotionData(
        change=event.change,
        track=event.track_id,
        resident=event.resident,
        emotion=event.emotion,
        emotion_ja=japanese(event.emotion),
        confidence=_rounded(event.confidence),
        probabilities={label: _rounded(value) for label, value in zip(context.labels, event.probs, strict=True)},
        valence=_rounded(valence),
        arousal=_rounded(arousal),
        previous=event.previous,
        held_seconds=_rounded(event.held_seconds),
        face=FaceData(xyxy=(left, top, right, bottom), quality=_rounded(event.quality)),
        model=context.model,
    )


def _one_line(text: str) -> str:
    """What came from elsewhere, as a text that the wire takes."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:256]


def _rounded(value: float) -> float:
    return round(float(value), 4) + 0.0  # + 0.0 turns -0.0 into 0.0


def _json(payload: Payload) -> bytes:
    return payload.model_dump_json().encode()
