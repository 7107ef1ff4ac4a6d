"""Programs: the floor at this moment, rooms, cameras."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import Field

from ffe_edge.dashboard import audit, people_store, places
from ffe_edge.dashboard.places import PlacedCamera, Room
from ffe_edge.dashboard.web.bodies import Answer, Asked, Key, Line, Millis, Name, ResidentId
from ffe_edge.dashboard.web.problem import documented
from ffe_edge.dashboard.web.session import Carer, Manager, parts_of

router: Final = APIRouter(
    tags=["places"],
    responses=documented("not-signed-in", "not-allowed", "must-change-password", "database-away"),
)
CHANGES: Final = documented("wrong-form", "not-allowed", "must-change-password", "not-found", "invalid")
Id = Annotated[Key, Path()]


class RoomAsked(Asked):
    """A room."""

    name_ja: Name
    name_en: Name
    floor: Line = ""
    position: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Order on the floor."""
    resident_id: ResidentId | None = None
    """Whose own it is: who is told there without a name is taken for this resident, where consent is given."""


class RoomBody(Answer):
    """A room."""

    id: int
    name_ja: str
    name_en: str
    floor: str
    position: int
    resident_id: str | None


class CameraBody(Answer):
    """A camera, as it was last heard of."""

    id: int
    name: str
    """``site/node/camera``."""
    room_id: int | None
    state: str
    reason: str
    since_ms: Millis
    heard_ms: Millis


class CameraPlace(Asked):
    """Where a camera is."""

    room_id: Key | None


class RoomResident(Answer):
    """Who lives in a room; nothing that was seen of them."""

    id: str
    name: str
    name_en: str | None
    room_id: int | None
    has_consent: bool


class Floor(Answer):
    """Every room, and what is known at this moment."""

    now_ms: Millis
    rooms: list[RoomBody]
    cameras: list[CameraBody]
    residents: list[RoomResident]
    present: dict[str, Any]
    """The live picture, as the stream's ``snapshot``."""


@router.get("/floor", summary="The floor at this moment")
def floor(request: Request, _carer: Carer) -> Floor:
    """What the stream goes on with."""
    parts = parts_of(request)
    with parts.database.reading() as connection:
        return Floor(
            now_ms=parts.now_ms(),
            rooms=[_room(room) for room in places.all_rooms(connection)],
            cameras=[_camera(camera) for camera in places.all_cameras(connection)],
            residents=[
                RoomResident.model_validate(resident, from_attributes=True)
                for resident in people_store.all_residents(connection)
            ],
            present=parts.present.snapshot(),
        )


@router.get("/rooms", summary="All rooms")
def all_rooms(request: Request, _carer: Carer) -> list[RoomBody]:
    """By floor, then in their order."""
    with parts_of(request).database.reading() as connection:
        return [_room(room) for room in places.all_rooms(connection)]


@router.post("/rooms", status_code=201, responses=CHANGES | documented("conflict"), summary="Make a room")
def add_room(request: Request, manager: Manager, asked: RoomAsked) -> RoomBody:
    """It has no camera yet."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        room = places.add_room(connection, asked.model_dump())
        audit.record(connection, manager, "room-created", parts.now_ms(), subject=f"room:{room.id}")
    return _room(room)


@router.put("/rooms/{room_id}", responses=CHANGES, summary="Change a room")
def change_room(request: Request, manager: Manager, room_id: Id, asked: RoomAsked) -> RoomBody:
    """All of it. What was told before stays whose it was."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        room = places.change_room(connection, room_id, asked.model_dump())
        detail = {"resident_id": room.resident_id}
        audit.record(connection, manager, "room-changed", parts.now_ms(), subject=f"room:{room.id}", detail=detail)
    return _room(room)


@router.delete("/rooms/{room_id}", status_code=204, responses=CHANGES, summary="Take a room out")
def remove_room(request: Request, manager: Manager, room_id: Id) -> None:
    """Its cameras and residents have none then."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        places.remove_room(connection, room_id)
        audit.record(connection, manager, "room-removed", parts.now_ms(), subject=f"room:{room_id}")


@router.get("/cameras", summary="All cameras")
def all_cameras(request: Request, _carer: Carer) -> list[CameraBody]:
    """They come by themselves, as nodes tell of them."""
    with parts_of(request).database.reading() as connection:
        return [_camera(camera) for camera in places.all_cameras(connection)]


@router.put("/cameras/{camera_id}", responses=CHANGES, summary="Say which room a camera looks into")
def place_camera(request: Request, manager: Manager, camera_id: Id, asked: CameraPlace) -> CameraBody:
    """A room may have several."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        camera = places.place_camera(connection, camera_id, asked.room_id)
        subject, detail = f"camera:{camera.id}", {"room_id": camera.room_id}
        audit.record(connection, manager, "camera-placed", parts.now_ms(), subject=subject, detail=detail)
    return _camera(camera)


def _room(room: Room) -> RoomBody:
    return RoomBody.model_validate(room, from_attributes=True)


def _camera(camera: PlacedCamera) -> CameraBody:
    return CameraBody.model_validate(camera, from_attributes=True)
