"""What is published, what is received, and what waits to be published beside the events."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import paho.mqtt.client as paho

MAX_REPLIES = 100
"""Answers that wait for the broker; beyond it the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is published."""

    topic: str
    payload: bytes
    retain: bool = True
    content_type: str = "application/json"
    expiry_seconds: int | None = None
    qos: int = 1
    correlation: bytes | None = None
    """Of an answer: what came with the question."""


@dataclass(frozen=True, slots=True)
class Node:
    """Who speaks, and the retained status that tells whether it still does."""

    topic: str
    """Prefix of the node's topics; the status is published to ``<topic>/status``."""
    session: str
    """Name of this run, the one in ``birth`` and ``will``."""
    client_id: str
    """The MQTT client id, the same in every run of a node."""
    birth: Callable[[], bytes]
    """Payload of the status on every connect; called from the network thread."""
    will: bytes
    """Payload of the status when this process vanishes."""

    def status(self, payload: bytes) -> Message:
        """The status with that payload."""
        return Message(f"{self.topic}/status", payload)


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a broker delivers; nothing in it is trusted."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


def incoming(message: paho.MQTTMessage) -> Incoming | None:
    """A message as paho gives it; None where its topic is no text."""
    try:
        topic = message.topic
    except UnicodeDecodeError:
        return None
    properties = message.properties
    response_topic = getattr(properties, "ResponseTopic", None)
    correlation = getattr(properties, "CorrelationData", None)
    return Incoming(topic, bytes(message.payload), bool(message.retain), response_topic, correlation)


class Outgoing:
    """Retained topics and answers on their way. For any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._retained: dict[str, Message] = {}
        self._unsent: dict[str, Message] = {}
        self._replies: deque[Message] = deque(maxlen=MAX_REPLIES)

    def set(self, message: Message) -> None:
        """Give a retained topic its value; an older one that is still unsent is dropped."""
        with self._mutex:
            self._retained[message.topic] = self._unsent[message.topic] = message

    def reply(self, message: Message) -> None:
        """Send an answer once."""
        with self._mutex:
            self._replies.append(message)

    def renew(self) -> None:
        """A new connection: every retained topic is told again; the answers' askers have gone."""
        with self._mutex:
            self._unsent = dict(self._retained)
            self._replies.clear()

    def take(self, room: int) -> list[Message]:
        """What is to be sent now, at most ``room`` messages."""
        with self._mutex:
            topics = list(self._unsent)[: max(0, room)]
            messages = [self._unsent.pop(topic) for topic in topics]
            while self._replies and len(messages) < room:
                messages.append(self._replies.popleft())
        return messages
