"""The floor: every room as it is now. The page holds the rooms; a script fills in who is there, from the stream."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Final, Protocol

from fastapi import APIRouter, Request
from starlette.responses import Response

from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.web import api_alerts, api_places
from ffe_edge.dashboard.web.api_places import CameraBody, Floor, RoomBody, RoomResident
from ffe_edge.dashboard.web.render import language_of, render
from ffe_edge.dashboard.web.session import Carer

router: Final = APIRouter(include_in_schema=False)
MOST_ALERTS: Final = 100


class Named(Protocol):
    """Somebody with a name."""

    @property
    def name(self) -> str:
        """As it is written at home."""
        ...

    @property
    def name_en(self) -> str | None:
        """In Latin letters."""
        ...


class NamedRoom(Protocol):
    """A room with its names."""

    @property
    def name_ja(self) -> str:
        """In Japanese."""
        ...

    @property
    def name_en(self) -> str:
        """In English."""
        ...


@dataclass(frozen=True, slots=True)
class RoomCard:
    """A room on the page."""

    name: str
    resident: RoomResident | None
    cameras: str
    """Names of the wire, as JSON."""


@dataclass(frozen=True, slots=True)
class FloorPart:
    """One storey."""

    name: str
    rooms: list[RoomCard]


@router.get("/")
def floor_page(request: Request, user: Carer) -> Response:
    """All rooms."""
    found = api_places.floor(request, user)
    language = language_of(request)
    names = {each.id: person_name(each, language) for each in found.residents if each.has_consent}
    return render(
        request,
        "floor.html",
        floors=_floors(found, language),
        unplaced=[RoomCard(short(each.name), None, _json([each])) for each in found.cameras if each.room_id is None],
        open_alerts=len(api_alerts.alerts(request, user, only_open=True, limit=MOST_ALERTS).alerts),
        names=json.dumps(names, ensure_ascii=False),
    )


def person_name(person: Named, language: Language) -> str:
    """In the reader's letters, where there are any."""
    return (person.name_en if language == "en" else None) or person.name


def room_name(room: NamedRoom, language: Language) -> str:
    """In the reader's language."""
    return room.name_ja if language == "ja" else room.name_en


def short(camera: str) -> str:
    """A camera's name without its device."""
    return camera.rpartition("/")[2]


def _floors(found: Floor, language: Language) -> list[FloorPart]:
    people = {each.id: each for each in found.residents}
    by_floor = itertools.groupby(sorted(found.rooms, key=lambda room: room.floor), key=lambda room: room.floor)
    return [
        FloorPart(name, [_card(room, found.cameras, people, language) for room in rooms]) for name, rooms in by_floor
    ]


def _card(room: RoomBody, cameras: list[CameraBody], people: dict[str, RoomResident], language: Language) -> RoomCard:
    resident = people.get(room.resident_id) if room.resident_id else None
    return RoomCard(room_name(room, language), resident, _json([each for each in cameras if each.room_id == room.id]))


def _json(cameras: list[CameraBody]) -> str:
    return json.dumps([camera.name for camera in cameras], ensure_ascii=False)
