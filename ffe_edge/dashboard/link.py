"""One connection of the dashboard to the broker, from CONNECT to the end, driven by the one thread that owns it.

Nothing is acknowledged by itself: who has stored a message acknowledges it. The session at the broker outlives the
connection by days, so that events wait there while the dashboard is away. Source: OASIS, MQTT Version 5.0, 2019.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ffe_edge.mqtt_endpoint import Endpoint, reason_of
from ffe_edge.mqtt_network import properties_of, pump
from ffe_edge.mqtt_session import (
    BUSY,
    CONNACK_SECONDS,
    CONNECT_SECONDS,
    SESSION_TAKEN_OVER,
    UNSUPPORTED_PROTOCOL,
    Answer,
    MqttVersion,
)

SESSION_EXPIRY_SECONDS: Final = 7 * 24 * 3600
"""So long the broker keeps events for us."""
MAX_UNACKNOWLEDGED: Final = 500
"""Messages that the broker may send before we have stored one."""
MAX_PACKET_BYTES: Final = 1024 * 1024
"""A broker of MQTT 5 keeps longer packets away from us. What is shorter and still too long is told."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the broker delivered it; nothing in it is trusted."""

    topic: str | None
    """None: it is no text."""
    payload: bytes
    retained: bool
    received_ms: int
    connection: int
    """Which one brought it: a number of a message means nothing on another one."""
    number: int | None
    """By which it is acknowledged; None: it need not be."""
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A command to a node."""

    topic: str
    payload: bytes
    response_topic: str
    correlation: bytes
    expiry_seconds: int


class Link:
    """A connection: ``open`` it, then ``pump`` while it is ``alive``."""

    def __init__(self, endpoint: Endpoint, version: MqttVersion, number: int, waker: socket.socket) -> None:
        self.version: MqttVersion = version
        self.reason = ""
        """Why it was not accepted or has ended."""
        self.is_resumed = False
        """The broker has kept what came since the last connection."""
        self.denied: list[str] = []
        """Topics that the broker does not let us read."""
        self._endpoint = endpoint
        self._number = number
        self._waker = waker
        self._connack: ReasonCode | None = None
        self._topics: list[str] = []
        self._received: Callable[[Received], None] = lambda _: None
        self._client = self._new_client()

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as this end knows."""
        return self._client.socket() is not None

    def open(self, received: Callable[[Received], None]) -> Answer:
        """Connect and wait for the broker's answer; ``received`` is called from ``pump`` with each message."""
        self._received = received
        try:
            self._connect()
        except (OSError, ValueError) as error:
            self.reason = reason_of(error)
            return "refused" if isinstance(error, ssl.SSLError) else "unreachable"
        deadline = time.monotonic() + CONNACK_SECONDS
        while self._connack is None and self.alive and time.monotonic() < deadline:
            self.pump(0.2)
        return self._answer()

    def subscribe(self, topics: Iterable[tuple[str, int]]) -> None:
        """Ask for topic filters, each with its QoS; what is retained comes, too."""
        wanted = list(topics)
        self._topics = [topic for topic, _ in wanted]
        self._client.subscribe(wanted)

    def acknowledge(self, number: int) -> None:
        """The broker may forget a message."""
        self._client.ack(number, 1)

    def ask(self, question: Question) -> None:
        """Send a command. Without MQTT 5 it goes out, and no answer comes."""
        properties = properties_of(
            self.version,
            PacketTypes.PUBLISH,
            ContentType="application/json",
            ResponseTopic=question.response_topic,
            CorrelationData=question.correlation,
            MessageExpiryInterval=question.expiry_seconds,
        )
        self._client.publish(question.topic, question.payload, 1, False, properties)

    def pump(self, seconds: float) -> None:
        """Do what the network asks for; returns after ``seconds``, or sooner when something came or ``waker`` did."""
        pump(self._client, self._waker, seconds)

    def close(self) -> None:
        """Take leave where the connection stands; the broker keeps the session."""
        self._client.disconnect()
        if (connection := self._client.socket()) is not None:
            connection.close()

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self._endpoint.client_id,
            clean_session=None if self.version == "MQTT 5" else False,
            protocol=MQTTProtocolVersion.MQTTv5 if self.version == "MQTT 5" else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.username_pw_set(self._endpoint.username, self._endpoint.password)
        if self._endpoint.tls is not None:
            client.tls_set_context(self._endpoint.tls)
        client.connect_timeout = CONNECT_SECONDS
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self) -> None:
        self._client.connect(
            self._endpoint.host,
            self._endpoint.port,
            self._endpoint.keepalive_seconds,
            clean_start=False if self.version == "MQTT 5" else paho.MQTT_CLEAN_START_FIRST_ONLY,
            properties=properties_of(
                self.version,
                PacketTypes.CONNECT,
                SessionExpiryInterval=SESSION_EXPIRY_SECONDS,
                MaximumPacketSize=MAX_PACKET_BYTES,
                ReceiveMaximum=MAX_UNACKNOWLEDGED,
            ),
        )

    def _answer(self) -> Answer:
        if self._connack is None:
            self.reason = "it does not answer" if self.alive else "it closed the connection without an answer"
            return "silent" if self.version == "MQTT 5" else "unreachable"
        if not self._connack.is_failure:
            return "accepted"
        self.reason = str(self._connack)
        if self._connack.value == UNSUPPORTED_PROTOCOL:
            return "unsupported"
        return "unreachable" if self._connack.value in BUSY else "refused"

    def _on_connect(
        self, _client: paho.Client, _data: Any, flags: paho.ConnectFlags, reason: ReasonCode, _given: Properties | None
    ) -> None:
        self._connack = reason
        self.is_resumed = flags.session_present

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, flags: paho.DisconnectFlags, reason: ReasonCode, _given: Any
    ) -> None:
        if reason.value == SESSION_TAKEN_OVER:
            self.reason = f"another dashboard uses the client id {self._endpoint.client_id}"
        else:
            self.reason = str(reason) if flags.is_disconnect_packet_from_server else "the connection was lost"

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _given: Properties | None
    ) -> None:
        asked = zip(self._topics, reasons, strict=False)
        self.denied = [topic for topic, reason in asked if reason.is_failure]

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = None
        received = Received(
            topic=topic,
            payload=bytes(message.payload),
            retained=bool(message.retain),
            received_ms=time.time_ns() // 1_000_000,
            connection=self._number,
            number=message.mid if message.qos == 1 else None,
            correlation=getattr(message.properties, "CorrelationData", None),
        )
        self._received(received)
