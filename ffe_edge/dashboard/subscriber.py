"""From the broker to the dashboard, in a thread of its own: connect, receive, and try again for as long as it takes."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Literal

from paho.mqtt import MQTTException

from ffe_edge.config import BrokerSettings
from ffe_edge.dashboard.link import Link, Question, Received
from ffe_edge.mqtt_delivery import Backoff
from ffe_edge.mqtt_endpoint import Endpoint
from ffe_edge.mqtt_session import Answer, MqttVersion

logger = logging.getLogger(__name__)

TOPICS: Final = (
    ("status", 1),
    ("health", 0),
    ("camera/+/state", 1),
    ("camera/+/emotion", 1),
    ("camera/+/summary", 1),
)
"""Of every node, with the QoS that is asked for."""
MAX_QUESTIONS: Final = 1_000
"""That wait for a connection; beyond it the oldest are dropped, and asked again by who needs the answer."""
STEADY_SECONDS: Final = 10.0
"""A connection that stood this long is no sign of trouble."""
STOP_SECONDS: Final = 5.0

_NOT_MQTT: Final = (MQTTException, ValueError, struct.error)
"""What paho raises where it cannot read a packet."""

LinkState = Literal["connecting", "connected", "refused", "unreachable"]
"""``refused``: a person must mend something."""


class Subscriber:
    """Keeps a session at the broker. What it receives is acknowledged when ``acknowledge`` is told so, never before."""

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        received: Callable[[Received], None],
        changed: Callable[[bool, bool], None] = lambda _connected, _resumed: None,
    ) -> None:
        """Prepare; nothing is connected before ``start``.

        Args:
            settings: where the broker is.
            client_id: the same at every start: by it the broker knows what it has kept for us.
            received: takes each message; called from the network thread.
            changed: told of a connection that has come or gone, and whether the broker had kept what came in between.

        Raises:
            BrokerError: no broker is set, or the password or a certificate cannot be read.
        """
        self._endpoint = Endpoint.from_settings(settings, client_id)
        self._root = settings.root_topic
        self.response_level = f"response/{client_id}"
        """Below a node's topic: where it answers us."""
        self._received = received
        self._changed = changed
        self._backoff = Backoff(settings.backoff_max_seconds)
        self._state: LinkState = "connecting"
        self._version: MqttVersion | None = None
        self._reason = ""
        self._told = ""
        self._connected_since_ms: int | None = None
        self._connections = 0
        self._acknowledged: deque[tuple[int, int]] = deque()
        self._questions: deque[Question] = deque(maxlen=MAX_QUESTIONS)
        self._stopping = threading.Event()
        self._waker, self._wakee = socket.socketpair()
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    @property
    def state(self) -> LinkState:
        """How it stands with the broker."""
        return self._state

    @property
    def reason(self) -> str:
        """Why there is no connection; empty where there is one."""
        return self._reason

    @property
    def version(self) -> MqttVersion | None:
        """What the broker speaks, None before the first connection. Without MQTT 5 nodes do not answer."""
        return self._version

    @property
    def connected_since_ms(self) -> int | None:
        """Since when (Unix milliseconds) the connection stands; None where there is none."""
        return self._connected_since_ms

    @property
    def url(self) -> str:
        """Of the broker, without credentials."""
        return self._endpoint.url

    def start(self) -> None:
        """Connect and receive from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Send the acknowledgements that are due and disconnect; the broker keeps the session."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        elif self._thread.ident is None:
            self._wakee.close()
        self._waker.close()

    def acknowledge(self, messages: Iterable[Received]) -> None:
        """These are stored. Those of an earlier connection come again all the same."""
        self._acknowledged.extend((one.connection, one.number) for one in messages if one.number is not None)
        self._wake()

    def ask(self, question: Question) -> None:
        """Send a command, now or when the broker is there."""
        self._questions.append(question)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full of wake-ups already, or stopped
            self._waker.send(b"\0")

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._serve()
                if not self._stopping.is_set():
                    self._stopping.wait(self._failed())
        finally:
            self._wakee.close()

    def _serve(self) -> None:
        link, answer = self._opened()
        try:
            if answer == "accepted":
                self._work(link)
        except _NOT_MQTT as error:
            link.reason = f"it sends what is no MQTT: {type(error).__name__}"
        finally:
            link.close()
        self._reason = link.reason
        self._state = "refused" if answer in ("refused", "unsupported") else "unreachable"

    def _opened(self) -> tuple[Link, Answer]:
        """A connection of MQTT 5, or of 3.1.1 where the broker knows nothing else."""
        link, answer = self._tried("MQTT 5")
        if answer not in ("unsupported", "silent"):
            return link, answer
        link.close()
        older, older_answer = self._tried("MQTT 3.1.1")
        if older_answer == "accepted" and answer == "silent" and self._version == "MQTT 5":
            older.reason = link.reason  # it knows MQTT 5 and was only slow: the session there holds our events
            return older, "unreachable"
        return older, older_answer

    def _tried(self, version: MqttVersion) -> tuple[Link, Answer]:
        self._connections += 1
        link = Link(self._endpoint, version, self._connections, self._wakee)
        return link, link.open(self._received)

    def _work(self, link: Link) -> None:
        began = time.monotonic()
        self._connected(link)
        try:
            while link.alive and not self._stopping.is_set():
                self._send(link)
                link.pump(1.0)
                self._tell_denied(link)
            self._send(link)
        finally:
            self._connected_since_ms = None
            self._changed(False, False)
        if time.monotonic() - began > STEADY_SECONDS:
            self._backoff.reset()

    def _connected(self, link: Link) -> None:
        self._state, self._version, self._reason = "connected", link.version, ""
        news = f"connected {link.version}"
        if news != self._told:
            self._told = news
            logger.info("broker %s connected (%s)", self.url, link.version)
            if link.version != "MQTT 5":
                logger.warning("broker %s speaks MQTT 3.1.1 only: devices cannot answer, so that no resident is known "
                               "to be forgotten there; use mosquitto 2, say", self.url)  # fmt: skip
        self._connected_since_ms = time.time_ns() // 1_000_000
        self._changed(True, link.is_resumed)
        link.subscribe((f"{self._root}/+/+/{level}", qos) for level, qos in (*TOPICS, (self.response_level, 1)))

    def _send(self, link: Link) -> None:
        while self._acknowledged:
            connection, number = self._acknowledged.popleft()
            if connection == self._connections:
                link.acknowledge(number)
        while self._questions:
            link.ask(self._questions.popleft())

    def _tell_denied(self, link: Link) -> None:
        if link.denied:
            logger.warning("broker %s does not let us read %s; check its access rules", self.url, link.denied[0])
            link.denied = []

    def _failed(self) -> float:
        """Tell why there is no connection, once; returns how long to wait."""
        delay = self._backoff.next_seconds()
        news = f"{self._state} {self._reason}"
        if news != self._told:
            self._told = news
            said = "refuses us" if self._state == "refused" else "unreachable"
            logger.warning("broker %s %s (%s); next try in %.1f s", self.url, said, self._reason, delay)
        return delay
