from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from dashboard.messages import NOON_MS, PLACE, emotion, gap, summary
from sqlalchemy import insert

from ffe_edge.dashboard.arrivals import Arrival
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.history import baseline, events_page, shares_by, shares_of_many, spells_between
from ffe_edge.dashboard.ingest import ingest
from ffe_edge.dashboard.last_known import last_known, pictured_between
from ffe_edge.dashboard.rollups import DAY_MS, Bucket, store_counts
from ffe_edge.dashboard.tables import residents

TOKYO = ZoneInfo("Asia/Tokyo")
MINUTE = 60_000


@pytest.fixture
def home(database: Database) -> Database:
    """Hana was neutral for 90 s, joyful for 60 s, and is angry since; a minute later her camera was heard of."""
    with database.writing() as connection:
        row = {"id": "hana", "name": "花", "created_ms": 0, "consent_at_ms": 0}
        connection.execute(insert(residents).values(row))
    store(
        database,
        emotion(1, "start", 0, "neutral", resident="hana"),
        emotion(2, "change", 90, "joy", previous="neutral", held=90, resident="hana"),
        emotion(3, "change", 150, "anger", previous="joy", held=60, resident="hana"),
        summary(4, 151, {"anger": 60.0}),
    )
    return database


def store(database: Database, *arrivals: Arrival) -> None:
    with database.writing() as connection:
        ingest(connection, arrivals, TOKYO)


@pytest.mark.parametrize("subject", ["resident:hana", "camera:1"])
def test_spells_of_a_time_are_those_that_touch_it(home: Database, subject: str) -> None:
    with home.reading() as connection:
        found = spells_between(connection, subject, NOON_MS + 90_000, NOON_MS + 140_000)
        lasting = spells_between(connection, subject, NOON_MS + 150_000, NOON_MS + 10**9)
    assert [(each.emotion, each.began_ms - NOON_MS, each.ended_ms - NOON_MS) for each in found] == [
        ("joy", 90_000, 150_000)
    ]
    assert [(each.emotion, each.ended_ms - NOON_MS, each.end_reason) for each in lasting] == [("anger", 211_000, None)]


def test_what_lasts_is_counted_up_to_when_its_camera_was_heard_of(home: Database) -> None:
    with home.reading() as connection:
        hours = shares_by(connection, "resident:hana", "hour", NOON_MS, NOON_MS + 3_600_000, TOKYO)
        minutes = shares_by(connection, "resident:hana", "minute", NOON_MS, NOON_MS + 3 * MINUTE, TOKYO)
    assert hours == [(NOON_MS, {"neutral": 90_000, "joy": 60_000, "anger": 61_000})]
    assert [shares for _, shares in minutes] == [
        {"neutral": 60_000},
        {"neutral": 30_000, "joy": 30_000},
        {"joy": 30_000, "anger": 30_000},
    ]


def test_several_subjects_are_summed_in_one_query(home: Database) -> None:
    with home.reading() as connection:
        found = shares_of_many(connection, ["resident:hana", "camera:9"], "hour", NOON_MS, NOON_MS + 1)
        assert shares_of_many(connection, [], "hour", 0, 1) == {}
    assert found == {"resident:hana": {"neutral": 90_000, "joy": 60_000}, "camera:9": {}}


def test_another_subject_is_a_mistake_of_ours(home: Database) -> None:
    with home.reading() as connection, pytest.raises(ValueError, match="a subject is"):
        spells_between(connection, "room:1", 0, 1)


def test_the_baseline_is_the_days_before_with_enough_time_in_view(database: Database) -> None:
    midnight = NOON_MS - 12 * 3_600_000
    days = [(1, {"joy": 30 * MINUTE, "neutral": 10 * MINUTE}), (2, {"neutral": 40 * MINUTE, "missing": 90 * MINUTE})]
    ignored = [(3, {"anger": 9 * MINUTE}), (29, {"anger": 50 * MINUTE}), (0, {"anger": 50 * MINUTE})]
    with database.writing() as connection:
        for ago, shares in days + ignored:
            counts = {Bucket("resident:hana", "day", midnight - ago * DAY_MS, name): ms for name, ms in shares.items()}
            store_counts(connection, counts)
        usual = baseline(connection, "resident:hana", NOON_MS, TOKYO)
    assert usual.shares == {"joy": 0.375, "neutral": 0.625}
    assert usual.spreads == pytest.approx({"joy": 0.75 / 2**0.5, "neutral": 0.75 / 2**0.5})
    assert (usual.days, usual.seen_ms) == (2, 80 * MINUTE)


def test_nothing_is_usual_of_somebody_new(database: Database) -> None:
    with database.reading() as connection:
        assert baseline(connection, "resident:nobody", NOON_MS, TOKYO).days == 0


def test_the_list_of_events_is_read_page_by_page(home: Database) -> None:
    store(home, gap(5, 150, 3, 4, 2), emotion(6, "start", 150, track=2))
    seen, before = [], None
    with home.reading() as connection:
        while True:
            page = events_page(connection, camera_ids=[1], before=before, limit=2)
            seen += [event["sequence"] for event in page.events]
            if (before := page.next_before) is None:
                break
    assert sorted(seen) == [1, 2, 3, 5, 6]
    assert (set(seen[:3]), seen[3:]) == ({3, 5, 6}, [2, 1])


def test_the_list_of_events_is_of_whom_and_when_one_asks(home: Database) -> None:
    store(home, emotion(6, "start", 160, track=2))
    with home.reading() as connection:
        hers = events_page(connection, resident_id="hana", from_ms=NOON_MS + 1, to_ms=NOON_MS + 150_000)
        nobodys = events_page(connection, camera_ids=[])
    assert [event["emotion"] for event in hers.events] == ["joy"]
    assert nobodys.events == []


def test_the_live_picture_begins_with_who_was_there_last(home: Database) -> None:
    with home.reading() as connection:
        known = last_known(connection)
    (person,) = known.people
    assert (person.camera, person.track, person.boot_id, person.resident_id) == ("day-room", 1, "b1", "hana")
    assert (person.emotion, person.began_ms - NOON_MS, person.confidence) == ("anger", 150_000, 0.7)
    assert ([node.node for node in known.nodes], [camera.name for camera in known.cameras]) == (
        ["edge-01"],
        ["day-room"],
    )


def test_where_no_minute_was_told_nothing_is_known(home: Database) -> None:
    minutes = [summary(10 + at, 60 * at, {}) for at in (1, 2, 3, 6)]
    store(home, *minutes, summary(30, 60 * 7, {}, missing=31), summary(31, 600, {}, place=PLACE))
    with home.reading() as connection:
        times = pictured_between(connection, [1], NOON_MS + 90_000, NOON_MS + 630_000)
    assert [((began - NOON_MS) / 1000, (ended - NOON_MS) / 1000) for began, ended in times] == [
        (90, 240),
        (360, 420),
        (600, 630),
    ]
