"""What the daemon tells: events through the outbox, and the retained topics of the node and its cameras."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Final

from ffe_edge.clock import clock_is_synchronised
from ffe_edge.commands import Answer, Handler, replay_answer
from ffe_edge.config import Config
from ffe_edge.messages import CameraState, Gap, Health, Summary
from ffe_edge.mqtt import Publisher
from ffe_edge.mqtt_message import Incoming, Message
from ffe_edge.outbox_entries import Entry
from ffe_edge.service_broker import home_assistant, make_publisher, open_outbox
from ffe_edge.service_names import Names
from ffe_edge.types import EmotionEvent
from ffe_edge.updates.manifest import ModelState
from ffe_edge.wire import (
    EventContext,
    encode_camera_state,
    encode_event,
    encode_gap,
    encode_health,
    encode_status,
    encode_summary,
    new_event_id,
)

HEALTH_EXPIRY_SECONDS: Final = 120


class Telling:
    """The outbox, and the connection to the broker where the settings name one. For any thread."""

    def __init__(
        self,
        config: Config,
        context: EventContext,
        birth: Callable[[str], bytes],
        obey: Handler,
        on_event: Callable[[bytes], None] | None = None,
        wishes: Mapping[str, Callable[[Incoming], None]] | None = None,
    ) -> None:
        """Open the outbox; the broker is not waited for.

        Args:
            config: the settings.
            context: what events of the first camera have in common.
            birth: the node's status, from the name of this session.
            obey: does what commands ask for.
            on_event: called with the JSON of every event.
            wishes: what takes retained messages, by topic.

        Raises:
            FfeError: the outbox, the broker's password or a certificate cannot be read.
        """
        self.context = context
        self.events = 0
        """Stored since the start."""
        self.commands: Counter[str] = Counter()
        """Commands since the start: ``done``, ``refused``, ``dropped``."""
        self._config = config
        self._on_event = on_event
        self._session = str(uuid.uuid4())
        self._birth = birth
        self._obey = obey
        self._wishes = wishes or {}
        self._home = home_assistant(config)
        self._retained: dict[str, bytes] = {}
        self._mutex = threading.Lock()
        self._is_started = False
        self._outbox = open_outbox(config, self._render_gap)
        self._names = Names(self._outbox)
        self._publisher = self.prepared(config)

    @property
    def pending(self) -> int:
        """Events that the broker does not have yet."""
        return len(self._outbox)

    @property
    def gaps(self) -> int:
        """Gaps told since the start."""
        return self._outbox.gaps

    @property
    def broker_state(self) -> str:
        """``connected``, ``connecting``, ``refused``, ``unreachable``; ``none`` without a broker."""
        return self._publisher.state if self._publisher else "none"

    @property
    def turned_at(self) -> float:
        """When the thread that talks to the broker last went round (monotonic); now, where there is none."""
        return self._publisher.turned_at if self._publisher and self._is_started else time.monotonic()

    def start(self) -> None:
        """Connect from now on."""
        self._is_started = True
        self.use(self._config)
        if self._publisher:
            self._publisher.start()

    def event(self, camera_id: str, event: EmotionEvent) -> None:
        """Store an event; when this returns, the disk has it. Nobody who was forgotten is named in it."""
        topic = self._config.camera_topic(camera_id)
        context, event_id = self._context_of(topic), new_event_id()

        def append(told: EmotionEvent) -> Entry | None:
            return self._outbox.offer(
                f"{topic}/emotion", lambda sequence: encode_event(told, context, sequence=sequence, event_id=event_id)
            )

        known_only = self._config.residents.policy == "enrolled_only"
        if (entry := self._names.store(event, append, known_only=known_only)) is None:
            return
        self.events += 1
        if self._on_event:
            self._on_event(entry.payload)
        if self._publisher:
            self._publisher.wake()
        else:
            self._outbox.acknowledge(entry.sequence)

    def summary(self, camera_id: str, summary: Summary) -> None:
        """Store a camera's minute, where there is a broker to tell it to."""
        if self._publisher is None:
            return
        topic = self._config.camera_topic(camera_id)
        context, event_id = self._context_of(topic), new_event_id()
        now, seconds = datetime.now(timezone.utc), time.monotonic()
        self._outbox.offer(
            f"{topic}/summary",
            lambda sequence: encode_summary(
                summary, context, sequence=sequence, event_id=event_id, told_at=now, seconds=seconds
            ),
        )
        self.events += 1
        self._publisher.wake()

    def replay(self, since: int) -> Answer:
        """Deliver once more what is still there from a sequence on.

        Raises:
            StoreError: the outbox cannot be used.
        """
        if self._publisher is None:
            return Answer(ok=False, reason="there is no broker")
        return replay_answer(self._publisher.replay(since))

    def name_only(self, enrolled: frozenset[str] | None) -> None:
        """Nobody else may be named from now on, and events that do are removed; None: nobody is recognised.

        Raises:
            StoreError: the outbox cannot be used.
        """
        self._names.only(enrolled)

    def forget(self, resident: str) -> int:
        """Remove every event that names a resident; returns how many.

        Raises:
            StoreError: the outbox cannot be used.
        """
        return self._names.forget(resident)

    def camera(self, camera_id: str, state: CameraState, reason: str) -> None:
        """A camera's state has changed."""
        self._retain(f"{self._config.camera_topic(camera_id)}/state", encode_camera_state(state, reason[:256]))

    def status(self) -> None:
        """The node's status has changed."""
        self._retain(f"{self._config.node_topic}/status", self._birth(self._session))

    def model(self, state: ModelState) -> None:
        """A model update is another step further."""
        self._retain(f"{self._config.node_topic}/model/state", state.model_dump_json(exclude_none=True).encode())

    def health(self, health: Health) -> None:
        """The node's health, which the broker forgets when no other follows."""
        if self._publisher:
            topic = f"{self._config.node_topic}/health"
            self._publisher.publish_retained(topic, encode_health(health), expiry_seconds=HEALTH_EXPIRY_SECONDS, qos=0)

    def wait_until_delivered(self, seconds: float) -> bool:
        """Whether nothing waits for the broker any more."""
        return self._publisher is None or self._publisher.wait_until_delivered(seconds)

    def use(self, config: Config) -> None:
        """Other cameras: the device of Home Assistant is told anew."""
        self._config, self._home = config, home_assistant(config)
        self._retain(self._home.topic, self._home.payload)

    def prepared(self, config: Config) -> Publisher | None:
        """The connection that other settings ask for, not started yet.

        Raises:
            BrokerError: the password or a certificate cannot be read.
        """
        birth = partial(self._birth, self._session)
        heard = self._obey, self._taken, self.commands, self._wishes
        return make_publisher(config, self._outbox, self._session, birth, *heard)

    def take_over(self, config: Config, publisher: Publisher | None, seconds: float) -> None:
        """Leave the present broker, which is told that the node has stopped, for another one."""
        before = self._publisher
        self._config = config
        if before:
            before.stop(encode_status("stopped", self._session), seconds)
        with self._mutex:
            self._publisher = publisher
            if publisher:
                for topic, payload in self._retained.items():
                    publisher.publish_retained(topic, payload)
        if publisher and self._is_started:
            publisher.start()

    def close(self, seconds: float) -> int:
        """Tell the broker that the node stops; returns how many events stay behind for the next start."""
        if self._publisher:
            self._publisher.stop(encode_status("stopped", self._session), seconds)
        left = len(self._outbox)
        self._outbox.close()
        return left

    def _retain(self, topic: str, payload: bytes) -> None:
        with self._mutex:
            self._retained[topic] = payload
            if self._publisher:
                self._publisher.publish_retained(topic, payload)

    def _context_of(self, source: str) -> EventContext:
        """Whether the clock can be believed changes while the daemon runs."""
        return replace(self.context, source=source, clock_synchronised=clock_is_synchronised())

    def _render_gap(self, sequence: int, gap: Gap) -> bytes:
        now, seconds = datetime.now(timezone.utc), time.monotonic()
        context = self._context_of(self.context.source)
        return encode_gap(gap, context, sequence=sequence, event_id=new_event_id(), told_at=now, seconds=seconds)

    def _taken(self, incoming: Incoming) -> Message | None:
        """Home Assistant has started."""
        return self._home.take(incoming)
