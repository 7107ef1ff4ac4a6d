"""Which wishes are followed: signed, meant for us, newer than what was seen, in time, in the hours."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ffe_edge.config import Config
from ffe_edge.updates.deciding import Rules, Verdict, decide
from ffe_edge.updates.ledger import Failure, Slot, State
from ffe_edge.updates.manifest import Desired, Manifest, as_text
from ffe_edge.updates.minisign_secret import SecretKey

KEY, OTHER = SecretKey.new(), SecretKey.new()
NOW = datetime(2026, 11, 29, 3, 0, tzinfo=timezone.utc)
A, B = "a" * 64, "b" * 64
SLOT = Slot(name="m", counter=7, sha256=A, file="model.onnx")
SEEN = State(counter=7, counter_sha256=A, current=SLOT)


def wish(key: SecretKey = KEY, **changes: Any) -> bytes:
    values = {
        "name": "m", "counter": 8, "url": "https://models.example/m/model.onnx", "bytes": 10, "all_bytes": 10,
        "sha256": B, "signature": "later", "not_after": NOW + timedelta(days=1), **changes,
    }  # fmt: skip
    return desired(as_text(Manifest.model_validate(values)), key)


def desired(text: str, key: SecretKey = KEY) -> bytes:
    signature = key.sign(text.encode(), "test").to_text("test")
    return Desired(manifest=text, signature=signature).model_dump_json().encode()


def decided(*wishes: bytes, state: State = SEEN, synchronised: bool = True, **settings: Any) -> Verdict:
    updates = {"enabled": True, "public_keys": [KEY.public.text], **settings.pop("model_updates", {})}
    config = Config.model_validate({"site": "kiso", "model_updates": updates, **settings})
    return decide(wishes, state, Rules(config, lambda: NOW, lambda: synchronised))


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        pytest.param({}, "begin", "", id="newer"),
        pytest.param({"counter": 6}, "refuse", "counter 6 is lower than 7", id="older"),
        pytest.param({"counter": 7}, "refuse", "was another model's", id="same-counter-other-model"),
        pytest.param({"counter": 7, "sha256": A}, "same", "", id="the-one-that-serves"),
        pytest.param({"sha256": A}, "same", "", id="the-one-that-serves-signed-anew"),
        pytest.param({"not_after": NOW - timedelta(seconds=1)}, "refuse", "to be begun by", id="too-late"),
        pytest.param({"site": "kiso", "node": "edge-01"}, "begin", "", id="for-us"),
        pytest.param({"site": "other"}, "refuse", "is for site other, this is kiso", id="for-another-home"),
        pytest.param({"node": "edge-02"}, "refuse", "is for node edge-02", id="for-another-node"),
        pytest.param({"all_bytes": 2**30, "url": "https://a/b/bundle.json"}, "refuse", "max_bytes", id="large"),
        pytest.param({"url": "http://models.example/model.onnx"}, "refuse", "no https://", id="plain-http"),
        pytest.param({"url": "http://127.0.0.1:8000/model.onnx"}, "begin", "", id="plain-http-from-here"),
        pytest.param({"url": "http://[::1]/model.onnx"}, "begin", "", id="plain-http-from-here-v6"),
        pytest.param({"url": "http://localhost.evil.example/model.onnx"}, "refuse", "no https://", id="not-from-here"),
    ],
)  # fmt: skip
def test_what_is_done_about_a_signed_release(changes: dict[str, Any], kind: str, reason: str) -> None:
    verdict = decided(wish(**changes))
    assert (verdict.kind, reason in verdict.reason) == (kind, True), verdict


def test_what_serves_is_not_refused_since_a_newer_one_was_tried() -> None:
    seen = State(counter=9, counter_sha256=B, current=SLOT)
    assert decided(wish(counter=7, sha256=A), state=seen).kind == "same"
    assert decided(wish(counter=8, sha256=A), state=seen).kind == "refuse"


def test_the_own_wish_wins_over_the_site_s_however_new_that_is() -> None:
    own, of_site = wish(counter=8), wish(counter=9, sha256="c" * 64)
    verdict = decided(own, of_site)
    assert verdict.release is not None
    assert verdict.release.counter == 8


def test_a_wish_that_anybody_could_have_made_hides_none() -> None:
    verdict = decided(wish(OTHER), wish())
    assert (verdict.kind, verdict.release is not None) == ("begin", True)
    assert "signed by key" in decided(wish(OTHER)).reason


def test_a_release_that_failed_waits_for_a_higher_counter() -> None:
    failed = SEEN.changed(counter=8, counter_sha256=B, failed=(Failure(name="m", counter=8, sha256=B, reason="bad"),))
    assert decided(wish(), state=failed).kind == "nothing"
    assert decided(wish(counter=9), state=failed).kind == "begin"


def test_nothing_begins_outside_the_hours_or_with_a_clock_that_is_not_set() -> None:
    night = {"hours": [{"start": "01:00:00", "end": "04:00:00"}]}
    zone = {"schedule": {"time_zone": "Asia/Tokyo"}}
    assert decided(wish(), model_updates=night, **zone).kind == "wait"  # it is noon there
    assert decided(wish(), model_updates=night, schedule={"time_zone": "UTC"}).kind == "begin"
    assert "clock is not set" in decided(wish(), synchronised=False).reason
    assert decided(wish(), synchronised=False, schedule={"trust_clock": True}).kind == "begin"


def test_residents_who_are_recognised_keep_their_model() -> None:
    assert "enrol anew" in decided(wish(), residents={"recognise": True}).reason


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{", b"null", b'{"version": 2}', b'{"version": 1}', b"x" * 9000, wish()[:-20],
        desired("{}"), desired("not json"), desired(json.dumps({"version": 1, "name": "m"})),
        wish().replace(b'"version":1', b'"version":1,"more":1'),
    ],
)  # fmt: skip
def test_what_is_no_wish_is_refused(payload: bytes) -> None:
    verdict = decided(payload)
    assert verdict.kind == "refuse"
    assert verdict.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"counter": 0}, {"counter": 2**53}, {"sha256": "x"}, {"url": "file:///etc/passwd"},
        {"url": "https://user:word@host/model.onnx"}, {"url": "https://host/a/../.hidden"}, {"all_bytes": 9},
        {"all_bytes": 11}, {"url": "https://host/model.onnx?token=1"}, {"bytes": 0}, {"name": "a\nb"},
    ],
)  # fmt: skip
def test_a_manifest_out_of_range_is_refused_though_it_is_signed(changes: dict[str, Any]) -> None:
    text = json.dumps({**json.loads(Desired.model_validate_json(wish()).manifest), **changes})
    assert decided(desired(text)).kind == "refuse"


def test_hours_and_keys_are_asked_for_where_they_are_needed() -> None:
    with pytest.raises(ValueError, match="public_keys are needed"):
        Config.model_validate({"model_updates": {"enabled": True}})
    with pytest.raises(ValueError, match="time_zone"):
        Config.model_validate({"model_updates": {"hours": [{"start": "01:00:00"}]}})


def test_rules_are_values() -> None:
    rules = Rules(Config())
    assert replace(rules, now=lambda: NOW).now() == NOW
