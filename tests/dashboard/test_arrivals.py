from __future__ import annotations

import json
from typing import Any

import pytest
from dashboard.payloads import CAMERA, SITE, camera, event, status

from ffe_edge.dashboard.arrivals import Arrival, Place, read_arrival
from ffe_edge.messages import CameraStatus, EmotionCloudEvent, Status

ROOT = "ffe/v1"
NOW_MS = 1_795_489_200_000


def read(topic: str, payload: bytes) -> Arrival:
    return read_arrival(ROOT, topic, payload, NOW_MS)


def changed(**keys: Any) -> bytes:
    return json.dumps(json.loads(event()) | keys).encode()


@pytest.mark.parametrize(
    ("topic", "payload", "place", "kind"),
    [
        pytest.param(f"{CAMERA}/emotion", event(), Place("kiso", "edge-01", "day-room"), EmotionCloudEvent, id="event"),
        pytest.param(f"{CAMERA}/state", camera(), Place("kiso", "edge-01", "day-room"), CameraStatus, id="camera"),
        pytest.param(f"{SITE}/status", status(), Place("kiso", "edge-01"), Status, id="node"),
    ],
)
def test_topics_say_what_a_message_is(topic: str, payload: bytes, place: Place, kind: type) -> None:
    arrival = read(topic, payload)
    assert (arrival.place, type(arrival.message), arrival.received_ms) == (place, kind, NOW_MS)


@pytest.mark.parametrize(
    "topic",
    [
        "", "ffe/v1", "other/v1/kiso/edge-01/status", f"{SITE}/command/pause", f"{CAMERA}/emotion/more",
        "ffe/v1/A/b/status", f"ffe/v1/{'a' * 33}/b/status", "ffe/v1//b/status", f"{SITE}/camera/ü/state",
        f"{SITE}/response/x",
    ],
)  # fmt: skip
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="not a topic"):
        read(topic, status())


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"[" * 60_000, "not JSON", id="deep"),
        pytest.param(b"[]", "emotion of this contract: type", id="list"),
        pytest.param(b"x" * 70_000, "longer than 65536", id="long"),
        pytest.param(changed(type="jp.ffe.emotion.v2"), "another version than v1", id="version"),
        pytest.param(changed(type="jp.ffe.summary.v1"), "emotion of this contract: type", id="summary"),
        pytest.param(changed(type=["x"]), "emotion of this contract: type", id="list as type"),
        pytest.param(changed(sequence=0), "sequence: greater_than_equal", id="sequence"),
        pytest.param(changed(sequence=2**63), "sequence: less_than", id="large"),
        pytest.param(changed(time="yesterday"), "time: value_error", id="time"),
        pytest.param(event(emotion="jo\x00y"), "data.emotion: string_pattern_mismatch", id="control"),
        pytest.param(event(confidence=float("nan")), "data.confidence", id="nan"),
        pytest.param(event().replace(b'"joy"', b'"\\ud800"'), "contract", id="surrogate"),
    ],
)
def test_what_is_not_of_the_contract_is_refused_with_the_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(f"{CAMERA}/emotion", payload)


def test_what_others_made_up_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="extra_forbidden") as told:
        read(f"{CAMERA}/emotion", changed(**{"<script>Hanako</script>": "Hanako"}))
    assert "Hanako" not in str(told.value)
