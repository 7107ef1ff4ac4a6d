"""Subscriber of the live page: what a broker delivers becomes a picture of the moment."""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import final
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import ValidationError

from ffe_edge.config import checked_broker_url
from ffe_edge.dashboard.board import Board, JsonObject
from ffe_edge.dashboard.follower import Follower
from ffe_edge.messages import CameraStatus, Status
from ffe_edge.wire import MAX_EVENT_BYTES, parse_event

logger = logging.getLogger(__name__)

ID = re.compile(r"[a-z0-9-]{1,32}")
UNSUPPORTED_PROTOCOL = 132
RETRY_SECONDS = (1, 10)
"""Shortest and longest wait before the broker is asked again."""


@final
class LiveView:
    """Thread-safe picture of all nodes below a root topic, kept by MQTT.

    ``with LiveView("mqtt://127.0.0.1:1883") as view: view.snapshot()``. Not connecting is a state of the picture,
    never an error: it keeps trying.
    """

    def __init__(self, url: str, root_topic: str = "ffe/v1", *, clock: Callable[[], float] = time.time) -> None:
        """Nothing is connected yet.

        Args:
            url: ``mqtt://host:port`` or ``mqtts://host:port``.
            root_topic: as in the devices' configuration.
            clock: Unix seconds.

        Raises:
            ValueError: the URL names no broker.
        """
        parts = urlsplit(checked_broker_url(url))
        self._tls = parts.scheme == "mqtts"
        self._host = parts.hostname or ""
        self._port = parts.port or (8883 if self._tls else 1883)
        self._root = root_topic
        self._clock = clock
        self._board = Board()
        self._lock = threading.RLock()
        self._followers: list[Follower] = []
        self._client: paho.Client | None = None
        self._stopping = False
        self._refused_payloads = 0

    def __enter__(self) -> LiveView:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Connect in the background."""
        self._connect(MQTTProtocolVersion.MQTTv5)

    def stop(self) -> None:
        """Disconnect. The picture stays; doing so twice is allowed."""
        with self._lock:
            self._stopping = True
            client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def snapshot(self) -> JsonObject:
        """Everything that is known, as a JSON object."""
        with self._lock:
            return self._board.snapshot(self._now_ms())

    def follow(self, wake: Callable[[], object]) -> Follower:
        """Collect updates from now on; ``wake`` is called from other threads and must not block."""
        with self._lock:
            follower = Follower(wake)
            follower.put("snapshot", self._snapshot_text())
            self._followers.append(follower)
            return follower

    def unfollow(self, follower: Follower) -> None:
        """Collect no more."""
        with self._lock:
            self._followers.remove(follower)

    def take(self, follower: Follower) -> list[tuple[str, str]]:
        """What happened since the last call, as (kind, JSON); kind is ``snapshot`` or ``update``."""
        with self._lock:
            return follower.take(self._snapshot_text)

    @property
    def followers(self) -> int:
        """How many pages are open."""
        with self._lock:
            return len(self._followers)

    def receive(self, topic: str, payload: bytes) -> None:
        """Take in one message, whoever sent it. What is not of the contract changes nothing."""
        levels = topic.removeprefix(f"{self._root}/").split("/")
        if not topic.startswith(f"{self._root}/") or not all(ID.fullmatch(level) for level in levels):
            return
        if not payload:
            logger.debug("a retained message was cleared")
            return
        try:
            self._sort(levels, payload)
        except ValueError as error:
            self._refused_payloads += 1
            if self._refused_payloads == 1:
                reason = "not of the contract" if isinstance(error, ValidationError) else error
                logger.warning("a message is ignored, and all like it without a word: %s", reason)

    def _sort(self, levels: list[str], payload: bytes) -> None:
        if len(payload) > MAX_EVENT_BYTES:
            raise ValueError(f"a payload of {len(payload)} bytes")
        match levels:
            case [site, node, "status"]:
                status = Status.model_validate_json(payload)
                self._change(lambda board, now: board.set_node(f"{site}/{node}", status, now))
            case [site, node, "camera", camera, "state"]:
                state = CameraStatus.model_validate_json(payload)
                self._change(lambda board, now: board.set_camera(f"{site}/{node}/{camera}", state, now))
            case [site, node, "camera", camera, "emotion"]:
                self._add_event(f"{site}/{node}/{camera}", payload)

    def _add_event(self, camera: str, payload: bytes) -> None:
        event = parse_event(payload)
        self._change(lambda board, now: board.add_event(camera, event, now))

    def _change(self, change: Callable[[Board, int], bool]) -> None:
        with self._lock:
            now_ms = self._now_ms()
            if change(self._board, now_ms):
                self._tell(now_ms)

    def _tell(self, now_ms: int) -> None:
        events = self._board.take_news()
        if self._followers:
            update = self._board.present(now_ms) | {"events": events, "outages": self._board.outages()}
            text = json.dumps(update, allow_nan=False)
            for follower in self._followers:
                follower.put("update", text)

    def _snapshot_text(self) -> str:
        return json.dumps(self._board.snapshot(self._now_ms()), allow_nan=False)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _connect(self, protocol: MQTTProtocolVersion) -> None:
        # With properties or without a client id amqtt takes a CONNECT of MQTT 5 for a broken 3.1.1 and never answers.
        client_id = f"ffe-live-{secrets.token_hex(6)}"
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol)
        if self._tls:
            client.tls_set()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.reconnect_delay_set(*RETRY_SECONDS)
        with self._lock:
            if self._stopping:
                return
            self._board.set_broker(False, self._now_ms())
            self._client = client
            client.connect_async(self._host, self._port, keepalive=15)
            client.loop_start()

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: paho.ConnectFlags, reason: ReasonCode, _more: object
    ) -> None:
        if reason.value == UNSUPPORTED_PROTOCOL:
            logger.warning("the broker speaks no MQTT 5: the live page takes 3.1.1")
            self._connect(MQTTProtocolVersion.MQTTv311)
            client.disconnect()
        elif reason.is_failure:
            logger.warning("the broker refuses the live page: %s", reason)
        else:
            topics = ("status", "camera/+/state", "camera/+/emotion")
            client.subscribe([(f"{self._root}/+/+/{topic}", 1) for topic in topics])
            self._set_broker(client, connected=True)

    def _on_subscribe(
        self, _client: paho.Client, _data: object, _id: int, reasons: list[ReasonCode], _more: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            logger.warning("the broker does not let the live page read below %s", self._root)

    def _on_disconnect(
        self, client: paho.Client, _data: object, _flags: object, _reason: ReasonCode, _more: object
    ) -> None:
        self._set_broker(client, connected=False)

    def _set_broker(self, client: paho.Client, *, connected: bool) -> None:
        """A client that has been replaced may say goodbye late: it is not asked."""
        with self._lock:
            if client is self._client:
                self._change(lambda board, now: board.set_broker(connected, now))

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            logger.debug("a topic that is not UTF-8 is ignored")
            return
        self.receive(topic, bytes(message.payload))
