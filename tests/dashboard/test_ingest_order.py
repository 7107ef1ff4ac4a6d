"""Late, repeated and reordered events give the same spells and the same counted time as ordered ones."""

from __future__ import annotations

import random
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dashboard.messages import emotion
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from ffe_edge.dashboard.arrivals import Arrival, Place
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.ingest import ingest
from ffe_edge.dashboard.tables import cameras, residents, rollups, spells

ZONE = ZoneInfo("Asia/Kolkata")
NUMBERS = count()
EMOTIONS = ("joy", "anger", "neutral")
told = st.fixed_dictionaries(
    {
        "change": st.sampled_from(("start", "change", "change", "change", "end")),
        "emotion": st.sampled_from(EMOTIONS),
        "previous": st.sampled_from((None, *EMOTIONS)),
        "wait_seconds": st.floats(0, 4000),
        "held": st.sampled_from((0.0, 3.0, None)),
        "track": st.sampled_from((1, 1, 2)),
        "boot_id": st.sampled_from(("b1", "b1", "b2")),
        "resident": st.sampled_from((None, None, None, "hana", "yuki")),
    }
)
"""Not only what a node would tell: ``held`` None is the wait itself."""


def arrivals(events: list[dict[str, Any]], place: Place) -> list[Arrival]:
    made, at_seconds = [], 0.0
    for sequence, event in enumerate(events, 1):
        more = dict(event)
        wait = more.pop("wait_seconds")
        at_seconds += wait
        held = wait if more["held"] is None else more["held"]
        made.append(
            emotion(sequence, at_seconds=at_seconds, place=place, received_seconds=1e6, **(more | {"held": held}))
        )
    return made


def outcome(database: Database, place: Place, batches: list[list[Arrival]]) -> tuple[list[Any], list[Any]]:
    """The spells and the counted time of a camera and of whom it saw, after these batches."""
    with database.writing() as connection:
        connection.execute(rollups.delete())
        connection.execute(spells.delete())
        for batch in batches:
            ingest(connection, batch, ZONE)
        camera_id = connection.execute(select(cameras.c.id).where(cameras.c.name == place.camera)).scalar_one()
        kept = [column for column in spells.c if column.name not in ("id", "camera_id")]
        made = sorted(map(repr, connection.execute(select(*kept).where(spells.c.camera_id == camera_id))))
        counted = [tuple(row) for row in connection.execute(select(rollups).order_by(*rollups.primary_key))]
    return made, [(subject.replace(f":{camera_id}", ""), *rest) for subject, *rest in counted]


def check(database: Database, events: list[dict[str, Any]], chance: random.Random) -> None:
    with database.writing() as connection:
        if connection.execute(select(residents)).first() is None:
            people = [{"id": name, "name": name, "created_ms": 0, "consent_at_ms": 0} for name in ("hana", "yuki")]
            connection.execute(insert(residents), people)
    ordered, shuffled = (Place("kiso", "edge-01", f"c{next(NUMBERS)}") for _ in range(2))
    first = arrivals(events, ordered)
    second = arrivals(events, shuffled)
    second += chance.choices(second, k=chance.randint(0, len(second)))
    chance.shuffle(second)
    cuts = sorted(chance.randint(0, len(second)) for _ in range(3))
    batches = [second[a:b] for a, b in zip([0, *cuts], [*cuts, len(second)], strict=True)]
    assert outcome(database, shuffled, batches) == outcome(database, ordered, [[each] for each in first])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(events=st.lists(told, min_size=1, max_size=12), seed=st.integers(0, 2**32))
def test_the_order_of_delivery_changes_nothing(sqlite: Database, events: list[dict[str, Any]], seed: int) -> None:
    check(sqlite, events, random.Random(seed))


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=st.lists(told, min_size=1, max_size=20), seed=st.integers(0, 2**32))
def test_the_order_of_delivery_changes_nothing_in_many_more_cases(
    sqlite: Database, events: list[dict[str, Any]], seed: int
) -> None:
    check(sqlite, events, random.Random(seed))


def test_the_order_of_delivery_changes_nothing_in_either_database(database: Database) -> None:
    chance = random.Random(7)
    events = [
        {
            "change": chance.choice(("start", "change", "change", "end")),
            "emotion": chance.choice(EMOTIONS),
            "previous": chance.choice(EMOTIONS),
            "wait_seconds": chance.uniform(0, 900),
            "held": None,
            "track": chance.randint(1, 3),
            "boot_id": "b1",
            "resident": chance.choice((None, "hana")),
        }
        for _ in range(60)
    ]
    check(database, events, chance)
