"""What the page knows at this moment. Pure: payloads are parsed elsewhere, the clock is passed in.

Times are Unix milliseconds, as the browser wants them. Everything is bounded, whatever a broker delivers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import TypeVar

from ffe_edge.dashboard.lines import Lines
from ffe_edge.dashboard.outages import Outages
from ffe_edge.dashboard.picture import JsonObject, Picture
from ffe_edge.dashboard.records import Camera, Node, Person, Told, moved, told, told_gap, told_lost
from ffe_edge.messages import CameraStatus, EmotionCloudEvent, GapCloudEvent, Status

MAX_IDS = 4096
MAX_PEOPLE = 4096
MAX_PLACES = 8192
"""Nodes, and cameras, that are remembered."""
MAX_PAST = 4 * MAX_PLACES
"""Sessions of nodes that are over: their news is old."""
CLOCK_SKEW_MS = 2000
"""An event from further ahead than this has a wrong clock: its arrival counts."""

V = TypeVar("V")


class Board:
    """Nodes, cameras, the people in view and the last events."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[str, Node] = OrderedDict()
        self._cameras: OrderedDict[str, Camera] = OrderedDict()
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._order: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lines = Lines()
        self._outages = Outages()
        self._broker_connected = False
        self._broker_since_ms: int | None = None
        self._blind_until_ms = 0
        self._store_is_there = True
        self._store_since_ms: int | None = None
        self._past: OrderedDict[str, None] = OrderedDict()
        self.event_count = 0

    def set_broker(self, connected: bool, now_ms: int, *, is_resumed: bool = False) -> bool:
        """The connection to the broker has come or gone; False when that is no news.

        Unless the broker has kept what was told in between (``is_resumed``), it is not delivered later: who was in view
        before is only the last that is known.
        """
        if connected == self._broker_connected and self._broker_since_ms is not None:
            return False
        self._broker_connected = connected
        self._broker_since_ms = now_ms
        self._blind_until_ms = now_ms if connected and not is_resumed else self._blind_until_ms
        self._outages.mark("broker", not connected, now_ms)
        return True

    def set_store(self, is_there: bool, now_ms: int) -> bool:
        """The database has come or gone; while it is away nothing new is known. False when that is no news."""
        if is_there == self._store_is_there:
            return False
        self._store_is_there = is_there
        self._store_since_ms = now_ms
        self._outages.mark("database", not is_there, now_ms)
        return True

    def know_node(self, name: str, node: Node) -> None:
        """What was known of a node before the program began."""
        _put(self._nodes, name, node, MAX_PLACES)
        if node.state != "online":
            self._outages.mark(name, True, node.since_ms)

    def know_camera(self, name: str, camera: Camera) -> None:
        """What was known of a camera before the program began."""
        _put(self._cameras, name, camera, MAX_PLACES)
        if camera.state != "online":
            self._outages.mark(name, True, camera.since_ms)

    def know_person(self, person: Person) -> None:
        """Who was in view when the program began, as far as is known; certain once heard of again."""
        _put(self._people, person.person, person, MAX_PEOPLE)

    def forget_name(self, resident: str) -> bool:
        """Whoever was told of by this name is told of without it."""
        self._people.update(
            (key, replace(one, resident=None)) for key, one in list(self._people.items()) if one.resident == resident
        )
        self._lines.forget_name(resident)
        return True

    def know_order(self, camera: str, boot_id: str, sequence: int) -> None:
        """An event of a camera that is known; what came before the last of them is history."""
        if sequence > self._order.get(camera, ("", 0))[1]:
            _put(self._order, camera, (boot_id, sequence), MAX_PLACES)

    def hear(self, name: str, now_ms: int) -> bool:
        """A node or camera has shown that it lives; that alone is no news."""
        if (node := self._nodes.get(name)) is not None:
            self._nodes[name] = replace(node, heard_ms=max(node.heard_ms, now_ms))
        if (camera := self._cameras.get(name)) is not None:
            self._cameras[name] = replace(camera, heard_ms=max(camera.heard_ms, now_ms))
        return False

    def set_node(self, name: str, status: Status, now_ms: int) -> bool:
        """A birth, a will or a clean stop; False for the news of an older session.

        A will that was late sticks as retained message: it is told apart by its session.
        """
        known = self._nodes.get(name)
        if status.state == "online" and known and known.session is None:
            self._past.pop(f"{name} {status.session}", None)  # it was only away
        if f"{name} {status.session}" in self._past:
            return False
        if known and status.state != "online" and known.session not in (None, status.session):
            return False
        restarted = known is not None and known.session not in (None, status.session)
        if known and restarted:
            _put(self._past, f"{name} {known.session}", None, MAX_PAST)
        if restarted or status.state == "stopped":
            self._forget(lambda person: person.camera.startswith(f"{name}/"), now_ms)
            for key in [key for key in self._order if key.startswith(f"{name}/")]:
                del self._order[key]
        since_ms = known.since_ms if known and known.state == status.state and not restarted else now_ms
        _put(self._nodes, name, Node(status.state, status.session, since_ms, now_ms), MAX_PLACES)
        self._outages.mark(name, status.state != "online", now_ms)
        return True

    def set_camera(self, name: str, status: CameraStatus, now_ms: int) -> bool:
        """What a camera does. Privacy forgets who was in view; a broken camera leaves them as last known."""
        known = self._cameras.get(name)
        since_ms = known.since_ms if known and known.state == status.state else now_ms
        _put(self._cameras, name, Camera(status.state, status.reason, since_ms, now_ms), MAX_PLACES)
        if status.state in ("privacy", "disabled"):
            self._forget(lambda person: person.camera == name, now_ms)
        self._outages.mark(name, status.state != "online", now_ms)
        return True

    def add_event(
        self,
        camera: str,
        event: EmotionCloudEvent | GapCloudEvent,
        now_ms: int,
        *,
        resident: str | None = None,
        late: bool = False,
    ) -> bool:
        """An event; False when it was told before. ``resident`` is whose time it is counted as."""
        if event.id in self._ids:
            return False
        _put(self._ids, event.id, None, MAX_IDS)
        self.event_count += 1
        at_ms = int(event.time.timestamp() * 1000)
        if not event.clocksync or at_ms > now_ms + CLOCK_SKEW_MS:
            at_ms = now_ms
        if isinstance(event, GapCloudEvent):
            line = told_gap(camera, event, at_ms)
        else:
            line = told(camera, event, at_ms, resident=resident, late=late)
        self._lines.add(line)
        self._node_lives(camera.rpartition("/")[0], now_ms)
        if self._is_in_order(camera, event) and isinstance(event, EmotionCloudEvent):
            self._move(line, event, now_ms)
        return True

    def snapshot(self, now_ms: int) -> JsonObject:
        """Everything, as a JSON object."""
        return self.head(now_ms) | self.picture().whole() | {"events": self._lines.told()}

    def take_news(self) -> list[JsonObject]:
        """The lines that are new since the last call, as JSON objects."""
        return self._lines.take_news()

    def head(self, now_ms: int) -> JsonObject:
        """What every page is told with each news, as a JSON object."""
        return {
            "now_ms": now_ms,
            "broker": {"connected": self._broker_connected, "since_ms": self._broker_since_ms},
            "store": {"available": self._store_is_there, "since_ms": self._store_since_ms},
            "event_count": self.event_count,
        }

    def picture(self) -> Picture:
        """Nodes, cameras and people of this moment, and the times of which nothing is known."""
        people = {key: (person, self._is_certain(person)) for key, person in self._people.items()}
        return Picture(dict(self._nodes), dict(self._cameras), people, self._outages.all())

    def _move(self, line: Told, event: EmotionCloudEvent, now_ms: int) -> None:
        key = f"{line.camera}#{event.data.track}"
        if line.change == "end":
            self._people.pop(key, None)
            return
        _put(self._people, key, moved(self._people.get(key), line, event, now_ms), MAX_PEOPLE)

    def _is_in_order(self, camera: str, event: EmotionCloudEvent | GapCloudEvent) -> bool:
        """False for history that comes late: it is listed, and moves nobody."""
        boot_id, sequence = self._order.get(camera, ("", 0))
        if event.replayed or (boot_id == event.bootid and event.sequence <= sequence):
            return False
        _put(self._order, camera, (event.bootid, event.sequence), MAX_PLACES)
        return True

    def _node_lives(self, name: str, now_ms: int) -> None:
        """Only a living node tells events: a lost one that does has come back, its birth still on the way."""
        known = self._nodes.get(name)
        if known is None:
            return
        if known.state == "online":
            self._nodes[name] = replace(known, heard_ms=now_ms)
        else:
            _put(self._past, f"{name} {known.session}", None, MAX_PAST)
            self._nodes[name] = Node("online", None, now_ms, now_ms)
            self._outages.mark(name, False, now_ms)

    def _is_certain(self, person: Person) -> bool:
        """Whether somebody can be taken as still there."""
        node = self._nodes.get(person.camera.rpartition("/")[0])
        camera = self._cameras.get(person.camera)
        return (
            self._broker_connected
            and self._store_is_there
            and person.heard_ms >= self._blind_until_ms
            and (node is None or node.state == "online")
            and (camera is None or camera.state == "online")
        )

    def _forget(self, left: Callable[[Person], bool], now_ms: int) -> None:
        """Let go of people whose end will not be told."""
        for key, person in list(self._people.items()):
            if left(person):
                del self._people[key]
                self._lines.add(told_lost(person, now_ms))


def _put(known: MutableMapping[str, V], key: str, value: V, limit: int) -> None:
    """Set a value as the newest; beyond the limit the oldest is forgotten."""
    known.pop(key, None)
    known[key] = value
    while len(known) > limit:
        del known[next(iter(known))]
