"""Nodes and cameras while a batch is stored: those it tells of, made where they are new, written as they change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from ffe_edge.dashboard.arrivals import Place
from ffe_edge.dashboard.tables import cameras, nodes
from ffe_edge.dashboard.unions import ask

MAX_NODES: Final = 4096
MAX_CAMERAS: Final = 8192
SILENCE_MS: Final = 120_000
"""News of a node's or camera's end may come late; so long after it was last heard of, it was gone."""
PAST: Final = "past:"
"""Stands before a session whose node was told as gone and has told events since: its will is no news any more."""
_NODES: Final = """SELECT id, site, node, state, session, since_ms, heard_ms FROM nodes
    WHERE site = :site{0} AND node = :node{0}"""
_CAMERAS: Final = """SELECT id, node_id, name, room_id, state, reason, since_ms, heard_ms FROM cameras
    WHERE node_id = :node_id{0}"""


@dataclass(slots=True)
class KnownNode:
    """A row of ``nodes``."""

    id: int
    state: str
    session: str | None
    since_ms: int
    heard_ms: int


@dataclass(slots=True)
class KnownCamera:
    """A row of ``cameras``."""

    id: int
    node_id: int
    room_id: int | None
    state: str
    reason: str
    since_ms: int
    heard_ms: int
    is_told: bool = True
    """False until its state has been told, in the batch that made it."""


class KnownPlaces:
    """The nodes that a batch tells of, with all their cameras."""

    def __init__(self, connection: Connection, now_ms: int, places: Iterable[Place]) -> None:
        """Read.

        Args:
            connection: a writing one.
            now_ms: when the batch is stored.
            places: that will be asked for. Of a fleet a batch tells of a few: all would take longer than the rest.
        """
        self._connection = connection
        self.now_ms = now_ms
        self._nodes: dict[tuple[str, str], KnownNode] = {}
        self._cameras: dict[tuple[int, str], KnownCamera] = {}
        self._by_id: dict[int, tuple[KnownCamera, KnownNode]] = {}
        self._counts: dict[Table, int] = {}
        self._heard_nodes: dict[int, int] = {}
        self._heard_cameras: dict[int, int] = {}
        self._read({(place.site, place.node) for place in places})

    def node(self, place: Place, now_ms: int) -> KnownNode:
        """The node, made where it is new.

        Raises:
            ValueError: there are too many already.
        """
        node = self._nodes.get((place.site, place.node))
        if node is None:
            if self._count(nodes) >= MAX_NODES:
                raise ValueError(f"there are {MAX_NODES} nodes already, and this one is new")
            node = self._nodes[place.site, place.node] = self._made_node(place, now_ms)
        return node

    def camera(self, place: Place, now_ms: int) -> KnownCamera:
        """The camera, made where it is new.

        Raises:
            ValueError: there are too many already, or the place is a node.
        """
        if place.camera is None:
            raise ValueError("a node is no camera")
        node = self.node(place, now_ms)
        camera = self._cameras.get((node.id, place.camera))
        if camera is None:
            if self._count(cameras) >= MAX_CAMERAS:
                raise ValueError(f"there are {MAX_CAMERAS} cameras already, and this one is new")
            camera = self._cameras[node.id, place.camera] = self._made_camera(node.id, place.camera, now_ms)
            self._by_id[camera.id] = (camera, node)
        return camera

    def hear(self, place: Place, at_ms: int) -> None:
        """Something was told by a place that is known."""
        node = self._nodes[place.site, place.node]
        node.heard_ms = self._heard_nodes[node.id] = max(node.heard_ms, at_ms)
        if place.camera is not None:
            camera = self._cameras[node.id, place.camera]
            camera.heard_ms = self._heard_cameras[camera.id] = max(camera.heard_ms, at_ms)

    def cameras_of(self, node: KnownNode) -> list[int]:
        """Ids of a node's cameras."""
        return [camera.id for camera in self._cameras.values() if camera.node_id == node.id]

    def away(self, camera_id: int) -> tuple[int, str] | None:
        """Since when nothing can be known of who is before a camera, and why; None where something can."""
        camera, node = self._by_id[camera_id]
        found = [(node.since_ms, f"node {node.state}")] if node.state != "online" else []
        found += [(camera.since_ms, f"camera {camera.state}")] if camera.state != "online" else []
        return min(found, default=None)

    def set_node(self, node: KnownNode, **values: Any) -> None:
        """Write what has become of a node."""
        for name in ("state", "session", "since_ms"):
            setattr(node, name, values.get(name, getattr(node, name)))
        self._connection.execute(update(nodes).where(nodes.c.id == node.id).values(**values))

    def set_camera(self, camera: KnownCamera, state: str, reason: str, since_ms: int) -> None:
        """Write what has become of a camera."""
        camera.state, camera.reason, camera.since_ms = state, reason, since_ms
        values = {"state": state, "reason": reason, "since_ms": since_ms}
        self._connection.execute(update(cameras).where(cameras.c.id == camera.id).values(**values))

    def store_heard(self) -> None:
        """Write when places were heard of."""
        for table, heard in ((nodes, self._heard_nodes), (cameras, self._heard_cameras)):
            if heard:
                change = update(table).where(table.c.id == bindparam("of_id")).values(heard_ms=bindparam("at_ms"))
                rows = [{"of_id": place_id, "at_ms": at_ms} for place_id, at_ms in sorted(heard.items())]
                self._connection.execute(change, rows)

    def _read(self, names: Iterable[tuple[str, str]]) -> None:
        for row in ask(self._connection, _NODES, [{"site": site, "node": node} for site, node in sorted(names)]):
            self._nodes[row.site, row.node] = KnownNode(row.id, row.state, row.session, row.since_ms, row.heard_ms)
        by_id = {node.id: node for node in self._nodes.values()}
        for row in ask(self._connection, _CAMERAS, [{"node_id": node_id} for node_id in by_id]):
            told = (row.state, row.reason, row.since_ms, row.heard_ms)
            camera = self._cameras[row.node_id, row.name] = KnownCamera(row.id, row.node_id, row.room_id, *told)
            self._by_id[camera.id] = (camera, by_id[camera.node_id])

    def _count(self, table: Table) -> int:
        """How many there are, those that this batch has made included."""
        if table not in self._counts:
            self._counts[table] = self._connection.execute(select(func.count()).select_from(table)).scalar_one()
        return self._counts[table]

    def _made_node(self, place: Place, now_ms: int) -> KnownNode:
        row = {"site": place.site, "node": place.node, "state": "online", "since_ms": now_ms, "heard_ms": now_ms}
        made = self._connection.execute(insert(nodes).values(**row, sequence_seen=0).returning(nodes.c.id))
        self._counts[nodes] += 1
        return KnownNode(made.scalar_one(), "online", None, now_ms, now_ms)

    def _made_camera(self, node_id: int, name: str, now_ms: int) -> KnownCamera:
        row = {"node_id": node_id, "name": name, "state": "online", "reason": "", "since_ms": now_ms}
        made = self._connection.execute(insert(cameras).values(**row, heard_ms=now_ms).returning(cameras.c.id))
        self._counts[cameras] += 1
        return KnownCamera(made.scalar_one(), node_id, None, "online", "", now_ms, now_ms, is_told=False)
