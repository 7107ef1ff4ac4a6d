"""Events of a batch into the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from ffe_edge.dashboard.arrivals import Arrival
from ffe_edge.dashboard.known_places import PAST, KnownCamera, KnownPlaces
from ffe_edge.dashboard.spell_reading import Track
from ffe_edge.dashboard.spell_store import Difference, renew
from ffe_edge.dashboard.spells import Told
from ffe_edge.dashboard.tables import events, residents, rooms
from ffe_edge.messages import EmotionCloudEvent, GapCloudEvent

MAX_HELD_MS: Final = 366 * 86_400_000
AT_ONCE: Final = 500
"""Ids that are asked for in one query."""


class Consents:
    """Whose time may be counted by name."""

    def __init__(self, connection: Connection) -> None:
        given = residents.c.consent_at_ms.is_not(None) & residents.c.withdrawn_at_ms.is_(None)
        query = select(residents.c.id, residents.c.consent_at_ms).where(given)
        self._since_ms = {row.id: row.consent_at_ms for row in connection.execute(query)}
        private = select(rooms.c.id, rooms.c.resident_id).where(rooms.c.resident_id.is_not(None))
        self._of_room = {row.id: row.resident_id for row in connection.execute(private)}

    def resident(self, named: str | None, camera: KnownCamera, at_ms: int) -> str | None:
        """Whose an event is: whom it names, else whose room it is; None where none consented by then."""
        resident_id = named or (self._of_room.get(camera.room_id) if camera.room_id is not None else None)
        since_ms = self._since_ms.get(resident_id) if resident_id else None
        return resident_id if since_ms is not None and since_ms <= at_ms else None


def store_events(
    connection: Connection, arrivals: Sequence[Arrival], places: KnownPlaces, difference: Difference
) -> list[Arrival]:
    """Store those that are new, and the spells that follow; returns them."""
    new = _new(connection, arrivals)
    consents = Consents(connection) if new else None
    rows: list[dict[str, Any]] = []
    touched: dict[Track, list[Told]] = {}
    for arrival in new:
        camera = places.camera(arrival.place, arrival.received_ms)
        message = arrival.message
        row = _row(arrival, camera)
        if isinstance(message, EmotionCloudEvent) and consents is not None:
            row |= _emotion(message, consents.resident(message.data.resident, camera, arrival.at_ms))
            track = Track(camera.id, message.bootid, message.data.track)
            touched.setdefault(track, []).append(_told(row))
            _lives(places, arrival)
        rows.append(row)
    renew(connection, touched, places, difference)
    if rows:
        connection.execute(insert(events), rows)
    return new


def _new(connection: Connection, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Those whose id is not known; of the same id the first."""
    by_id: dict[str, Arrival] = {}
    for arrival in arrivals:
        if isinstance(arrival.message, (EmotionCloudEvent, GapCloudEvent)):
            by_id.setdefault(arrival.message.id, arrival)
    ids = list(by_id)
    for at in range(0, len(ids), AT_ONCE):
        query = select(events.c.id).where(events.c.id.in_(ids[at : at + AT_ONCE]))
        for known in connection.execute(query).scalars():
            del by_id[known]
    return list(by_id.values())


def _lives(places: KnownPlaces, arrival: Arrival) -> None:
    """Only a living node tells news: one that was lost has come back, its birth still on the way."""
    node = places.node(arrival.place, arrival.received_ms)
    if node.state != "online" and not arrival.is_late and arrival.at_ms > node.since_ms:
        session = node.session and PAST + node.session.removeprefix(PAST)
        places.set_node(node, state="online", session=session, since_ms=arrival.at_ms)


def _row(arrival: Arrival, camera: KnownCamera) -> dict[str, Any]:
    message = arrival.message
    if not isinstance(message, (EmotionCloudEvent, GapCloudEvent)):
        raise TypeError("only events have rows of events")
    gap = message.data if isinstance(message, GapCloudEvent) else None
    return {
        "id": message.id,
        "node_id": camera.node_id,
        "camera_id": camera.id,
        "kind": "gap" if gap else "emotion",
        "sequence": message.sequence,
        "boot_id": message.bootid,
        "at_ms": arrival.at_ms,
        "received_ms": arrival.received_ms,
        "is_late": arrival.is_late,
        "is_replayed": message.replayed,
        "lost_first": gap and gap.first,
        "lost_last": gap and gap.last,
        "lost_count": gap and gap.count,
        "reason": gap and gap.reason,
        **dict.fromkeys(_OF_EMOTIONS),
    }


_OF_EMOTIONS: Final = ("change", "track", "resident_id", "emotion", "previous", "confidence", "held_ms", "quality")


def _emotion(message: EmotionCloudEvent, resident_id: str | None) -> dict[str, Any]:
    data = message.data
    return {
        "change": data.change,
        "track": data.track,
        "resident_id": resident_id,
        "emotion": data.emotion,
        "previous": data.previous,
        "confidence": data.confidence,
        "held_ms": round(min(data.held_seconds * 1000, MAX_HELD_MS)),
        "quality": data.face.quality,
    }


def _told(row: dict[str, Any]) -> Told:
    names = ("sequence", "change", "at_ms", "emotion", "previous", "held_ms", "resident_id")
    return Told(**{name: row[name] for name in names})
