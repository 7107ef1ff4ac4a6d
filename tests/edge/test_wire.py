from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ffe_edge.emotions import LABELS
from ffe_edge.messages import EmotionCloudEvent, Gap, GapCloudEvent, Health, ModelIdentity
from ffe_edge.types import EmotionEvent
from ffe_edge.wire import (
    MAX_EVENT_BYTES,
    EventContext,
    as_replayed,
    encode_camera_state,
    encode_event,
    encode_gap,
    encode_health,
    encode_status,
    parse_event,
    resident_of,
    uuid7,
)

NOON = datetime(2026, 11, 23, 3, 0, 0, 123_456, tzinfo=timezone.utc)
EVENT_ID = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
MODEL = ModelIdentity(name="mini", sha256="ab12", backend="tensorrt", precision="int8")
CONTEXT = EventContext("ffe/v1/kiso/edge-01/camera/day-room", "boot-1", LABELS, MODEL, clock_synchronised=True)

GOLDEN = {
    "specversion": "1.0",
    "id": EVENT_ID,
    "source": "ffe/v1/kiso/edge-01/camera/day-room",
    "type": "jp.ffe.emotion.v1",
    "time": "2026-11-23T03:00:00.123Z",
    "subject": "track-17",
    "dataschema": "emotion-v1.json",
    "sequence": 4711,
    "bootid": "boot-1",
    "monotonic": 1234.5679,
    "clocksync": True,
    "replayed": False,
    "data": {
        "change": "change",
        "track": 17,
        "resident": None,
        "emotion": "joy",
        "emotion_ja": "喜び",
        "confidence": 0.71,
        "probabilities": {"joy": 0.71, **dict.fromkeys(LABELS[1:], 0.0363)},
        "valence": 0.8,
        "arousal": 0.5,
        "previous": "neutral",
        "held_seconds": 12.4,
        "face": {"xyxy": [1.0, 2.0, 3.1235, 4.0], "quality": 0.9},
        "model": {"name": "mini", "sha256": "ab12", "backend": "tensorrt", "precision": "int8"},
    },
}


def event(**changes: Any) -> EmotionEvent:
    values: dict[str, Any] = {
        "change": "change",
        "track_id": 17,
        "emotion": "joy",
        "previous": "neutral",
        "held_seconds": 12.4,
        "confidence": 0.71,
        "probs": (0.71, *[0.03626] * 8),
        "xyxy": (1.0, 2.0, 3.12345678, 4.0),
        "quality": 0.9,
        "seconds": 1234.56789,
        "captured_at": NOON,
    }
    return EmotionEvent(**{**values, **changes})


def encoded(**changes: Any) -> bytes:
    return encode_event(event(**changes), CONTEXT, sequence=4711, event_id=EVENT_ID)


def test_the_golden_payload_stays() -> None:
    assert json.loads(encoded()) == GOLDEN


def test_japanese_is_sent_as_utf8_not_as_escapes() -> None:
    assert "喜び".encode() in encoded()


def test_times_of_another_zone_are_told_in_utc() -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert json.loads(encoded(captured_at=tokyo))["time"] == "2026-11-23T03:00:00.123Z"


def test_uncertain_has_no_affect() -> None:
    data = json.loads(encoded(emotion="uncertain"))["data"]
    assert (data["emotion_ja"], data["valence"], data["arousal"]) == ("不明", 0.0, 0.0)


def test_an_event_that_was_encoded_is_parsed_to_the_same() -> None:
    message = parse_event(encoded())
    assert isinstance(message, EmotionCloudEvent)
    assert message.model_dump(mode="json") == GOLDEN


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"confidence": float("nan")}, id="nan"),
        pytest.param({"xyxy": (0.0, 0.0, float("inf"), 0.0)}, id="infinity"),
        pytest.param({"quality": 1.5}, id="share above one"),
        pytest.param({"probs": (0.5, 0.5)}, id="other number of labels"),
        pytest.param({"change": "gone"}, id="unknown change"),
    ],
)
def test_an_event_outside_the_contract_is_never_encoded(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        encoded(**changes)


def test_a_gap_names_what_was_lost() -> None:
    gap = Gap(first=3, last=9, count=7, reason="the outbox was full")
    payload = encode_gap(gap, CONTEXT, sequence=40, event_id=EVENT_ID, told_at=NOON, seconds=5.0)
    message = parse_event(payload)
    assert isinstance(message, GapCloudEvent)
    assert (message.sequence, message.data) == (40, gap)


def test_a_resident_who_consented_is_named() -> None:
    payload = encoded(resident="r-7")
    assert (json.loads(payload)["data"]["resident"], resident_of(payload)) == ("r-7", "r-7")


def test_a_replayed_event_differs_in_nothing_else() -> None:
    assert json.loads(as_replayed(encoded())) == {**GOLDEN, "replayed": True}
    assert as_replayed(as_replayed(encoded())) == as_replayed(encoded())
    assert "喜び".encode() in as_replayed(encoded())


@given(st.binary(max_size=100))
def test_what_is_no_json_object_is_replayed_as_it_is(noise: bytes) -> None:
    assert as_replayed(noise) == noise or json.loads(as_replayed(noise))["replayed"] is True


@pytest.mark.parametrize(
    ("payload", "resident"),
    [
        pytest.param(b'{"data":{"resident":"r-1"},"added":1}', "r-1", id="named, of a later version"),
        pytest.param(encoded(), None, id="nobody"),
        pytest.param(b'{"data":[]}', None, id="other data"),
        pytest.param(b'{"data":{"resident":7}}', None, id="no text"),
        pytest.param(b"[]", None, id="no object"),
        pytest.param(b"\xff", None, id="no json"),
    ],
)
def test_the_resident_of_a_payload(payload: bytes, resident: str | None) -> None:
    assert resident_of(payload) == resident


def test_uuid7_of_the_rfc() -> None:
    random = (0xCC3 << 64 | 0x18C4DC0C0C07398F).to_bytes(10, "big")  # RFC 9562, appendix A.6
    assert str(uuid7(0x017F22E279B0, random)) == EVENT_ID


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_uuid7_sorts_by_time(unix_ms: int, first: bytes, second: bytes) -> None:
    early, late = uuid7(unix_ms, first), uuid7(unix_ms + 1, second)
    assert str(early) < str(late)
    assert (early.version, early.variant) == (7, "specified in RFC 4122")


def test_a_birth_says_how_far_the_engine_is_in_one_line() -> None:
    reason = "the build failed (no\n\x1b[31mmemory)" + "x" * 300
    said = json.loads(encode_status("online", "s1", engine="openvino", engine_state="failed", engine_reason=reason))
    assert (said["engine"], said["engine_state"]) == ("openvino", "failed")
    assert said["engine_reason"].startswith("the build failed (no [31mmemory)x")
    assert len(said["engine_reason"]) == 256


def test_statuses_hold_what_they_know() -> None:
    assert json.loads(encode_status("lost", "s1")) == {"state": "lost", "session": "s1"}
    birth = encode_status("online", "s1", boot_id="b", version="1", engine="onnxruntime", cameras=("day-room",))
    assert json.loads(birth)["cameras"] == ["day-room"]


def test_camera_states_and_health_are_json() -> None:
    assert json.loads(encode_camera_state("stalled", "no frame for 10 s"))["state"] == "stalled"
    health = encode_health(Health(fps={"day-room": 14.9}, outbox_entries=0))
    assert json.loads(health) == {"fps": {"day-room": 14.9}, "outbox_entries": 0, "gaps": 0}


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse_event(encoded()).sequence = 1


def replaced(key: str, value: object) -> bytes:
    return json.dumps({**GOLDEN, key: value}).encode()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\xff\xfe", id="no utf-8"),
        pytest.param(b"[" * 60_000, id="deep lists"),
        pytest.param(b'{"data":' * 8_000, id="deep objects"),
        pytest.param(b" " * (MAX_EVENT_BYTES + 1), id="too long"),
        pytest.param(encoded().replace(b"0.71", b"NaN"), id="nan"),
        pytest.param(encoded().replace(b"0.71", b"1e999"), id="infinite"),
        pytest.param(encoded().replace(b"4711", b"9" * 5000), id="huge number"),
        pytest.param(encoded().replace(b"track-17", b"\\ud800"), id="lone surrogate"),
        pytest.param(replaced("type", "jp.ffe.other.v1"), id="other type"),
        pytest.param(replaced("sequence", True), id="boolean for a number"),
        pytest.param(replaced("sequence", 0), id="sequence zero"),
        pytest.param(replaced("sequence", "4711"), id="text for a number"),
        pytest.param(replaced("time", 1_700_000_000), id="time as a number"),
        pytest.param(replaced("time", "1700000000"), id="time as digits"),
        pytest.param(replaced("time", "2026-11-23T03:00:00"), id="time without a zone"),
        pytest.param(replaced("time", "2026-13-23T03:00:00Z"), id="thirteenth month"),
        pytest.param(replaced("subject", "a\nb"), id="control character"),
        pytest.param(replaced("subject", "x" * 257), id="long text"),
        pytest.param(replaced("image", "…"), id="unknown key"),
        pytest.param(replaced("data", {**GOLDEN["data"], "crop": ""}), id="unknown key inside"),  # type: ignore[dict-item]
    ],
)
def test_a_hostile_payload_is_a_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(not an event of this contract|an event of)"):
        parse_event(payload)


@given(st.binary(max_size=400))
def test_noise_is_a_value_error(noise: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_event(noise)


@given(st.integers(0, len(encoded()) - 1), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(position: int, value: int) -> None:
    payload = bytearray(encoded())
    payload[position] = value
    try:
        message = parse_event(bytes(payload))
    except ValueError:
        return
    assert message.specversion == "1.0"
