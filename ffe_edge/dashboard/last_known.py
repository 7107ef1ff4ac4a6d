"""What the store knows of this moment: for the live picture at its start, and where a picture was to be had at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from ffe_edge.dashboard.tables import cameras, events, nodes, spells, summaries

JOIN_MS: Final = 5_000
"""Minutes that follow one another within this are one time."""


@dataclass(frozen=True, slots=True)
class LastNode:
    """A device."""

    site: str
    node: str
    state: str
    session: str | None
    since_ms: int
    heard_ms: int


@dataclass(frozen=True, slots=True)
class LastCamera:
    """A camera of a node."""

    site: str
    node: str
    name: str
    state: str
    reason: str
    since_ms: int
    heard_ms: int


@dataclass(frozen=True, slots=True)
class LastPerson:
    """Somebody whose end was not told."""

    site: str
    node: str
    camera: str
    boot_id: str
    track: int
    resident_id: str | None
    emotion: str
    confidence: float
    began_ms: int
    """Since when this emotion."""
    sequence: int


@dataclass(frozen=True, slots=True)
class LastKnown:
    """Nodes, cameras and people as they were last told of."""

    nodes: list[LastNode]
    cameras: list[LastCamera]
    people: list[LastPerson]


def last_known(connection: Connection) -> LastKnown:
    """All of it."""
    opened = (
        (events.c.camera_id == spells.c.camera_id)
        & (events.c.sequence == spells.c.sequence)
        & (events.c.kind == "emotion")
        & (events.c.at_ms == spells.c.began_ms)
    )
    query = (
        select(spells, nodes.c.site, nodes.c.node, cameras.c.name, events.c.confidence)
        .join(cameras, cameras.c.id == spells.c.camera_id)
        .join(nodes, nodes.c.id == cameras.c.node_id)
        .outerjoin(events, opened)
        .where(spells.c.ended_ms.is_(None))
        .order_by(spells.c.began_ms, spells.c.id)
    )
    people = []
    for row in connection.execute(query):
        boot_id, _, track = row.track_key.rpartition("/")
        seen = (row.resident_id, row.emotion, row.confidence or 0.0, row.began_ms, row.sequence)
        people.append(LastPerson(row.site, row.node, row.name, boot_id, int(track), *seen))
    return LastKnown(*_places(connection), people)


def _places(connection: Connection) -> tuple[list[LastNode], list[LastCamera]]:
    told = select(*(nodes.c[name] for name in LastNode.__dataclass_fields__)).order_by(nodes.c.site, nodes.c.node)
    of_camera = ("name", "state", "reason", "since_ms", "heard_ms")
    seen = (
        select(nodes.c.site, nodes.c.node, *(cameras.c[name] for name in of_camera))
        .join(nodes, nodes.c.id == cameras.c.node_id)
        .order_by(nodes.c.site, nodes.c.node, cameras.c.name)
    )
    return [LastNode(*row) for row in connection.execute(told)], [LastCamera(*row) for row in connection.execute(seen)]


def pictured_between(
    connection: Connection, camera_ids: Collection[int], from_ms: int, to_ms: int
) -> list[tuple[int, int]]:
    """The times in which at least one of these cameras had a picture; outside them nothing is known.

    Of a minute with missing seconds it is not told which; it counts where it had more picture than not.
    """
    query = (
        select(summaries.c.began_ms, summaries.c.seconds)
        .where(summaries.c.camera_id.in_(camera_ids), summaries.c.missing_seconds * 2 < summaries.c.seconds)
        .where(summaries.c.began_ms >= from_ms - 60_000, summaries.c.began_ms < to_ms)
        .order_by(summaries.c.began_ms)
    )
    times: list[tuple[int, int]] = []
    for began_ms, seconds in connection.execute(query):
        ended_ms = min(to_ms, began_ms + round(seconds * 1000))
        if times and began_ms <= times[-1][1] + JOIN_MS:
            times[-1] = (times[-1][0], max(times[-1][1], ended_ms))
        elif ended_ms > from_ms:
            times.append((max(from_ms, began_ms), ended_ms))
    return times
