"""One connection to an MQTT broker, from CONNECT to the end, driven by the one thread that owns it.

Source: OASIS, MQTT Version 5.0, 2019. Events are QoS 1. The state of delivery is the outbox's, never the session's:
the session outlives a connection only so that a quick reconnect keeps the broker from publishing the will (3.1.3.2.2).
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ffe_edge.mqtt_endpoint import Endpoint, reason_of
from ffe_edge.mqtt_message import Incoming, Message, incoming
from ffe_edge.mqtt_network import properties_of, pump

CONNECT_SECONDS = 5.0
"""For TCP, then again for TLS."""
CONNACK_SECONDS = 3.0
"""For the broker's answer to CONNECT. amqtt, which knows MQTT 3.1.1 only, is silent when asked for MQTT 5."""
SESSION_EXPIRY_SECONDS = 60
WILL_DELAY_SECONDS = 2
MAX_PACKET_BYTES = 16 * 1024
"""No command comes near it; a broker of MQTT 5 keeps longer packets away from us."""
MAX_INCOMING = 20
"""Messages that the broker may send before we have acknowledged one."""
UNSUPPORTED_PROTOCOL = 132
SESSION_TAKEN_OVER = 142
BUSY = frozenset({136, 137, 151, 159})
"""CONNACK reasons that pass by themselves: server unavailable or busy, quota or connection rate exceeded."""

MqttVersion = Literal["MQTT 5", "MQTT 3.1.1"]
Answer = Literal["accepted", "refused", "unsupported", "silent", "unreachable"]
"""``silent`` to CONNECT: a broker that does not know MQTT 5, or a network that has failed."""


class Session:
    """A connection: ``open`` it, then ``publish`` and ``pump`` while it is ``alive``."""

    def __init__(self, endpoint: Endpoint, version: MqttVersion, will: Message, waker: socket.socket) -> None:
        self.version: MqttVersion = version
        self.reason = ""
        """Why it was not accepted or has ended."""
        self.taken_over = False
        """Another program has connected with our client id."""
        self._endpoint = endpoint
        self._waker = waker
        self._receive_maximum = 65_535
        self._connack: ReasonCode | None = None
        self._unanswered: dict[int, Callable[[ReasonCode], None]] = {}
        self._received: Callable[[Incoming], None] = lambda _: None
        self._subscribed: Callable[[ReasonCode], None] = lambda _: None
        self._client = self._new_client(will)

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as this end knows."""
        return self._client.socket() is not None

    @property
    def room(self) -> int:
        """Messages that the broker would still take."""
        return self._receive_maximum - self.in_flight

    @property
    def in_flight(self) -> int:
        """Messages without an answer."""
        return len(self._unanswered)

    def open(self) -> Answer:
        """Connect and wait for the broker's answer."""
        try:
            self._connect()
        except (OSError, ValueError) as error:
            self.reason = reason_of(error)
            return "refused" if isinstance(error, ssl.SSLError) else "unreachable"
        deadline = time.monotonic() + CONNACK_SECONDS
        while self._connack is None and self.alive and time.monotonic() < deadline:
            self.pump(0.2)
        return self._answer()

    def publish(self, message: Message, answered: Callable[[ReasonCode], None]) -> None:
        """Send a message; ``answered`` is called from ``pump`` with the broker's reason code."""
        properties = properties_of(
            self.version, PacketTypes.PUBLISH, ContentType=message.content_type, PayloadFormatIndicator=1
        )
        if properties is not None and message.expiry_seconds is not None:
            properties.MessageExpiryInterval = message.expiry_seconds
        if properties is not None and message.correlation is not None:
            properties.CorrelationData = message.correlation
        sent = self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if message.qos > 0:
            self._unanswered[sent.mid] = answered

    def subscribe(
        self,
        filters: Mapping[str, bool],
        received: Callable[[Incoming], None],
        answered: Callable[[ReasonCode], None],
    ) -> None:
        """Ask for messages from now on.

        Args:
            filters: topic filters, and whether what is retained there is wanted, too (MQTT 3.1.1 sends it always).
            received: called from ``pump`` with each message.
            answered: called from ``pump`` with the broker's reason code for each filter.
        """
        self._received, self._subscribed = received, answered
        if self.version == "MQTT 5":
            self._client.subscribe([(one, _options(wants_retained=wanted)) for one, wanted in filters.items()])
        else:
            self._client.subscribe([(one, 1) for one in filters])

    def pump(self, seconds: float) -> None:
        """Do what the network asks for; returns after ``seconds``, or sooner when something came or ``waker`` did."""
        pump(self._client, self._waker, seconds)

    def settle(self, deadline: float) -> None:
        """Wait for the answers to what was sent, until the monotonic clock shows ``deadline``."""
        while self.alive and self.in_flight and (left := deadline - time.monotonic()) > 0:
            self.pump(min(left, 0.2))

    def disconnect(self, deadline: float) -> None:
        """Take leave: the broker drops the will."""
        self._client.disconnect()
        while self.alive and (left := deadline - time.monotonic()) > 0:
            self.pump(min(left, 0.2))

    def close(self) -> None:
        """Hang up; where ``disconnect`` did not come first, the broker will publish the will."""
        if (connection := self._client.socket()) is not None:
            connection.close()

    def _new_client(self, will: Message) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self._endpoint.client_id,
            clean_session=None if self.version == "MQTT 5" else True,
            protocol=MQTTProtocolVersion.MQTTv5 if self.version == "MQTT 5" else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        properties = properties_of(
            self.version, PacketTypes.WILLMESSAGE, ContentType=will.content_type, WillDelayInterval=WILL_DELAY_SECONDS
        )
        client.will_set(will.topic, will.payload, 1, will.retain, properties)
        client.username_pw_set(self._endpoint.username, self._endpoint.password)
        if self._endpoint.tls is not None:
            client.tls_set_context(self._endpoint.tls)
        client.connect_timeout = CONNECT_SECONDS
        client.max_inflight_messages_set(65_535)  # the window is ours to keep
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
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
                ReceiveMaximum=MAX_INCOMING,
            ),
        )

    def _answer(self) -> Answer:
        if self._connack is None:
            self.reason = "it does not answer" if self.alive else self._closed()
            return "silent" if self.version == "MQTT 5" else "unreachable"
        if not self._connack.is_failure:
            return "accepted"
        self.reason = str(self._connack)
        if self._connack.value == UNSUPPORTED_PROTOCOL:
            return "unsupported"
        return "unreachable" if self._connack.value in BUSY else "refused"

    def _closed(self) -> str:
        """Under TLS 1.3 a broker that does not take our certificate says so by hanging up after the handshake."""
        hint = "; it may not take our certificate (revoked, or expired)" if self._endpoint.tls else ""
        return f"it closed the connection without an answer{hint}"

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: paho.ConnectFlags, reason: ReasonCode, given: Properties | None
    ) -> None:
        self._connack = reason
        self._receive_maximum = getattr(given, "ReceiveMaximum", self._receive_maximum)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: Any,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _given: Properties | None,
    ) -> None:
        if reason.value == SESSION_TAKEN_OVER:
            self.taken_over = True
            self.reason = f"another program uses the client id {self._endpoint.client_id}"
        else:
            self.reason = str(reason) if flags.is_disconnect_packet_from_server else "the connection was lost"

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _given: Properties | None
    ) -> None:
        if (answered := self._unanswered.pop(mid, None)) is not None:
            answered(reason)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _given: Properties | None
    ) -> None:
        for reason in reasons:
            self._subscribed(reason)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if (received := incoming(message)) is not None:
            self._received(received)


def _options(*, wants_retained: bool) -> SubscribeOptions:
    handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if wants_retained else SubscribeOptions.RETAIN_DO_NOT_SEND
    return SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=handling)
