"""Arrivals as the writer hands them to the store."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any

from ffe_edge.dashboard.arrivals import Arrival, Place
from ffe_edge.messages import CameraStatus, EmotionCloudEvent, GapCloudEvent, Status, SummaryCloudEvent

NOON_MS = 1_795_489_200_000
"""2026-11-24 12:00 in Japan."""
PLACE = Place("kiso", "edge-01", "day-room")
MODEL = {"name": "m", "sha256": "0" * 64, "backend": "onnxruntime", "precision": "fp32"}


def _envelope(sequence: int, at_ms: int, boot_id: str, data: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at_ms / 1000, timezone.utc)
    envelope = {
        "id": str(uuid.uuid4()), "source": "ffe/v1/kiso/edge-01/camera/day-room", "time": moment, "sequence": sequence,
        "bootid": boot_id, "monotonic": 1.0, "clocksync": True,
    }  # fmt: skip
    return envelope | more | {"data": data}


def emotion(
    sequence: int,
    change: str,
    at_seconds: float,
    emotion: str = "joy",
    *,
    previous: str | None = None,
    held: float = 0.0,
    track: int = 1,
    resident: str | None = None,
    place: Place = PLACE,
    received_seconds: float | None = None,
    boot_id: str = "b1",
    **more: Any,
) -> Arrival:
    """An event so many seconds after noon, received when it was formed unless told otherwise."""
    at_ms = NOON_MS + round(1000 * at_seconds)
    data = {
        "change": change, "track": track, "resident": resident, "emotion": emotion, "emotion_ja": "", "confidence": 0.7,
        "probabilities": {}, "valence": 0.0, "arousal": 0.0, "previous": previous, "held_seconds": held,
        "face": {"xyxy": (0.0, 0.0, 1.0, 1.0), "quality": 0.9}, "model": MODEL,
    }  # fmt: skip
    message = EmotionCloudEvent(**_envelope(sequence, at_ms, boot_id, data, {"subject": f"track-{track}"} | more))
    return Arrival(place, message, _received_ms(at_ms, received_seconds))


def gap(sequence: int, at_seconds: float, first: int, last: int, count: int, place: Place = PLACE) -> Arrival:
    """The news that events were lost."""
    at_ms = NOON_MS + round(1000 * at_seconds)
    data = {"first": first, "last": last, "count": count, "reason": "disk full"}
    return Arrival(place, GapCloudEvent(**_envelope(sequence, at_ms, "b1", data, {})), at_ms)


def summary(
    sequence: int, began_seconds: float, emotions: dict[str, float], *, missing: float = 0.0, place: Place = PLACE
) -> Arrival:
    """A minute that began so many seconds after noon."""
    began_ms = NOON_MS + round(1000 * began_seconds)
    began = datetime.fromtimestamp(began_ms / 1000, timezone.utc)
    data = {"began": began, "seconds": 60.0, "emotions": emotions, "people": 1, "missing_seconds": missing}
    message = SummaryCloudEvent(**_envelope(sequence, began_ms + 60_000, "b1", data, {}))
    return Arrival(place, message, began_ms + 60_000)


def status(state: str, at_seconds: float, session: str = "s1", *, retained: bool = False) -> Arrival:
    """A birth, a will or a clean stop."""
    message = Status(state=state, session=session)  # type: ignore[arg-type]  # pydantic checks it
    return Arrival(Place("kiso", "edge-01"), message, NOON_MS + round(1000 * at_seconds), retained=retained)


def camera(state: str, at_seconds: float, reason: str = "") -> Arrival:
    """What a camera does."""
    message = CameraStatus(state=state, reason=reason)  # type: ignore[arg-type]  # pydantic checks it
    return Arrival(PLACE, message, NOON_MS + round(1000 * at_seconds))


def _received_ms(at_ms: int, received_seconds: float | None) -> int:
    return at_ms if received_seconds is None else NOON_MS + round(1000 * received_seconds)
