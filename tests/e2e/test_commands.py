"""Commands and replays through a real broker."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import paho.mqtt.client as paho
import pytest
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ffe_edge.commands import Answer, Command, Commands, Pause, Replay, replay_answer
from ffe_edge.config import BrokerSettings
from ffe_edge.mqtt import Publisher
from ffe_edge.mqtt_message import Node as MqttNode
from ffe_edge.outbox import Outbox

NODE = "ffe/v1/kiso/edge-01"
EVENTS = f"{NODE}/camera/day-room/emotion"
SUMMARY = f"{NODE}/camera/day-room/summary"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as one:
        yield one


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    keep: dict[str, Any] = {"keep_seconds": 3600.0, "keep_bytes": 2**20}
    one = Outbox(tmp_path / "o.sqlite", max_bytes=2**24, gap_topic=EVENTS, render_gap=lambda *_: b"gap", **keep)
    yield one
    one.close()


@final
class Node:
    """A publisher that takes commands and remembers them."""

    def __init__(self, broker: Mosquitto, outbox: Outbox) -> None:
        self.taken: list[Command] = []
        commands = Commands(NODE, self._handle)
        self.publisher = Publisher(
            BrokerSettings(url=broker.url, backoff_max_seconds=1),
            outbox,
            MqttNode(NODE, "s1", "ffe-edge-01", lambda: b"birth", b"will"),
            window=20,
            subscriptions={commands.topic_filter: commands.take},
        )

    def _handle(self, command: Command) -> Answer:
        self.taken.append(command)
        if isinstance(command, Replay):
            return replay_answer(self.publisher.replay(command.since_sequence))
        return Answer(ok=True, reason="done")

    def __enter__(self) -> Node:
        self.publisher.start()
        assert wait_for(lambda: self.publisher.state == "connected")
        return self

    def __exit__(self, *_: object) -> None:
        self.publisher.stop(b"stopped", 3.0)


def ask(broker: Mosquitto, name: str, payload: bytes = b"", *, retain: bool = False, version: int = 5) -> None:
    properties = None
    if version == 5:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
        properties.ResponseTopic = "asker/1"
        properties.CorrelationData = b"\x00\x01"
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion(version))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.publish(f"{NODE}/command/{name}", payload, 1, retain, properties).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_a_command_is_answered_on_the_response_topic_with_the_correlation_data(
    broker: Mosquitto, outbox: Outbox
) -> None:
    with Subscriber(broker, "asker/#") as subscriber, Node(broker, outbox) as node:
        ask(broker, "pause")
        assert wait_for(lambda: subscriber.last("asker/1") != b"")
    assert node.taken == [Pause()]
    answer = subscriber.messages[-1]
    assert json.loads(answer.payload) == {"ok": True, "reason": "done"}
    assert (getattr(answer.properties, "CorrelationData", None), answer.qos) == (b"\x00\x01", 1)


def test_a_retained_command_is_refused_while_connected_and_never_seen_later(broker: Mosquitto, outbox: Outbox) -> None:
    with Subscriber(broker, "asker/#") as subscriber:
        with Node(broker, outbox) as node:
            ask(broker, "pause", retain=True)
            assert wait_for(lambda: b"published retained" in subscriber.last("asker/1"))
        with Node(broker, outbox) as later:
            ask(broker, "reload")
            assert wait_for(lambda: len(later.taken) == 1)
    assert node.taken == []
    assert type(later.taken[0]).__name__ == "Reload"


def test_a_command_from_mqtt_3_1_1_is_done_without_an_answer(broker: Mosquitto, outbox: Outbox) -> None:
    with Node(broker, outbox) as node:
        ask(broker, "pause", version=4)
        assert wait_for(lambda: node.taken == [Pause()])


def test_a_replay_brings_the_same_events_again_marked(broker: Mosquitto, outbox: Outbox) -> None:
    def event(sequence: int) -> bytes:
        return json.dumps({"id": f"id-{sequence}", "sequence": sequence, "replayed": False}).encode()

    with Subscriber(broker, "#") as subscriber, Node(broker, outbox) as node:
        for topic in (EVENTS, EVENTS, SUMMARY, EVENTS):
            outbox.append(topic, event)
        node.publisher.wake()
        assert node.publisher.wait_until_delivered(10)
        ask(broker, "replay", b'{"since_sequence":2}')
        assert wait_for(lambda: len(subscriber.payloads(EVENTS) + subscriber.payloads(SUMMARY)) == 7)
        answer = json.loads(subscriber.last("asker/1"))
    assert answer == {
        "ok": True, "reason": "3 events are sent again", "count": 3, "first_sequence": 2, "missing": 0
    }  # fmt: skip
    events = [json.loads(payload) for payload in subscriber.payloads(EVENTS)]
    assert [(one["id"], one["replayed"]) for one in events] == [
        ("id-1", False), ("id-2", False), ("id-4", False), ("id-2", True), ("id-4", True),
    ]  # fmt: skip
    with Subscriber(broker, SUMMARY) as late:
        assert wait_for(lambda: late.last(SUMMARY) == event(3))  # the replay did not replace what is retained


def test_a_replay_goes_on_when_the_broker_is_killed_in_it(broker: Mosquitto, outbox: Outbox) -> None:
    with Subscriber(broker, "#") as subscriber, Node(broker, outbox) as node:
        for _ in range(200):
            outbox.append(EVENTS, lambda sequence: b'{"sequence":%d}' % sequence)
        node.publisher.wake()
        assert node.publisher.wait_until_delivered(10)
        broker.send_signal(signal.SIGSTOP)  # what it has acknowledged but not delivered would die with it
        node.publisher.replay(1)
        time.sleep(0.3)  # the window fills
        broker.kill()
        broker.start()
        assert wait_for(lambda: len({p for p in subscriber.payloads(EVENTS) if b"replayed" in p}) == 200)
    assert outbox.marked(0, 1000) == []


def test_new_events_do_not_wait_behind_a_replay(broker: Mosquitto, outbox: Outbox) -> None:
    with Subscriber(broker, "#") as subscriber, Node(broker, outbox) as node:
        for number in range(400):
            outbox.append(EVENTS, lambda sequence: b'{"sequence":%d}' % sequence)
            if number % 50 == 0:
                node.publisher.wake()
        assert node.publisher.wait_until_delivered(10)
        node.publisher.replay(1)
        outbox.append(EVENTS, lambda _: b"new")
        node.publisher.wake()
        assert wait_for(lambda: b"new" in subscriber.payloads(EVENTS))
        assert wait_for(lambda: len(subscriber.payloads(EVENTS)) >= 801)
    payloads = subscriber.payloads(EVENTS)
    assert payloads.index(b"new") < len(payloads) - 300


def test_an_answer_that_is_denied_names_no_topic_of_the_asker(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = tmp_path / "rules"
    rules.write_text(f"topic readwrite {NODE}/#\n")
    with Mosquitto(tmp_path, config=f"allow_anonymous true\nacl_file {rules}") as broker, Node(broker, outbox) as node:
        ask(broker, "pause")
        assert wait_for(lambda: "denies an answer to a command (Not authorized)" in caplog.text)
        outbox.append(EVENTS, lambda _: b"{}")
        node.publisher.wake()
        assert node.publisher.wait_until_delivered(10)
    assert "asker" not in caplog.text


def test_a_broker_that_lets_us_read_no_commands_still_gets_events(outbox: Outbox, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text(f"topic write {NODE}/#\n")
    with Mosquitto(tmp_path, config=f"allow_anonymous true\nacl_file {rules}") as broker, Node(broker, outbox) as node:
        outbox.append(EVENTS, lambda _: b"{}")
        node.publisher.wake()
        assert node.publisher.wait_until_delivered(10)
        ask(broker, "pause")


def test_a_broker_keeps_long_packets_away(broker: Mosquitto, outbox: Outbox) -> None:
    with Node(broker, outbox) as node:
        ask(broker, "resume", b" " * 20_000)
        ask(broker, "pause")
        assert wait_for(lambda: node.taken == [Pause()])
        assert node.publisher.state == "connected"
