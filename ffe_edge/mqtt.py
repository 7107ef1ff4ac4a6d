"""From the outbox to the broker, in a thread of its own: connect, deliver, and try again for as long as it takes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial

from paho.mqtt.client import topic_matches_sub

from ffe_edge.config import BrokerSettings
from ffe_edge.errors import BrokerError, StoreError
from ffe_edge.mqtt_delivery import Backoff, Delivery
from ffe_edge.mqtt_endpoint import Endpoint
from ffe_edge.mqtt_message import Incoming, Message, Node, Outgoing
from ffe_edge.mqtt_news import BrokerState, News
from ffe_edge.mqtt_session import Answer, MqttVersion, Session
from ffe_edge.outbox import Outbox
from ffe_edge.outbox_delivered import Replay

EXPIRE_SECONDS = 60.0
"""How often delivered events that were kept long enough are looked for."""

Subscriptions = Mapping[str, Callable[[Incoming], Message | None]]
"""By topic filter, what takes a message and may give one to be published."""


class Publisher:
    """Delivers the outbox to the broker, oldest first, and keeps the node's retained topics up to date.

    An entry leaves the outbox when the broker has acknowledged it: a crash at any moment costs duplicates at most.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        outbox: Outbox,
        node: Node,
        *,
        window: int,
        subscriptions: Subscriptions | None = None,
        retained: Collection[str] = (),
    ) -> None:
        """Prepare; nothing is sent before ``start``.

        Args:
            settings: where the broker is.
            outbox: what is to be delivered. The caller closes it, after ``stop``.
            node: who speaks.
            window: messages on their way at once.
            subscriptions: what is wanted of the broker; the callables run in the network thread and must not wait.
            retained: filters among them whose retained messages are wanted, too.

        Raises:
            BrokerError: no broker is set, or the password or a certificate cannot be read.
        """
        self._endpoint = partial(Endpoint.from_settings, settings, node.client_id)
        self._node = node
        self._news = News(self._endpoint())
        self._backoff = Backoff(settings.backoff_max_seconds)
        self._outbox = outbox
        self._delivery = Delivery(outbox, window, Backoff(settings.backoff_max_seconds))
        self._state: BrokerState = "connecting"
        self._protocol: MqttVersion | None = None
        self._outgoing = Outgoing()
        self._subscriptions, self._retained = dict(subscriptions or {}), frozenset(retained)
        self._turned_at = time.monotonic()
        self._expired_at = float("-inf")
        self._stopping = threading.Event()
        self._final, self._deadline = node.will, float("inf")
        self._waker, self._wakee = socket.socketpair()
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{node.session}", daemon=True)

    @property
    def state(self) -> BrokerState:
        """``connecting`` until the broker first answers or fails; ``refused`` when a person must mend something."""
        return self._state

    @property
    def protocol(self) -> MqttVersion | None:
        """What the broker speaks, None before the first connection."""
        return self._protocol

    @property
    def turned_at(self) -> float:
        """When the network thread last went round (monotonic clock): at most some 30 s ago while it works."""
        return self._turned_at

    def start(self) -> None:
        """Connect and deliver from now on."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the outbox."""
        with suppress(OSError):  # full of wake-ups already, or stopped
            self._waker.send(b"\0")

    def replay(self, since: int) -> Replay:
        """Deliver what the outbox still has from a sequence on once more, marked as replayed, behind what is new.

        Raises:
            StoreError: the outbox cannot be used.
        """
        replay = self._outbox.replay(since)
        self._delivery.rewind()
        self.wake()
        return replay

    def publish_retained(self, topic: str, payload: bytes, *, expiry_seconds: int | None = None, qos: int = 1) -> None:
        """Set the value of a retained topic: sent now or when the broker is there, and again on every reconnect.

        Args:
            topic: full topic.
            payload: its value; an older one that is still unsent is dropped.
            expiry_seconds: after which the broker forgets it (MQTT 5), None: never.
            qos: 1, or 0 for what a later one makes good.
        """
        self._outgoing.set(Message(topic, payload, expiry_seconds=expiry_seconds, qos=qos))
        self.wake()

    def wait_until_delivered(self, timeout_seconds: float | None) -> bool:
        """Whether the broker has every event of the outbox, waited for at most that long (None: for ever)."""
        return self._delivery.wait(timeout_seconds)

    def stop(self, final: bytes, timeout_seconds: float) -> None:
        """Publish ``final`` as the node's status and disconnect; returns in time even when the broker is dead.

        What the broker has not acknowledged stays in the outbox.
        """
        self._final = final
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
                self._state, trouble = self._serve()
                if self._stopping.is_set():
                    return
                delay = self._backoff.next_seconds()
                self._news.failed(trouble, delay)
                if self._rested(delay):
                    return
        finally:
            self._state = "unreachable"
            self._wakee.close()

    def _rested(self, seconds: float) -> bool:
        """Wait for the next try; whether it is time to stop."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopping.wait(min(left, 1.0)):
            self._turned_at = time.monotonic()
        return self._stopping.is_set()

    def _serve(self) -> tuple[BrokerState, str]:
        """One connection, from the try to its end; returns how things stand then, and why in words for the log."""
        try:
            session, answer = self._opened()
        except BrokerError as error:
            return "refused", f"cannot be asked ({error})"
        try:
            if answer == "accepted":
                self._work(session)
        except StoreError as error:
            return "unreachable", f"waits for the outbox ({error})"
        finally:
            session.close()
        if answer in ("refused", "unsupported") or session.taken_over:
            return "refused", f"refuses us ({session.reason})"
        return "unreachable", f"unreachable ({session.reason})"

    def _opened(self) -> tuple[Session, Answer]:
        """Ask the broker, with the password and the certificates that the files have now: they may have been renewed.

        Raises:
            BrokerError: one of them cannot be read.
        """
        endpoint, will = self._endpoint(), self._node.status(self._node.will)
        session = Session(endpoint, "MQTT 5", will, self._wakee)
        answer = session.open()
        if answer == "unsupported" or (answer == "silent" and self._protocol != "MQTT 5"):
            session.close()
            session = Session(endpoint, "MQTT 3.1.1", will, self._wakee)
            answer = session.open()
        return session, answer

    def _work(self, session: Session) -> None:
        began = time.monotonic()
        self._connected(session)
        while session.alive and not self._stopping.is_set():
            self._send_outgoing(session)
            self._delivery.send(session)
            session.pump(1.0)
            self._news.lasts(time.monotonic() - began)
            self._expire()
        if session.alive:
            self._leave(session)
        if self._news.ended(time.monotonic() - began):
            self._backoff.reset()

    def _expire(self) -> None:
        self._turned_at = time.monotonic()
        if self._turned_at - self._expired_at > EXPIRE_SECONDS:
            self._expired_at = self._turned_at
            self._outbox.expire()

    def _connected(self, session: Session) -> None:
        self._state = "connected"
        self._protocol = session.version
        self._news.connected(session.version)
        self._outgoing.renew()
        self._delivery.begin()
        self._publish(session, self._node.status(self._node.birth()))
        if self._subscriptions:
            wanted = {one: one in self._retained for one in self._subscriptions}
            session.subscribe(wanted, self._received, partial(self._news.answered, "us commands"))

    def _leave(self, session: Session) -> None:
        session.settle(self._deadline)
        self._send_outgoing(session)
        self._publish(session, self._node.status(self._final))
        session.settle(self._deadline)
        session.disconnect(self._deadline)

    def _send_outgoing(self, session: Session) -> None:
        for message in self._outgoing.take(session.room):
            self._publish(session, message)

    def _received(self, incoming: Incoming) -> None:
        for one, take in self._subscriptions.items():
            if topic_matches_sub(one, incoming.topic) and (reply := take(incoming)) is not None:
                self._outgoing.reply(reply)

    def _publish(self, session: Session, message: Message) -> None:
        what = message.topic if message.retain else "an answer to a command"  # whose topic is the asker's choice
        session.publish(message, partial(self._news.answered, what))
