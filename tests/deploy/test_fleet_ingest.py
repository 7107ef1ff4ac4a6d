"""A batch of a whole fleet: messages of many nodes, mixed, are stored as if each told alone, in as few questions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dashboard.messages import emotion, status, summary
from sqlalchemy import event, select

from ffe_edge.dashboard.arrivals import Arrival, Place
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.ingest import Ingested, ingest
from ffe_edge.dashboard.tables import cameras, events, nodes, rollups, spells, summaries
from ffe_edge.messages import Health

TOKYO = ZoneInfo("Asia/Tokyo")
NODES = 12


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    with (
        closing(Database(f"sqlite:///{tmp_path / 'mixed.sqlite'}")) as mixed,
        closing(Database(f"sqlite:///{tmp_path / 'apart.sqlite'}")) as apart,
    ):
        for database in (mixed, apart):
            database.migrate()
        yield mixed, apart


def told_by(number: int) -> list[Arrival]:
    """Somebody comes, changes and goes; minutes, healths and a will between."""
    place = Place("kiso", f"edge-{number:02}", "day-room")
    birth, will = (status(state, at) for state, at in (("online", 0), ("lost", 200)))
    health = Arrival(Place("kiso", place.node), Health(fps={}, outbox_entries=0), birth.received_ms + 10_000)
    own = [Arrival(Place("kiso", place.node), one.message, one.received_ms) for one in (birth, will)]
    first = emotion(1, "start", 1, place=place)
    then = emotion(2, "change", 30, "sadness", previous="joy", held=29.0, place=place)
    minute = summary(3, 0, {"joy": 30.0, "sadness": 30.0}, place=place)
    other = emotion(4, "start", 100, track=2, place=place)
    return [own[0], first, health, then, minute, other, health, own[1]]


def mixed_up(chance: random.Random) -> list[Arrival]:
    """All nodes at once; what one tells keeps its order."""
    waiting = [told_by(number) for number in range(NODES)]
    mixed = []
    while waiting:
        one = chance.choice(waiting)
        mixed.append(one.pop(0))
        waiting = [each for each in waiting if each]
    return mixed


def store(database: Database, arrivals: list[Arrival]) -> Ingested:
    with database.writing() as connection:
        return ingest(connection, arrivals, TOKYO)


def kept(database: Database) -> list[list[tuple[Any, ...]]]:
    """What is in the store, by names instead of numbers."""
    names = [nodes.c.node, cameras.c.name]
    of_camera = cameras.join(nodes, nodes.c.id == cameras.c.node_id)
    asked = [
        select(nodes.c.node, nodes.c.state, nodes.c.since_ms, nodes.c.heard_ms),
        select(*names, cameras.c.heard_ms).select_from(of_camera),
    ]
    for table, columns in (
        (events, ("sequence", "emotion", "at_ms", "change")),
        (spells, ("emotion", "began_ms", "ended_ms", "end_reason")),
        (summaries, ("began_ms", "seconds", "missing_seconds")),
    ):
        joined = table.join(of_camera, table.c.camera_id == cameras.c.id)
        asked.append(select(*names, *(table.c[name] for name in columns)).select_from(joined))
    asked.append(select(rollups.c.unit, rollups.c.emotion, rollups.c.ms))
    with database.reading() as connection:
        return [sorted(map(tuple, connection.execute(query)), key=str) for query in asked]


@pytest.mark.parametrize("seed", range(5))
def test_what_many_nodes_tell_at_once_is_stored_as_if_each_told_alone(
    databases: tuple[Database, Database], seed: int
) -> None:
    mixed, apart = databases
    batch = mixed_up(random.Random(seed))
    result = store(mixed, batch)
    for number in range(NODES):
        store(apart, told_by(number))
    assert kept(mixed) == kept(apart)
    assert len(kept(mixed)[2]) == 3 * NODES
    order = {id(arrival): at for at, arrival in enumerate(batch)}
    assert sorted(result.new, key=lambda arrival: order[id(arrival)]) == list(result.new)


def test_a_mixed_batch_asks_the_store_no_more_often_than_a_sorted_one(databases: tuple[Database, Database]) -> None:
    asked = []
    for database, batch in zip(
        databases,
        (mixed_up(random.Random(7)), [one for number in range(NODES) for one in told_by(number)]),
        strict=True,
    ):
        statements: list[str] = []

        def told(_connection: Any, _cursor: Any, statement: str, *_: Any, seen: list[str] = statements) -> None:
            seen.append(statement)

        event.listen(database._engine, "before_cursor_execute", told)
        store(database, batch)
        asked.append(len(statements))
    assert asked[0] <= asked[1] + 5
