"""Whom or what an alert is of, in the reader's words."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from sqlalchemy import select

from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.tables import nodes
from ffe_edge.dashboard.users import User
from ffe_edge.dashboard.web import api_places
from ffe_edge.dashboard.web.pages_floor import person_name, room_name, short
from ffe_edge.dashboard.web.session import parts_of


@dataclass(frozen=True, slots=True)
class Names:
    """Of all that an alert may be of, by subject."""

    names: dict[str, str]

    def of(self, subject: str) -> str:
        """A name; what is no longer there is called by its subject, somebody who was forgotten by none."""
        return self.names.get(subject, "–" if subject == "resident:" else subject)


def names_of(request: Request, user: User, language: Language) -> Names:
    """Residents, cameras with their rooms, devices."""
    floor = api_places.floor(request, user)
    rooms = {room.id: room_name(room, language) for room in floor.rooms}
    names = {f"resident:{each.id}": person_name(each, language) for each in floor.residents}
    for camera in floor.cameras:
        room = rooms.get(camera.room_id or 0)
        names[f"camera:{camera.id}"] = f"{room} ({short(camera.name)})" if room else short(camera.name)
    with parts_of(request).database.reading() as connection:
        names |= {f"node:{key}": node for key, node in connection.execute(select(nodes.c.id, nodes.c.node))}
    return Names(names)
