"""Rooms, and which camera looks into which. Nodes and cameras come by themselves, as they tell of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.tables import cameras, nodes, residents, rooms

MAX_ROOMS: Final = 1000


@dataclass(frozen=True, slots=True)
class Room:
    """A room of the home."""

    id: int
    name_ja: str
    name_en: str
    floor: str
    position: int
    """Order on the floor."""
    resident_id: str | None
    """Whose own it is: who is told there without a name is taken for this resident, where consent is given."""


@dataclass(frozen=True, slots=True)
class PlacedCamera:
    """A camera and where it is."""

    id: int
    name: str
    """``site/node/camera``."""
    room_id: int | None
    state: str
    reason: str
    since_ms: int
    heard_ms: int


def all_rooms(connection: Connection) -> list[Room]:
    """By floor, then in their order."""
    order = (rooms.c.floor, rooms.c.position, rooms.c.id)
    return [Room(*row) for row in connection.execute(_ROOMS.order_by(*order))]


def add_room(connection: Connection, values: dict[str, Any]) -> Room:
    """Make a room.

    Args:
        connection: a writing one.
        values: all columns but ``id``.

    Raises:
        RefusedError: there are too many, or no such resident.
    """
    if connection.execute(select(func.count()).select_from(rooms)).scalar_one() >= MAX_ROOMS:
        raise RefusedError("conflict", f"there are {MAX_ROOMS} rooms already")
    _check_resident(connection, values.get("resident_id"))
    made = connection.execute(insert(rooms).values(values).returning(rooms.c.id)).scalar_one()
    return get_room(connection, made)


def get_room(connection: Connection, room_id: int) -> Room:
    """One room.

    Raises:
        RefusedError: there is no such room.
    """
    row = connection.execute(_ROOMS.where(rooms.c.id == room_id)).first()
    if row is None:
        raise RefusedError("not-found", "there is no such room")
    return Room(*row)


def change_room(connection: Connection, room_id: int, changes: dict[str, Any]) -> Room:
    """Change what is given. What was told before stays whose it was.

    Raises:
        RefusedError: there is no such room, or no such resident.
    """
    get_room(connection, room_id)
    _check_resident(connection, changes.get("resident_id"))
    if changes:
        connection.execute(update(rooms).where(rooms.c.id == room_id).values(changes))
    return get_room(connection, room_id)


def remove_room(connection: Connection, room_id: int) -> None:
    """Take a room out; its cameras and residents have none then.

    Raises:
        RefusedError: there is no such room.
    """
    get_room(connection, room_id)
    for table in (cameras, residents):
        connection.execute(update(table).where(table.c.room_id == room_id).values(room_id=None))
    connection.execute(delete(rooms).where(rooms.c.id == room_id))


def all_cameras(connection: Connection) -> list[PlacedCamera]:
    """By name."""
    order = (nodes.c.site, nodes.c.node, cameras.c.name)
    return [_camera(row) for row in connection.execute(_CAMERAS.order_by(*order))]


def place_camera(connection: Connection, camera_id: int, room_id: int | None) -> PlacedCamera:
    """Say which room a camera looks into.

    Raises:
        RefusedError: there is no such camera, or no such room.
    """
    if room_id is not None:
        get_room(connection, room_id)
    connection.execute(update(cameras).where(cameras.c.id == camera_id).values(room_id=room_id))
    row = connection.execute(_CAMERAS.where(cameras.c.id == camera_id)).first()
    if row is None:
        raise RefusedError("not-found", "there is no such camera")
    return _camera(row)


_ROOMS: Final = select(*(rooms.c[name] for name in Room.__dataclass_fields__))
_CAMERAS: Final = select(cameras, nodes.c.site, nodes.c.node).join(nodes, nodes.c.id == cameras.c.node_id)


def _camera(row: Any) -> PlacedCamera:
    name = f"{row.site}/{row.node}/{row.name}"
    return PlacedCamera(row.id, name, row.room_id, row.state, row.reason, row.since_ms, row.heard_ms)


def _check_resident(connection: Connection, resident_id: str | None) -> None:
    if resident_id is None:
        return
    if connection.execute(select(residents.c.id).where(residents.c.id == resident_id)).first() is None:
        raise RefusedError("not-found", "there is no such resident")
