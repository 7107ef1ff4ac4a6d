from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dashboard.messages import NOON_MS, emotion
from sqlalchemy import insert, select

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.ingest import ingest
from ffe_edge.dashboard.people_store import (
    add_resident,
    all_residents,
    change_resident,
    forget_resident,
    get_resident,
    give_consent,
    withdraw_consent,
)
from ffe_edge.dashboard.places import add_room, all_cameras, all_rooms, change_room, place_camera, remove_room
from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.tables import METADATA, alerts, audit, events, quarantine, rollups

TOKYO = ZoneInfo("Asia/Tokyo")
NAME = "hana-花"
ROOM = {"name_ja": "一〇一", "name_en": "101", "floor": "1", "position": 1}


def everything(database: Database) -> str:
    """All that the store holds, as text."""
    with database.reading() as connection:
        rows = [tuple(row) for table in METADATA.sorted_tables for row in connection.execute(select(table))]
    return json.dumps(rows, default=lambda value: value.decode(errors="replace"), ensure_ascii=False)


@pytest.fixture
def home(database: Database) -> Database:
    """Somebody who consented, whose time was counted, of whom there was an alert, and whom others looked at."""
    with database.writing() as connection:
        add_resident(connection, NAME, {"name": "花子", "name_en": "Hanako"}, 1)
        room = add_room(connection, ROOM | {"resident_id": NAME})
        change_resident(connection, NAME, {"room_id": room.id})
        give_consent(connection, NAME, "her daughter", "花子 on paper", 2)
        mine = [
            emotion(1, "start", 0, "neutral"),
            emotion(2, "change", 90, "joy", previous="neutral", resident=NAME),
            emotion(3, "start", 95, "anger", track=2),
            emotion(4, "end", 155, "anger", previous="anger", track=2),
        ]
        ingest(connection, mine, TOKYO)
        alert = {"rule": "long", "opened_ms": 1, "severity": "notice", "detail": {"who": "花子"}, "note": "花子 cried"}
        connection.execute(insert(alerts).values(subject=f"resident:{NAME}", **alert))
        look = {"at_ms": 1, "user_name": "carer", "action": "resident-viewed", "detail": {"name": "花子"}}
        connection.execute(insert(audit).values(subject=f"resident:{NAME}", **look))
        for payload in (f"?{NAME}".encode(), json.dumps({"resident": NAME}).encode(), b"other"):
            strange = {"received_ms": 1, "topic": "t", "reason": "r", "bytes": 9, "payload": payload, "count": 1}
            connection.execute(insert(quarantine).values(strange))
    return database


def test_forgetting_leaves_nothing_that_names_them(home: Database) -> None:
    before = everything(home)
    assert NAME in before
    assert "花子" in before
    with home.writing() as connection:
        gone = forget_resident(connection, NAME, TOKYO)
    assert (gone.events, gone.spells, gone.alerts) == (1, 2, 1)
    after = everything(home)
    assert [word for word in (NAME, "hana", "花", "her daughter") if word in after] == []
    assert '"resident-viewed"' in after


def test_forgetting_leaves_no_byte_of_them_in_the_file(sqlite: Database, home: Database, tmp_path: Path) -> None:
    if home is not sqlite:
        pytest.skip("PostgreSQL overwrites what is deleted when it is vacuumed")

    def told() -> list[str]:
        held = b"".join(path.read_bytes() for path in tmp_path.glob("dashboard.sqlite*"))
        return [word for word in (NAME, "花子", "Hanako", "her daughter") if word.encode() in held]

    assert told() == [NAME, "花子", "Hanako", "her daughter"]
    with home.writing() as connection:
        forget_resident(connection, NAME, TOKYO)
    home.close()
    assert told() == []


def test_the_time_of_others_stays_when_somebody_is_forgotten(home: Database) -> None:
    with home.writing() as connection:
        forget_resident(connection, NAME, TOKYO)
    with home.reading() as connection:
        query = select(rollups.c.subject, rollups.c.emotion, rollups.c.ms).where(rollups.c.unit == "hour")
        assert [tuple(row) for row in connection.execute(query)] == [("camera:1", "anger", 60_000)]
        payloads = list(connection.execute(select(quarantine.c.payload).order_by(quarantine.c.id)).scalars())
    assert payloads == [None, None, b"other"]


def test_what_is_told_by_a_forgotten_name_is_stored_without_it(home: Database) -> None:
    with home.writing() as connection:
        forget_resident(connection, NAME, TOKYO)
        late = [emotion(5, "end", 160, "joy", previous="joy", held=70, resident=NAME)]
        ingest(connection, late, TOKYO)
        assert set(connection.execute(select(events.c.resident_id)).scalars()) == {None}
    assert "hana" not in everything(home)


def test_withdrawn_consent_ends_the_naming_and_can_be_given_again(home: Database) -> None:
    def told(sequence: int) -> Any:
        with home.writing() as connection:
            ingest(connection, [emotion(sequence, "start", 200, track=sequence, resident=NAME)], TOKYO)
            return connection.execute(select(events.c.resident_id).where(events.c.sequence == sequence)).scalar_one()

    with home.writing() as connection:
        withdraw_consent(connection, NAME, NOON_MS)
        with pytest.raises(RefusedError, match="no consent"):
            withdraw_consent(connection, NAME, NOON_MS)
    assert told(11) is None
    with home.writing() as connection:
        give_consent(connection, NAME, "herself", None, NOON_MS + 1)
        assert get_resident(connection, NAME).has_consent
    assert told(12) == NAME


def test_residents_are_added_once_and_changed(home: Database) -> None:
    with home.writing() as connection:
        with pytest.raises(RefusedError, match="already"):
            add_resident(connection, NAME, {"name": "x"}, 1)
        with pytest.raises(RefusedError, match="no such room"):
            change_resident(connection, NAME, {"room_id": 99})
        with pytest.raises(RefusedError, match="no such resident"):
            change_resident(connection, "nobody", {"name": "x"})
        change_resident(connection, NAME, {"name": "花代"})
        assert [each.name for each in all_residents(connection)] == ["花代"]


def test_a_removed_room_leaves_its_camera_and_resident_without_one(home: Database) -> None:
    with home.writing() as connection:
        (room,) = all_rooms(connection)
        (camera,) = all_cameras(connection)
        place_camera(connection, camera.id, room.id)
        remove_room(connection, room.id)
        assert (all_cameras(connection)[0].room_id, get_resident(connection, NAME).room_id) == (None, None)


def test_rooms_that_do_not_exist_are_refused(home: Database) -> None:
    with home.writing() as connection:
        for attempt in (
            lambda: remove_room(connection, 99),
            lambda: change_room(connection, 99, ROOM),
            lambda: place_camera(connection, 1, 99),
            lambda: place_camera(connection, 99, None),
            lambda: add_room(connection, ROOM | {"resident_id": "nobody"}),
        ):
            with pytest.raises(RefusedError, match="there is no such"):
                attempt()
