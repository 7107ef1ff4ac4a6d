"""From the outbox to the broker, in a thread of its own: connect, deliver, and try again for as long as it takes."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Literal

from paho.mqtt.reasoncodes import ReasonCode

from ffe_edge.config import BrokerSettings
from ffe_edge.errors import StoreError
from ffe_edge.mqtt_delivery import Backoff, Delivery
from ffe_edge.mqtt_endpoint import Endpoint
from ffe_edge.mqtt_session import Answer, Message, MqttVersion, Session
from ffe_edge.outbox import Outbox

logger = logging.getLogger(__name__)

STEADY_SECONDS = 10.0
"""A connection that stood this long lets the back-off start anew."""
SUSPICIOUS_CONNECTIONS = 3
"""So many shorter ones in a row look like two programs that push each other out."""

BrokerState = Literal["connecting", "connected", "refused", "unreachable"]


class Publisher:
    """Delivers the outbox to the broker, oldest first, and keeps the node's retained topics up to date.

    An entry leaves the outbox when the broker has acknowledged it: a crash at any moment costs duplicates at most.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        outbox: Outbox,
        *,
        node_topic: str,
        session: str,
        client_id: str,
        window: int,
        birth: Callable[[], bytes],
        will: bytes,
    ) -> None:
        """Prepare; nothing is sent before ``start``.

        Args:
            settings: where the broker is.
            outbox: what is to be delivered. The caller closes it, after ``stop``.
            node_topic: prefix of the node's topics; birth and will go to ``<node_topic>/status``.
            session: name of this run, the one in ``birth`` and ``will``.
            client_id: the MQTT client id, the same in every run of a node.
            window: messages on their way at once.
            birth: payload of the retained status on every connect; called from the network thread.
            will: payload of the retained status when this process vanishes.

        Raises:
            BrokerError: no broker is set, or the password or a certificate cannot be read.
        """
        self._endpoint = Endpoint.from_settings(settings, client_id)
        self._status_topic = f"{node_topic}/status"
        self._birth = birth
        self._will = Message(self._status_topic, will)
        self._short_connections = 0
        self._backoff = Backoff(settings.backoff_max_seconds)
        self._delivery = Delivery(outbox, window, Backoff(settings.backoff_max_seconds))
        self._state: BrokerState = "connecting"
        self._protocol: MqttVersion | None = None
        self._told = ""
        self._warned: set[str] = set()
        self._mutex = threading.Lock()
        self._retained: dict[str, Message] = {}
        self._unsent: dict[str, Message] = {}
        self._stopping = threading.Event()
        self._final = Message(self._status_topic, will)
        self._deadline = float("inf")
        self._waker, self._wakee = socket.socketpair()
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{session}", daemon=True)

    @property
    def state(self) -> BrokerState:
        """``connecting`` until the broker first answers or fails; ``refused`` when a person must mend something."""
        return self._state

    @property
    def protocol(self) -> MqttVersion | None:
        """What the broker speaks, None before the first connection."""
        return self._protocol

    def start(self) -> None:
        """Connect and deliver from now on."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the outbox."""
        with suppress(OSError):  # full of wake-ups already, or stopped
            self._waker.send(b"\0")

    def publish_retained(self, topic: str, payload: bytes, *, expiry_seconds: int | None = None) -> None:
        """Set the value of a retained topic: sent now or when the broker is there, and again on every reconnect.

        Args:
            topic: full topic.
            payload: its value; an older one that is still unsent is dropped.
            expiry_seconds: after which the broker forgets it (MQTT 5), None: never.
        """
        message = Message(topic, payload, expiry_seconds=expiry_seconds)
        with self._mutex:
            self._retained[topic] = self._unsent[topic] = message
        self.wake()

    def wait_until_delivered(self, timeout_seconds: float | None) -> bool:
        """Whether the broker has every event of the outbox, waited for at most that long (None: for ever)."""
        return self._delivery.wait(timeout_seconds)

    def stop(self, final: bytes, timeout_seconds: float) -> None:
        """Publish ``final`` as the node's status and disconnect; returns in time even when the broker is dead.

        What the broker has not acknowledged stays in the outbox.
        """
        self._final = Message(self._status_topic, final)
        self._deadline = time.monotonic() + 0.9 * timeout_seconds
        self._stopping.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        elif self._thread.ident is None:
            self._wakee.close()
        self._waker.close()

    def _run(self) -> None:
        try:
            while True:
                state, reason = self._serve()
                self._state = state
                if self._stopping.is_set():
                    return
                delay = self._backoff.next_seconds()
                self._tell(reason, delay)
                if self._stopping.wait(delay):
                    return
        finally:
            self._state = "unreachable"
            self._wakee.close()

    def _serve(self) -> tuple[BrokerState, str]:
        session, answer = self._opened()
        try:
            if answer == "accepted":
                self._work(session)
        except StoreError as error:
            return "unreachable", str(error)
        finally:
            session.close()
        return "refused" if answer in ("refused", "unsupported") else "unreachable", session.reason

    def _opened(self) -> tuple[Session, Answer]:
        session = Session(self._endpoint, "MQTT 5", self._will, self._wakee)
        answer = session.open()
        if answer == "unsupported":
            session.close()
            session = Session(self._endpoint, "MQTT 3.1.1", self._will, self._wakee)
            answer = session.open()
        return session, answer

    def _work(self, session: Session) -> None:
        began = time.monotonic()
        self._connected(session)
        while session.alive and not self._stopping.is_set():
            self._send_retained(session)
            self._delivery.send(session)
            session.pump(1.0)
        if session.alive:
            self._leave(session)
        self._judge(time.monotonic() - began)

    def _judge(self, seconds: float) -> None:
        if seconds > STEADY_SECONDS:
            self._backoff.reset()
            self._short_connections = 0
            return
        self._short_connections += 1
        if self._short_connections == SUSPICIOUS_CONNECTIONS:  # mosquitto 2.0.11 gives no reason for a takeover
            self._warn_once(
                f"it hangs up again and again; does another program use the client id {self._endpoint.client_id}?"
            )

    def _connected(self, session: Session) -> None:
        self._state = "connected"
        self._protocol = session.version
        self._told = ""
        logger.info("broker %s connected (%s)", self._endpoint.url, session.version)
        if session.version != "MQTT 5":
            self._warn_once("it speaks MQTT 3.1.1 only, where an event that it denies counts as delivered")
        with self._mutex:
            self._unsent = dict(self._retained)
        self._delivery.begin()
        self._publish(session, Message(self._status_topic, self._birth()))

    def _leave(self, session: Session) -> None:
        session.settle(self._deadline)
        self._send_retained(session)
        self._publish(session, self._final)
        session.settle(self._deadline)
        session.disconnect(self._deadline)

    def _send_retained(self, session: Session) -> None:
        with self._mutex:
            topics = list(self._unsent)[: max(0, session.room)]
            messages = [self._unsent.pop(topic) for topic in topics]
        for message in messages:
            self._publish(session, message)

    def _publish(self, session: Session, message: Message) -> None:
        session.publish(message, partial(self._answered, message.topic))

    def _answered(self, topic: str, reason: ReasonCode) -> None:
        if reason.is_failure:
            self._warn_once(f"it denies {topic} ({reason}); check its access rules")

    def _tell(self, reason: str, delay: float) -> None:
        news = f"{self._state} {reason}"
        if news == self._told:
            return
        self._told = news
        said = "refuses us" if self._state == "refused" else "unreachable"
        logger.warning(
            "broker %s %s (%s); events are kept, next try in %.1f s", self._endpoint.url, said, reason, delay
        )

    def _warn_once(self, warning: str) -> None:
        if warning not in self._warned:
            self._warned.add(warning)
            logger.warning("broker %s: %s", self._endpoint.url, warning)
