"""Nodes that do not exist: each with its own connection, birth, will, health, minutes and people who change."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import fleet_mqtt as mqtt

from ffe_edge.dashboard.simulated import MINUTE_MS, Published, SimulatedNode
from ffe_edge.wire import encode_status

HEALTH_SECONDS: Final = 30.0
SUMMARY_SECONDS: Final = 60.0
PING_SECONDS: Final = 25.0
WINDOW: Final = 20
"""Messages of a node on their way at once, as the device's."""
EMOTIONS: Final = ("joy", "neutral", "sadness", "relaxation", "anger", "surprise")
MOODS: Final = 10
"""So many changes, then somebody leaves and another comes."""
CAMERA: Final = "room"


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass
class Sent:
    """What all nodes have told since the start."""

    events: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds at which each event was formed, by id."""
    summaries: set[tuple[str, int]] = field(default_factory=set)
    """Node, and when the minute began."""
    others: int = 0
    """Births, states and healths."""
    acknowledged: int = 0
    refused: int = 0
    reconnects: int = 0


class FleetNode:
    """One node: forms messages whatever the line does, sends what the window lets it, keeps the rest."""

    def __init__(self, topic: str, sent: Sent, chance: random.Random) -> None:
        """Not connected."""
        self.name = topic
        self.is_connected = asyncio.Event()
        self._session = f"bench-{chance.randrange(10**9)}"
        self._node = SimulatedNode(topic, self._session, chance)
        self._chance = chance
        self._sent = sent
        self._waiting: deque[Published] = deque()
        self._in_flight: dict[int, Published] = {}
        self._numbers = itertools.cycle(range(2, 65_536))
        self._track, self._moods, self._before = 0, 0, ""
        self._minute_ms = now_ms() - MINUTE_MS
        self.connection = self._new_connection()

    async def connect(self, port: int) -> None:
        """Connect; returns when the broker has accepted."""
        self.is_connected.clear()
        self.connection = self._new_connection()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.connection, "127.0.0.1", port)
        will = encode_status("lost", self._session)
        self.connection.send(mqtt.connect(f"bench-{self.name.replace('/', '-')}", f"{self.name}/status", will))
        await self.is_connected.wait()

    def vanish(self) -> None:
        """Cut the line without a word."""
        if self.connection.transport is not None:
            self.connection.transport.abort()

    def leave(self) -> None:
        """Take leave, so that no will is told."""
        self.connection.send(mqtt.DISCONNECT)
        if self.connection.transport is not None:
            self.connection.transport.close()

    @property
    def unsent(self) -> int:
        """Messages of QoS 1 that the broker does not have yet."""
        return len(self._waiting) + len(self._in_flight)

    def take(self) -> Published:
        """The oldest message that waits, for who has no broker."""
        return self._waiting.popleft()

    def tell_event(self) -> None:
        """Somebody in view has changed, has come or has gone."""
        if not self._before:
            self._track, self._moods = self._track + 1, 0
        change = "start" if not self._before else "change" if self._moods < MOODS else "end"
        emotion = self._chance.choice([name for name in EMOTIONS if name != self._before])
        told: dict[str, Any] = {"previous": self._before, "held_seconds": 2.0} if self._before else {}
        message = self._node.emotion(now_ms(), CAMERA, self._track, change, emotion, **told)  # type: ignore[arg-type]
        self._before, self._moods = ("" if change == "end" else emotion), self._moods + 1
        self._sent.events[_id(message)] = time.monotonic()
        self._queue(message)

    def tell_summary(self) -> None:
        """A minute is over."""
        began_ms, self._minute_ms = self._minute_ms, now_ms()
        seconds = {self._before: 60.0} if self._before else {}
        self._sent.summaries.add((self.name, began_ms))
        self._queue(self._node.summary(began_ms, CAMERA, seconds))

    def tell_health(self) -> None:
        """How the node is doing; lost where nobody listens, as the device's is."""
        payload = json.dumps({
            "fps": {CAMERA: 15.0}, "frame_age_seconds": {CAMERA: 0.05}, "latency_p50_seconds": 0.02,
            "latency_p95_seconds": 0.05, "outbox_entries": self.unsent, "gaps": 0, "temperature_celsius": 51.0,
            "memory_bytes": 180_000_000,
        }).encode()  # fmt: skip
        self._sent.others += 1
        self.connection.send(mqtt.publish(f"{self.name}/health", payload, number=None, retain=True, expiry_seconds=120))

    def _new_connection(self) -> mqtt.Connection:
        return mqtt.Connection(self._accepted, self._acknowledged, self._lost)

    def _accepted(self, reason: int) -> None:
        if reason:
            self._sent.refused += 1
            return
        again = [*self._in_flight.values()]
        self._in_flight.clear()
        self._waiting.extendleft(reversed([one for one in again if not _is_state(one)]))
        self.connection.send(mqtt.subscribe(f"{self.name}/command/+"))
        states = (self._node.status(now_ms(), "online", self._session, (CAMERA,)),
                  self._node.camera(now_ms(), CAMERA, "online"))  # fmt: skip
        self._waiting.extendleft(reversed(states))
        self._sent.others += len(states)
        self.is_connected.set()
        self._send()

    def _acknowledged(self, number: int, reason: int) -> None:
        self._in_flight.pop(number, None)
        self._sent.acknowledged += 1
        self._sent.refused += reason >= 0x80
        self._send()

    def _lost(self) -> None:
        self._sent.reconnects += 1
        self.is_connected.clear()

    def _queue(self, message: Published) -> None:
        self._waiting.append(message)
        self._send()

    def _send(self) -> None:
        while self.is_connected.is_set() and self._waiting and len(self._in_flight) < WINDOW:
            message, number = self._waiting.popleft(), next(self._numbers)
            self._in_flight[number] = message
            self.connection.send(mqtt.publish(message.topic, message.payload, number=number, retain=message.retain))


def _is_state(message: Published) -> bool:
    return message.topic.endswith(("/status", "/state"))


def _id(message: Published) -> str:
    found: str = json.loads(message.payload)["id"]
    return found


class Fleet:
    """All nodes, and the clock that has them tell."""

    def __init__(self, port: int, sites: int, seed: int = 1) -> None:
        """No node yet.

        Args:
            port: of the broker on the loopback.
            sites: homes over which the nodes are spread.
            seed: of everything that is left to chance.
        """
        self.sent = Sent()
        self.nodes: list[FleetNode] = []
        self.late_seconds = 0.0
        """How far behind its own clock the generator has been at most."""
        self._port, self._sites, self._chance = port, sites, random.Random(seed)
        self._due: list[tuple[float, int, str, int]] = []
        self._order = itertools.count()
        self._generation = 0

    async def grow(self, nodes: int, at_once: int = 50) -> None:
        """Connect more nodes until there are so many."""
        while len(self.nodes) < nodes:
            first, last = len(self.nodes), min(nodes, len(self.nodes) + at_once)
            new = [FleetNode(self._topic(number), self.sent, self._chance) for number in range(first, last)]
            await asyncio.gather(*(node.connect(self._port) for node in new))
            self.nodes += new

    def vanish(self) -> None:
        """All lines are cut without a word."""
        for node in self.nodes:
            node.vanish()

    async def come_back(self, no_longer_than: float) -> float:
        """All connect at the same moment; returns seconds until the broker has accepted all."""
        began = time.monotonic()
        everybody = asyncio.gather(*(node.connect(self._port) for node in self.nodes))
        await asyncio.wait_for(everybody, no_longer_than)
        return time.monotonic() - began

    async def run(self, seconds: float, events_per_minute: float) -> None:
        """Have all nodes tell for so long: events at random moments, the rest by the clock, each at its own time."""
        end = time.monotonic() + seconds
        self._due, self.late_seconds = [], 0.0
        every = {"event": 60 / events_per_minute, "health": HEALTH_SECONDS, "summary": SUMMARY_SECONDS,
                 "ping": PING_SECONDS}  # fmt: skip
        for number, (kind, period) in itertools.product(range(len(self.nodes)), every.items()):
            self._at(time.monotonic() + self._chance.uniform(0, period), kind, number)
        while (now := time.monotonic()) < end:
            if self._due[0][0] > now:
                await asyncio.sleep(min(self._due[0][0], end) - now)
                continue
            due, _, kind, number = heapq.heappop(self._due)
            self.late_seconds = max(self.late_seconds, now - due)
            self._tell(kind, self.nodes[number])
            wait = self._chance.expovariate(1 / every[kind]) if kind == "event" else every[kind]
            self._at(due + wait, kind, number)
            if next(self._order) % 20 == 0:
                await asyncio.sleep(0)  # acknowledgements are read, too

    async def sent_all(self, no_longer_than: float) -> bool:
        """Wait for the broker to have everything; whether it has."""
        deadline = time.monotonic() + no_longer_than
        while any(node.unsent for node in self.nodes) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return not any(node.unsent for node in self.nodes)

    def leave(self) -> None:
        """All take leave."""
        for node in self.nodes:
            node.leave()

    def _at(self, when: float, kind: str, number: int) -> None:
        heapq.heappush(self._due, (when, next(self._order), kind, number))

    def _tell(self, kind: str, node: FleetNode) -> None:
        if kind == "event":
            node.tell_event()
        elif kind == "summary":
            node.tell_summary()
        elif kind == "health":
            node.tell_health()
        else:
            node.connection.send(mqtt.PING)

    def _topic(self, number: int) -> str:
        return f"ffe/v1/home-{number % self._sites:02}/edge-{number // self._sites:03}"
