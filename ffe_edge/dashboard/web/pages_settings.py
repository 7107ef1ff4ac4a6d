"""Settings: rooms and cameras, residents and their consent; for managers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.web import api_places, api_residents
from ffe_edge.dashboard.web.api_places import CameraPlace, RoomAsked
from ffe_edge.dashboard.web.api_residents import ConsentAsked, ResidentAsked, ResidentNew
from ffe_edge.dashboard.web.forms import Refusal, Text, asked, done, lines, number, or_none, status_of
from ffe_edge.dashboard.web.problem import ProblemError
from ffe_edge.dashboard.web.render import render
from ffe_edge.dashboard.web.session import Manager

router: Final = APIRouter(prefix="/settings", include_in_schema=False)
ROOMS: Final = "/settings/rooms"
RESIDENTS: Final = "/settings/residents"


@router.get("")
def first_page(_manager: Manager) -> Response:
    """Begin with the rooms."""
    return RedirectResponse(ROOMS, 303)


@router.get("/rooms")
def rooms_page(request: Request, manager: Manager, done: str = "") -> Response:
    """Rooms, and which camera looks into which."""
    found = api_places.floor(request, manager)
    return render(request, "settings_rooms.html", found=found, done=done)


@router.post("/rooms")
@router.post("/rooms/{room_id}")
def save_room(
    request: Request,
    manager: Manager,
    room_id: api_places.Id | None = None,
    name_ja: Text = "",
    name_en: Text = "",
    floor: Text = "",
    position: Text = "",
    resident_id: Text = "",
) -> Response:
    """A new room, or another one of it."""
    told = {"name_ja": name_ja, "name_en": name_en or name_ja, "floor": floor, "position": number(position) or 0}
    room = asked(RoomAsked, **told, resident_id=or_none(resident_id))
    if room_id is None:
        api_places.add_room(request, manager, room)
    else:
        api_places.change_room(request, manager, room_id, room)
    return done(ROOMS)


@router.post("/rooms/{room_id}/remove")
def remove_room(request: Request, manager: Manager, room_id: api_places.Id) -> Response:
    """Take a room out."""
    api_places.remove_room(request, manager, room_id)
    return done(ROOMS)


@router.post("/cameras/{camera_id}")
def place_camera(request: Request, manager: Manager, camera_id: api_places.Id, room_id: Text = "") -> Response:
    """Say which room a camera looks into."""
    api_places.place_camera(request, manager, camera_id, asked(CameraPlace, room_id=number(room_id)))
    return done(ROOMS)


@router.get("/residents")
def residents_page(request: Request, manager: Manager, done: str = "") -> Response:
    """Who lives here, and what they consented to."""
    return _residents(request, manager, done=done)


@router.post("/residents")
def add_resident(
    request: Request,
    manager: Manager,
    resident_id: Text = "",
    name: Text = "",
    name_en: Text = "",
    room_id: Text = "",
) -> Response:
    """A new resident, without consent at first; what is refused comes back with the reason."""
    told = {"id": or_none(resident_id), "name": name, "name_en": or_none(name_en), "room_id": number(room_id)}
    try:
        api_residents.add_resident(request, manager, asked(ResidentNew, **told))
    except (ProblemError, RefusedError) as error:
        return _residents(request, manager, problem=error, typed=told)
    return done(RESIDENTS)


@router.post("/residents/{resident_id}")
def change_resident(
    request: Request,
    manager: Manager,
    resident_id: api_residents.Id,
    name: Text = "",
    name_en: Text = "",
    room_id: Text = "",
) -> Response:
    """Another name or room."""
    told = {"name": name, "name_en": or_none(name_en), "room_id": number(room_id)}
    api_residents.change_resident(request, manager, resident_id, asked(ResidentAsked, **told))
    return done(RESIDENTS)


@router.post("/residents/{resident_id}/consent")
def give_consent(
    request: Request, manager: Manager, resident_id: api_residents.Id, by: Text = "", note: Text = ""
) -> Response:
    """Write down a consent."""
    consent = asked(ConsentAsked, by=by, note=or_none(lines(note)))
    api_residents.give_consent(request, manager, resident_id, consent)
    return done(RESIDENTS)


@router.post("/residents/{resident_id}/withdraw")
def withdraw_consent(request: Request, manager: Manager, resident_id: api_residents.Id) -> Response:
    """Write down that a consent is withdrawn."""
    api_residents.withdraw_consent(request, manager, resident_id)
    return done(RESIDENTS)


@router.post("/residents/{resident_id}/forget")
def forget_resident(request: Request, manager: Manager, resident_id: api_residents.Id, typed: Text = "") -> Response:
    """Erase somebody, once their id was typed."""
    if typed.strip() != resident_id:
        raise ProblemError("invalid", "what was typed is not the resident's id: nothing was erased")
    api_residents.forget_resident(request, manager, resident_id)
    return done(RESIDENTS, "forgotten")


def _residents(
    request: Request,
    manager: Manager,
    *,
    done: str = "",
    problem: Refusal | None = None,
    typed: Mapping[str, object] | None = None,
) -> Response:
    people = api_residents.all_residents(request, manager)
    rooms = {room.id: room for room in api_places.all_rooms(request, manager)}
    told = {"people": people, "rooms": rooms, "done": done, "problem": problem, "typed": typed}
    return render(request, "settings_residents.html", status_of(problem), **told)
