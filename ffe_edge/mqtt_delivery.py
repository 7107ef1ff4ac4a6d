"""Moving entries from the outbox to the broker: in order, a window at a time, forgotten when acknowledged."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from functools import partial

from paho.mqtt.reasoncodes import ReasonCode

from ffe_edge.mqtt_message import Message
from ffe_edge.mqtt_session import Session
from ffe_edge.outbox import Outbox
from ffe_edge.outbox_entries import Entry
from ffe_edge.wire import as_replayed

logger = logging.getLogger(__name__)

EVENT_CONTENT_TYPE = "application/cloudevents+json"
RETAINED_TOPICS = "/summary"
"""How topics end whose last message the broker is to keep."""
MAX_PAGES = 100
"""Windows of entries that are looked through at once for one whose topic is not denied."""


class Backoff:
    """Waits that double from one second up to a limit, with jitter, so that many nodes do not come at once."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._failures = 0

    def next_seconds(self) -> float:
        """How long to wait now."""
        longest = min(self._max_seconds, 2.0 ** min(self._failures, 16))
        self._failures += 1
        return longest * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It went well: the next wait is short again."""
        self._failures = 0


class Delivery:
    """Sends what the outbox holds. All but ``wait`` is for the thread that drives the session."""

    def __init__(self, outbox: Outbox, window: int, backoff: Backoff) -> None:
        self._outbox = outbox
        self._window = window
        self._backoff = backoff
        self._cursor = 0
        self._replay_cursor: int | None = 0
        self._rewind = False
        self._retry_at: float | None = None
        self._denials: dict[str, str] = {}
        self._skipped: set[str] = set()
        self._acknowledged = threading.Condition()

    def begin(self) -> None:
        """A new connection: whatever has no answer yet is sent again."""
        self._cursor = self._replay_cursor = 0
        self._retry_at = None
        self._skipped.clear()

    def rewind(self) -> None:
        """The outbox has something to deliver again. For any thread."""
        self._rewind = True

    def send(self, session: Session) -> None:
        """Send as many entries as may be on their way.

        Raises:
            StoreError: the outbox cannot be read.
        """
        if self._rests(session):
            return
        for _ in range(MAX_PAGES):
            room = self._room(session)
            entries = self._outbox.pending(self._cursor, room) if room > 0 else []
            if not entries:
                break
            for entry in entries:
                self._send_new(session, entry)
        self._send_again(session)

    def wait(self, timeout_seconds: float | None) -> bool:
        """Whether the outbox is empty, waited for at most that long. For any other thread."""
        with self._acknowledged:
            return self._acknowledged.wait_for(lambda: len(self._outbox) == 0, timeout_seconds)

    def _send_new(self, session: Session, entry: Entry) -> None:
        self._cursor = entry.sequence
        if entry.topic not in self._skipped:
            retain = entry.topic.endswith(RETAINED_TOPICS)
            message = Message(entry.topic, entry.payload, retain=retain, content_type=EVENT_CONTENT_TYPE)
            session.publish(message, partial(self._answered, entry, self._outbox.acknowledge))

    def _send_again(self, session: Session) -> None:
        """A replay takes the room that new entries leave."""
        if self._rewind:
            self._rewind, self._replay_cursor = False, 0
        if self._replay_cursor is None or (room := self._room(session)) <= 0:
            return
        entries = self._outbox.marked(self._replay_cursor, room)
        for entry in (one for one in entries if one.topic not in self._skipped):
            payload = as_replayed(entry.payload)
            message = Message(entry.topic, payload, retain=False, content_type=EVENT_CONTENT_TYPE)
            session.publish(message, partial(self._answered, entry, self._outbox.unmark))
        self._replay_cursor = entries[-1].sequence if entries else None

    def _room(self, session: Session) -> int:
        return min(session.room, self._window - session.in_flight)

    def _rests(self, session: Session) -> bool:
        """Whether it is time to try denied topics again, and something has no answer yet."""
        if self._retry_at is None or time.monotonic() < self._retry_at:
            return False
        if session.in_flight:
            return True
        self.begin()
        return False

    def _answered(self, entry: Entry, done: Callable[[int], None], reason: ReasonCode) -> None:
        if reason.is_failure:
            self._denied(entry.topic, str(reason))
            return
        if self._denials.pop(entry.topic, None):
            logger.info("the broker takes %s again", entry.topic)
            self._backoff.reset()
        done(entry.sequence)
        with self._acknowledged:
            self._acknowledged.notify_all()

    def _denied(self, topic: str, reason: str) -> None:
        """Try again later; what goes to other topics does not wait."""
        self._skipped.add(topic)
        if self._retry_at is None:
            self._retry_at = time.monotonic() + self._backoff.next_seconds()
        if reason != self._denials.get(topic):
            logger.error("the broker denies %s (%s): events are kept; check its access rules", topic, reason)
            self._denials[topic] = reason
