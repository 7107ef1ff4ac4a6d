"""Hand-made messages as a device sends them."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from typing import Any

import pytest

SITE = "ffe/v1/kiso/edge-01"
CAMERA = f"{SITE}/camera/day-room"
LABELS = ("joy", "sadness", "fear", "surprise", "anger", "disgust", "excitement", "relaxation", "neutral")
JAPANESE = dict(
    zip(LABELS, ("喜び", "悲しみ", "恐怖", "驚き", "怒り", "嫌悪", "興奮", "リラックス", "無感情"), strict=True)
)


def status(state: str = "online", session: str = "s1") -> bytes:
    """A birth, a will or a clean stop."""
    return json.dumps({"state": state, "session": session}).encode()


def camera(state: str = "online", reason: str = "") -> bytes:
    """What the camera does."""
    return json.dumps({"state": state, "reason": reason}).encode()


def probabilities(emotion: str, confidence: float) -> dict[str, float]:
    """Nine shares with one likeliest."""
    rest = (1 - confidence) / (len(LABELS) - 1)
    return {label: confidence if label == emotion else rest for label in LABELS}


def event(
    change: str = "start",
    emotion: str = "joy",
    *,
    track: int = 1,
    sequence: int = 1,
    at: float | None = None,
    event_id: str | None = None,
    **more: Any,
) -> bytes:
    """An emotion event; ``at`` is Unix seconds, now when None; ``more`` overrides the event's data."""
    moment = datetime.now(timezone.utc) if at is None else datetime.fromtimestamp(at, timezone.utc)
    data = {
        "change": change,
        "track": track,
        "resident": None,
        "emotion": emotion,
        "emotion_ja": JAPANESE.get(emotion, "不明"),
        "confidence": 0.71,
        "probabilities": probabilities(emotion, 0.71),
        "valence": 0.0,
        "arousal": 0.0,
        "previous": None,
        "held_seconds": 0.0,
        "face": {"xyxy": [0.0, 0.0, 10.0, 10.0], "quality": 0.9},
        "model": {"name": "m", "sha256": "0" * 64, "backend": "onnxruntime", "precision": "fp32"},
    }
    return envelope(data | more, moment, sequence, event_id)


def envelope(data: dict[str, Any], moment: datetime, sequence: int, event_id: str | None = None) -> bytes:
    """The CloudEvent round some data."""
    message = {
        "specversion": "1.0",
        "id": event_id or str(uuid.uuid4()),
        "source": CAMERA,
        "type": "jp.ffe.emotion.v1",
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "subject": f"track-{data.get('track')}",
        "dataschema": "emotion-v1.json",
        "sequence": sequence,
        "bootid": "b1",
        "monotonic": 1.0,
        "clocksync": True,
        "replayed": False,
        "data": data,
    }
    return json.dumps(message).encode()


HOSTILE = [
    pytest.param(b"", id="empty"),
    pytest.param(b"not json", id="no-json"),
    pytest.param(b"\xff\xfe\x00", id="no-utf8"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="list"),
    pytest.param(b"[" * 60_000, id="deep"),
    pytest.param(b'{"a":' * 10_000, id="deep-object"),
    pytest.param(b"9" * 60_000, id="long-number"),
    pytest.param(b"x" * 1_000_000, id="huge"),
    pytest.param(b'{"state": 1, "session": null, "reason": {}}', id="wrong-types"),
    pytest.param(b'{"state": "<b>", "session": "s", "reason": ""}', id="unknown-state"),
    pytest.param(b'{"state": "online", "session": "\\ud800", "reason": "\\ud800"}', id="lone-surrogate"),
    pytest.param(event(confidence=float("nan")), id="nan"),
    pytest.param(event(held_seconds=1e999), id="infinity"),
    pytest.param(event(track=-1), id="negative-track"),
    pytest.param(event(track=10**400), id="long-track"),
    pytest.param(event(probabilities={"joy": "much"}), id="text-for-a-number"),
    pytest.param(event(emotion="x" * 100_000), id="long-text"),
]
"""What nobody who keeps to the contract sends."""
