"""Commands of somebody who means harm, through a real broker to the real daemon."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from e2e.conftest import Rows
from e2e.daemon import NODE, Daemon, counted, everything_came, write_busy_clip
from e2e.fault_table import Fault
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

MARK = "xyzzy"
"""Stands in whatever an attacker may choose, and must stand in no log."""
ASKER = "asker/1"
PACE_SECONDS = 2.1
"""As fast as commands are taken one by one; what comes faster is dropped."""
FLOOD = 500

DEEP = b"[" * 2000 + b"]" * 2000
ODD_PAYLOADS = [
    b"", b"{}", b"null", b"\0", b'{"camera":"\\u0000"}', b"\xff\xfe" + MARK.encode(), DEEP,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b'{"since_sequence":1e400}', b'{"since_sequence":-1}', b'{"since_sequence":"' + MARK.encode() + b'"}',
    b'{"since_sequence":NaN}', b'{"since_sequence":true}', b'{"since_sequence":' + b"9" * 3000 + b"}",
    b'{"camera":"' + MARK.encode() + b'"}', b'{"camera":"../../etc/passwd"}', b'{"resident":""}', b'{"resident":["a"]}',
    b'{"state":"ON"}', b'{"' + MARK.encode() + b'":1}', b'{"state":"on","state":"' + MARK.encode() + b'"}',
    b" " * 5000, b"x" * 15_000, b"x" * 100_000,
]  # fmt: skip
FORBIDDEN_TOPICS = [
    f"{NODE}/camera/hall/emotion", f"{NODE}/status", f"{NODE}/command/pause", "ffe/v1/other/node/status",
    "homeassistant/device/ffe-home-edge-01/config", "homeassistant/status", "$SYS/broker/uptime", "x" * 300,
]  # fmt: skip


@dataclass(frozen=True)
class Attack:
    name: str
    payload: bytes
    response: str
    correlation: bytes
    retain: bool


LETTERS = st.characters(categories=("L", "N", "P", "S"), exclude_characters="/+#")
NAMES = st.sampled_from(["replay", "forget", "privacy", "pause", "reload", "resume", f"{MARK}", ""]) | st.text(
    LETTERS, max_size=40
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["camera", "since_sequence", "state", "resident", MARK]), inner, max_size=3)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())
ATTACKS = st.builds(
    Attack,
    name=NAMES,
    payload=st.sampled_from(ODD_PAYLOADS) | JSON | st.binary(max_size=200),
    response=st.just(ASKER) | st.sampled_from(FORBIDDEN_TOPICS),
    correlation=st.binary(max_size=64) | st.just(bytes(2000)),
    retain=st.booleans(),
)


def send(broker: Mosquitto, *attacks: Attack) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    for attack in attacks:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
        properties.ResponseTopic, properties.CorrelationData = attack.response, attack.correlation
        sent = client.publish(f"{NODE}/command/{attack.name}", attack.payload, 1, attack.retain, properties)
    sent.wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


def is_answered(attack: Attack) -> bool:
    return attack.response == ASKER and len(attack.correlation) <= 1024 and len(attack.payload) < 16_000


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hostile_commands_are_answered_or_dropped_and_harm_nothing(tmp_path: Path, fault_table: Rows) -> None:
    clip = write_busy_clip(tmp_path / "clip.avi", seconds=240)
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "#") as subscriber:
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure(f'id = "hall"\nsource = "{clip}"\nrealtime = true')
        attacks: list[Attack] = []

        @settings(
            max_examples=30, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(ATTACKS)
        def attack_one_by_one(attack: Attack) -> None:
            attacks.append(attack)
            before = len(subscriber.payloads(ASKER))
            send(broker, attack)
            if is_answered(attack):
                assert wait_for(lambda: len(subscriber.payloads(ASKER)) > before, 10), attack
                assert json.loads(subscriber.last(ASKER))["reason"]
            time.sleep(PACE_SECONDS)
            assert daemon.is_alive()

        with daemon:
            assert daemon.tells(1)
            attack_one_by_one()
            answers = len(subscriber.payloads(ASKER))
            many = attacks * (FLOOD // len(attacks) + 1)
            send(broker, *many)
            time.sleep(PACE_SECONDS)
            for name, payload in (("privacy", b'{"state":"off"}'), ("resume", b"")):
                time.sleep(PACE_SECONDS)
                count = len(subscriber.payloads("friend/1"))
                send(broker, Attack(name, payload, "friend/1", b"", retain=False))
                assert wait_for(lambda: len(subscriber.payloads("friend/1")) > count, 10)  # noqa: B023
                assert json.loads(subscriber.last("friend/1"))["ok"]
            assert daemon.tells(3)
            assert everything_came(daemon, subscriber)
            metrics = daemon.get("/metrics")
            assert daemon.stop() == 0
            assert everything_came(daemon, subscriber)
            counts = counted(daemon, subscriber)
    assert MARK.encode() not in daemon.raw_log()
    assert b"Traceback" not in daemon.raw_log()
    assert not [one for one in subscriber.messages if one.topic in FORBIDDEN_TOPICS and b'"ok"' in bytes(one.payload)]
    handled = {
        result: int(float(metrics.split(f'ffe_commands_total{{result="{result}"}} ')[1].split()[0]))
        for result in ("done", "refused", "dropped")
    }
    assert handled["dropped"] > 100
    assert handled["refused"] > 10
    fault_table.add(
        Fault(
            "malformed and hostile commands (fuzzed)",
            f"{len(attacks)} one by one (deep and long JSON, wrong types, NUL, broken UTF-8, foreign response topics),"
            f" then {len(many)} at once",
            f"{answers} answered with a reason; counted: {handled['done']} done, {handled['refused']} refused,"
            f" {handled['dropped']} dropped unread; nothing of them in the log, no answer on a topic with a meaning",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip
