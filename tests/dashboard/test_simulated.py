from __future__ import annotations

import itertools
from zoneinfo import ZoneInfo

from dashboard.messages import NOON_MS
from sqlalchemy import func, insert, select

from ffe_edge.dashboard.arrivals import Arrival, read_arrival
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.history import baseline, shares_by
from ffe_edge.dashboard.ingest import ingest
from ffe_edge.dashboard.personas import PERSONAS
from ffe_edge.dashboard.rollups import DAY_MS
from ffe_edge.dashboard.simulated import compressed_day
from ffe_edge.dashboard.simulated_year import Past, load, past_rows
from ffe_edge.dashboard.tables import events, residents, rooms, spells

TOKYO = ZoneInfo("Asia/Tokyo")
ROOT = "ffe/v1"


def day(**options: float) -> list[Arrival]:
    told = compressed_day(f"{ROOT}/home/edge-01", NOON_MS, **options)  # type: ignore[arg-type]
    return [read_arrival(ROOT, each.topic, each.payload, each.at_ms) for each in told]


def test_a_compressed_day_is_of_the_contract_and_in_the_order_of_time() -> None:
    arrivals = day(speed=480)
    received = [arrival.received_ms for arrival in arrivals]
    assert received == sorted(received)
    assert 0 <= received[0] - NOON_MS < received[-1] - NOON_MS <= DAY_MS / 480
    assert {arrival.place.camera for arrival in arrivals} == {None, *(each.camera for each in PERSONAS)}


def test_the_same_seed_is_the_same_day() -> None:
    first, again = (list(compressed_day("ffe/v1/home/n", NOON_MS, speed=480, seed=7)) for _ in range(2))
    assert first == again


def test_a_compressed_day_becomes_spells_of_all_three(sqlite: Database) -> None:
    with sqlite.writing() as connection:
        people = [{"id": each.id, "name": each.name, "created_ms": 0, "consent_at_ms": 0} for each in PERSONAS]
        connection.execute(insert(residents), people)
        result = ingest(connection, day(speed=480), TOKYO)
        whose = connection.execute(select(spells.c.resident_id, func.count()).group_by(spells.c.resident_id)).all()
        lasting = connection.execute(select(func.count()).where(spells.c.ended_ms.is_(None))).scalar_one()
    assert (result.repeated, result.refused) == (0, ())
    assert ({row[0] for row in whose}, min(row[1] for row in whose) > 5) == ({each.id for each in PERSONAS}, True)
    assert lasting == 0


def test_a_past_is_rows_that_pages_can_ask(database: Database) -> None:
    past = Past(residents=4, days=30, events_days=2, minutes_days=1, mood_seconds=1200)
    with database.writing() as connection:
        for part in past_rows(past, NOON_MS, TOKYO):
            load(connection, part)
        month = shares_by(connection, "resident:hana", "day", NOON_MS - 31 * DAY_MS, NOON_MS, TOKYO)
        usual = baseline(connection, "resident:hana", NOON_MS, TOKYO)
        of_camera = shares_by(connection, "camera:1", "day", NOON_MS - 31 * DAY_MS, NOON_MS, TOKYO)
        connection.execute(insert(rooms).values(name_ja="a", name_en="a", floor="1", position=9))
    assert (len(month), of_camera, usual.days) == (30, month, 28)
    assert usual.shares["joy"] > 0.1


def test_events_and_spells_of_a_past_tell_the_same(sqlite: Database) -> None:
    past = Past(residents=1, days=2, events_days=2, minutes_days=2, mood_seconds=1200)
    with sqlite.writing() as connection:
        for part in past_rows(past, NOON_MS, TOKYO):
            load(connection, part)
        told = connection.execute(select(events).order_by(events.c.sequence)).all()
        made = connection.execute(select(spells).order_by(spells.c.sequence)).all()
    opening = [row for row in told if row.change != "end"]
    assert [(row.sequence, row.emotion, row.at_ms) for row in opening] == [
        (row.sequence, row.emotion, row.began_ms) for row in made
    ]
    assert all(before.ended_ms <= after.began_ms for before, after in itertools.pairwise(made))
