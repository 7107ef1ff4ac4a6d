"""Subscriber and writer on a real broker and a real store, and a device that speaks MQTT."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, final
from zoneinfo import ZoneInfo

import paho.mqtt.client as paho
from dashboard.payloads import CAMERA, SITE
from e2e.mosquitto import Mosquitto, wait_for
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from sqlalchemy import Table, func, select

from ffe_edge.config import BrokerSettings
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.intake import Intake
from ffe_edge.dashboard.link import Received
from ffe_edge.dashboard.present import Present

EMOTION, STATE, STATUS = f"{CAMERA}/emotion", f"{CAMERA}/state", f"{SITE}/status"
TOKYO = ZoneInfo("Asia/Tokyo")


def settings(broker: Mosquitto, **more: Any) -> BrokerSettings:
    return BrokerSettings(url=broker.url, backoff_max_seconds=1, keepalive_seconds=5, **more)


@final
class Running:
    """``with Running(broker, database) as intake``: what is published is stored."""

    def __init__(self, broker: Mosquitto, database: Database) -> None:
        self.database = database
        self.present = Present()
        self.intake = Intake(database, settings(broker), TOKYO, self.present)
        self.subscriber, self.writer, self.nodes = self.intake.subscriber, self.intake.writer, self.intake.nodes

    def count(self, table: Table) -> int:
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def connected(self) -> None:
        assert wait_for(lambda: self.subscriber.state == "connected")
        time.sleep(0.1)  # subscribed

    def has_received(self, messages: int, timeout_seconds: float = 20) -> bool:
        return wait_for(lambda: self.writer.counts.received >= messages, timeout_seconds)

    def __enter__(self) -> Running:
        self.intake.start()
        self.connected()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.intake.stop()


@final
class Device:
    """A node as it looks from the broker: it publishes, and takes commands with ``answer``."""

    def __init__(self, broker: Mosquitto, node: str = SITE) -> None:
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.answer: Callable[[str, dict[str, Any]], dict[str, Any] | None] = lambda _name, _command: None
        self._port = broker.port
        self._topic = f"{node}/command/"
        self._ready = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, node.replace("/", "-"), protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.max_inflight_messages_set(1000)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self._topic}+", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._take

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> paho.MQTTMessageInfo:
        return self._client.publish(topic, payload, 1, retain)

    def told(self, topic: str, *payloads: bytes, retain: bool = False) -> None:
        """Publish, and wait for the broker to have it."""
        for each in [self.publish(topic, payload, retain=retain) for payload in payloads]:
            each.wait_for_publish(20)

    def _take(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        name, command = message.topic.removeprefix(self._topic), json.loads(message.payload or b"{}")
        self.commands.append((name, command))
        answer = self.answer(name, command)
        topic = getattr(message.properties, "ResponseTopic", None)
        if answer is not None and topic is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
            properties.CorrelationData = getattr(message.properties, "CorrelationData", b"")
            client.publish(topic, json.dumps(answer).encode(), 1, False, properties)

    def __enter__(self) -> Device:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def received(topic: str, payload: bytes, *, retained: bool = False, at_ms: int = 1_790_000_000_000) -> Received:
    """A message without a broker."""
    return Received(topic, payload, retained, at_ms, 1, None)
