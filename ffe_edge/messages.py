"""What the objects on the wire look like. JSON Schemas are generated from these models.

Events are CloudEvents. Source: CNCF, CloudEvents specification 1.0.2, section 3.1.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    WithJsonSchema,
)

from ffe_edge.types import Change

RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)

StatusState = Literal["online", "lost", "stopped"]
CameraState = Literal["starting", "online", "stalled", "offline", "disabled", "privacy"]


def utc_milliseconds(moment: datetime) -> str:
    """RFC 3339 time in UTC with milliseconds and Z."""
    text = moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _must_be_rfc3339(moment: object) -> object:
    if isinstance(moment, datetime) or (isinstance(moment, str) and RFC3339_UTC.fullmatch(moment)):
        return moment
    raise ValueError("the time must be RFC 3339 in UTC")


Time = Annotated[
    AwareDatetime,
    Strict(strict=False),
    BeforeValidator(_must_be_rfc3339),
    PlainSerializer(utc_milliseconds, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
EventId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Text = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
Label = Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Share = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Elapsed = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Sequence = Annotated[int, Field(ge=1, lt=2**63)]


class Payload(BaseModel):
    """A JSON object on the wire: frozen, strict, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class ModelIdentity(Payload):
    """Which model told it."""

    name: Text
    sha256: Text
    backend: Text
    precision: Text


class FaceData(Payload):
    """Where the face was; never what it looked like."""

    xyxy: tuple[float, float, float, float]
    """Pixels."""
    quality: Share


class EmotionData(Payload):
    """What happened to one person in view."""

    change: Change
    track: Count
    resident: Text | None
    emotion: Label
    emotion_ja: Text
    confidence: Share
    probabilities: Annotated[dict[Label, Share], Field(max_length=64)]
    valence: Signed
    arousal: Signed
    previous: Label | None
    held_seconds: Elapsed
    face: FaceData
    model: ModelIdentity


class Gap(Payload):
    """Events that were formed and will not be delivered."""

    first: Sequence | None
    """First sequence lost, None when it is not known."""
    last: Sequence | None
    """Last sequence lost. Those between that were delivered all the same were not lost."""
    count: Count | None
    """How many were lost, None when it is not known."""
    reason: Text


class CloudEvent(Payload):
    """The envelope: ``id`` is the same on every delivery of an event."""

    specversion: Literal["1.0"] = "1.0"
    id: EventId
    source: Text
    type: str
    time: Time
    dataschema: str
    sequence: Sequence
    bootid: Text
    monotonic: Elapsed
    clocksync: bool
    replayed: bool = False


class EmotionCloudEvent(CloudEvent):
    """An emotion event as a subscriber sees it."""

    type: Literal["jp.ffe.emotion.v1"] = "jp.ffe.emotion.v1"
    dataschema: Literal["emotion-v1.json"] = "emotion-v1.json"
    subject: Text
    data: EmotionData


class GapCloudEvent(CloudEvent):
    """The news that events were lost."""

    type: Literal["jp.ffe.gap.v1"] = "jp.ffe.gap.v1"
    dataschema: Literal["gap-v1.json"] = "gap-v1.json"
    data: Gap


class Summary(Payload):
    """One minute of a camera."""

    began: Time
    seconds: Elapsed
    """How long it was: less than 60 where the camera or the daemon has ended."""
    emotions: Annotated[dict[Label, Elapsed], Field(max_length=64)]
    """Seconds by the emotion that was told; two people for half a minute are sixty seconds."""
    people: Count
    """How many were in view, counted by track: who comes back counts again."""
    missing_seconds: Elapsed
    """Seconds without a picture: of these it is not known who was there."""


class SummaryCloudEvent(CloudEvent):
    """A minute of a camera as a subscriber sees it."""

    type: Literal["jp.ffe.summary.v1"] = "jp.ffe.summary.v1"
    dataschema: Literal["summary-v1.json"] = "summary-v1.json"
    data: Summary


class Status(Payload):
    """Birth, will or clean stop of a node. A consumer ignores the will of an older session."""

    state: StatusState
    session: Text
    boot_id: Text | None = None
    version: Text | None = None
    engine: Text | None = None
    """What serves now: ``onnxruntime``, ``openvino``, ``tensorrt`` or ``tensorrt-rtx``."""
    engine_state: Text | None = None
    """Where an engine is wanted: ``loading``, ``building``, ``ready``, ``rebuilt`` or ``failed``."""
    engine_reason: Text | None = None
    """Why it is not there yet, or failed."""
    detector: Text | None = None
    """``yunet``, or ``haar`` where its file is missing."""
    cameras: tuple[Text, ...] | None = None


class CameraStatus(Payload):
    """What a camera does, and why."""

    state: CameraState
    reason: Text


class Health(Payload):
    """How the node is doing."""

    fps: dict[Text, Elapsed]
    """Frames a second by camera."""
    frame_age_seconds: dict[Text, Elapsed] | None = None
    """Since the last frame, by camera."""
    latency_p50_seconds: Elapsed | None = None
    """From the frame to its event in the outbox."""
    latency_p95_seconds: Elapsed | None = None
    outbox_entries: Count
    """Events that the broker does not have yet."""
    gaps: Count = 0
    """Gaps told since the start."""
    temperature_celsius: float | None = None
    memory_bytes: Count | None = None
