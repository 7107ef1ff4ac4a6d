"""What nodes and cameras do, into the store: births, wills, clean stops, cameras' states."""

from __future__ import annotations

from sqlalchemy import Connection

from ffe_edge.dashboard.arrivals import Arrival
from ffe_edge.dashboard.known_places import PAST, SILENCE_MS, KnownPlaces
from ffe_edge.dashboard.spell_store import Difference, end_open
from ffe_edge.messages import CameraStatus, Status


def store_state(connection: Connection, arrival: Arrival, places: KnownPlaces, difference: Difference) -> bool:
    """Store it; False where it is no news, or the will of an older session."""
    message = arrival.message
    if isinstance(message, Status):
        return _store_status(connection, arrival, message, places, difference)
    if isinstance(message, CameraStatus):
        return _store_camera(connection, arrival, message, places, difference)
    return True


def _store_status(
    connection: Connection, arrival: Arrival, status: Status, places: KnownPlaces, difference: Difference
) -> bool:
    node = places.node(arrival.place, arrival.received_ms)
    is_past = node.session is not None and node.session.startswith(PAST)
    is_of_another = not is_past and node.session not in (None, status.session)
    if status.state != "online" and (is_of_another or node.session == PAST + status.session):
        return False
    if node.state == status.state and not is_of_another:
        is_first = node.session is None  # what a broker had kept of its cameras came before it
        places.set_node(node, **_told(status))
        return is_first
    gone_ms = min(arrival.received_ms, node.heard_ms + SILENCE_MS)
    if node.state == "online" or is_of_another:
        reason = "node restarted" if status.state == "online" else f"node {status.state}"
        end_open(connection, places.cameras_of(node), gone_ms, reason, difference)
    since_ms = arrival.received_ms if status.state == "online" else gone_ms
    places.set_node(node, state=status.state, since_ms=since_ms, **_told(status))
    return True


def _told(status: Status) -> dict[str, str | None]:
    engine = {"version": status.version, "engine": status.engine} if status.state == "online" else {}
    return {"session": status.session, **engine}


def _store_camera(
    connection: Connection, arrival: Arrival, status: CameraStatus, places: KnownPlaces, difference: Difference
) -> bool:
    camera = places.camera(arrival.place, arrival.received_ms)
    was_told, camera.is_told = camera.is_told, True
    if was_told and (camera.state, camera.reason) == (status.state, status.reason):
        return False
    is_same = camera.state == status.state
    is_away = status.state != "online"
    since_ms = min(arrival.received_ms, camera.heard_ms + SILENCE_MS) if is_away else arrival.received_ms
    if is_away and not is_same:
        end_open(connection, [camera.id], since_ms, f"camera {status.state}", difference)
    places.set_camera(camera, status.state, status.reason, camera.since_ms if is_same else since_ms)
    return True
