"""What a webhook is told of an alert."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Final

from sqlalchemy import Connection, select

from ffe_edge.dashboard.alert_watch import News
from ffe_edge.dashboard.tables import cameras, nodes, residents, rooms
from ffe_edge.messages import utc_milliseconds

VERSION: Final = 1


def alert_message(connection: Connection, news: News, *, with_names: bool) -> dict[str, Any]:
    """The JSON object.

    Args:
        connection: to read by.
        news: what has become of an alert.
        with_names: whether residents and rooms are named; else only what kind of subject it is.
    """
    alert = news.alert
    kind, _, name = alert.subject.partition(":")
    message: dict[str, Any] = {
        "version": VERSION,
        "event": news.event,
        "alert": alert.id,
        "rule": alert.rule,
        "severity": alert.severity,
        "subject": kind,
        "found": _time(alert.detail.get("found_ms")),
        "opened": _time(alert.opened_ms),
        "ended": _time(alert.ended_ms),
        "delayed": bool(alert.detail.get("is_delayed")),
        "sentence": {"key": alert.detail.get("key"), "figures": alert.detail.get("figures", {})},
    }
    if kind == "resident":
        return message | (_resident(connection, name) if with_names else {})
    if kind == "node":
        return message | _node(connection, int(name))
    return message | _camera(connection, int(name), with_names=with_names)


def _resident(connection: Connection, resident_id: str) -> dict[str, Any]:
    row = connection.execute(select(residents).where(residents.c.id == resident_id)).first()
    return {} if row is None else {"resident": resident_id, "name": row.name, "room": _room(connection, row.room_id)}


def _node(connection: Connection, number: int) -> dict[str, Any]:
    """Devices are no persons: they are named always, their rooms not."""
    row = connection.execute(select(nodes.c.site, nodes.c.node).where(nodes.c.id == number)).first()
    return {} if row is None else {"node": f"{row.site}/{row.node}"}


def _camera(connection: Connection, number: int, *, with_names: bool) -> dict[str, Any]:
    row = connection.execute(select(cameras).where(cameras.c.id == number)).first()
    if row is None:
        return {}
    told = _node(connection, row.node_id) | {"camera": row.name}
    return told | ({"room": _room(connection, row.room_id)} if with_names else {})


def _room(connection: Connection, room_id: int | None) -> str | None:
    return connection.execute(select(rooms.c.name_ja).where(rooms.c.id == room_id)).scalar_one_or_none()


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else utc_milliseconds(datetime.fromtimestamp(at_ms / 1000, timezone.utc))
