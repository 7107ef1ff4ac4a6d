from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dashboard.messages import NOON_MS, PLACE, camera, emotion, gap, status, summary
from sqlalchemy import Table, insert, select

from ffe_edge.dashboard.arrivals import Arrival, Place
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.ingest import Ingested, ingest
from ffe_edge.dashboard.known_places import MAX_NODES
from ffe_edge.dashboard.tables import cameras, events, nodes, residents, rollups, rooms, spells, summaries

TOKYO = ZoneInfo("Asia/Tokyo")


def store(database: Database, *batches: list[Arrival]) -> Ingested:
    """Ingest batch by batch, a transaction each; what became of the last."""
    for batch in batches:
        with database.writing() as connection:
            result = ingest(connection, batch, TOKYO)
    return result


def rows(database: Database, table: Table, *names: str) -> list[tuple[Any, ...]]:
    with database.reading() as connection:
        return sorted(map(tuple, connection.execute(select(*(table.c[name] for name in names)))), key=str)


def told_spells(database: Database) -> list[tuple[Any, ...]]:
    """Emotion, begin and end in seconds after noon, and why it ended."""
    found = rows(database, spells, "began_ms", "ended_ms", "emotion", "end_reason")
    return [
        (emotion, (began - NOON_MS) / 1000, None if ended is None else (ended - NOON_MS) / 1000, reason)
        for began, ended, emotion, reason in sorted(found, key=lambda row: row[0])
    ]


def hours(database: Database, subject: str) -> dict[str, float]:
    """Seconds by emotion, in the hour after noon."""
    with database.reading() as connection:
        query = select(rollups).where(rollups.c.unit == "hour", rollups.c.subject == subject)
        return {row.emotion: row.ms / 1000 for row in connection.execute(query) if row.start_ms == NOON_MS}


def consent(database: Database, name: str, at_ms: int = 0) -> None:
    with database.writing() as connection:
        row = {"id": name, "name": name, "created_ms": 0, "consent_at_ms": at_ms, "consent_by": "family"}
        connection.execute(insert(residents).values(row))


START = emotion(1, "start", 0, "neutral")
CHANGE = emotion(2, "change", 90, "joy", previous="neutral", held=90)
END = emotion(3, "end", 150, "joy", previous="joy", held=60)


def test_events_become_spells_and_time_in_each_emotion(database: Database) -> None:
    result = store(database, [START], [CHANGE, END])
    assert (len(result.new), result.repeated, result.refused) == (2, 0, ())
    assert told_spells(database) == [("neutral", 0, 90, "change"), ("joy", 90, 150, "end")]
    minutes = [row for row in rows(database, rollups, "start_ms", "emotion", "ms", "unit") if row[3] == "minute"]
    assert [(start - NOON_MS, emotion, ms) for start, emotion, ms, _ in minutes] == [
        (0, "neutral", 60_000),
        (60_000, "joy", 30_000),
        (60_000, "neutral", 30_000),
        (120_000, "joy", 30_000),
    ]
    assert hours(database, "camera:1") == {"neutral": 90, "joy": 60}


def test_what_comes_twice_counts_once(database: Database) -> None:
    result = store(database, [START, START], [CHANGE], [CHANGE, END, START], [END])
    assert (len(result.new), result.repeated) == (0, 1)
    assert hours(database, "camera:1") == {"neutral": 90, "joy": 60}


def test_a_name_told_late_is_the_name_of_the_time_before(database: Database) -> None:
    consent(database, "hana")
    named = emotion(3, "end", 150, "joy", previous="joy", held=60, resident="hana")
    store(database, [START], [CHANGE])
    assert hours(database, "resident:hana") == {}
    store(database, [named])
    assert hours(database, "resident:hana") == hours(database, "camera:1") == {"neutral": 90, "joy": 60}


@pytest.mark.parametrize("at_ms", [None, NOON_MS + 1])
def test_nobody_is_named_who_did_not_consent_by_then(database: Database, at_ms: int | None) -> None:
    if at_ms is not None:
        consent(database, "hana", at_ms)
    store(database, [emotion(1, "start", 0, resident="hana"), emotion(2, "end", 0.001, previous="joy")])
    assert rows(database, events, "resident_id")[0] == (None,)
    assert "resident:hana" not in {row[0] for row in rows(database, rollups, "subject")} or at_ms is not None


def test_in_a_private_room_it_is_the_resident(database: Database) -> None:
    consent(database, "hana")
    store(database, [camera("online", -1)])
    with database.writing() as connection:
        room = {"name_ja": "101", "name_en": "101", "floor": "1", "position": 1, "resident_id": "hana"}
        connection.execute(insert(rooms).values(room))
        connection.execute(cameras.update().values(room_id=1))
    store(database, [START, CHANGE, END])
    assert hours(database, "resident:hana") == {"neutral": 90, "joy": 60}


def test_a_lost_node_ends_what_was_open_and_a_later_event_tells_better(database: Database) -> None:
    store(database, [status("online", -9), START], [status("lost", 50)])
    assert told_spells(database) == [("neutral", 0, 50, "node lost")]
    assert hours(database, "camera:1") == {"neutral": 50}
    store(database, [status("online", 80), CHANGE, END])
    assert hours(database, "camera:1") == {"neutral": 90, "joy": 60}


def test_an_event_that_comes_after_the_will_ends_with_it(database: Database) -> None:
    store(database, [status("online", -9), emotion(9, "start", -5, track=2)], [status("lost", 50)])
    store(database, [emotion(1, "start", 0, "neutral", received_seconds=60, replayed=True)])
    assert ("neutral", 0, 50, "node lost") in told_spells(database)


def test_a_birth_that_comes_after_its_cameras_is_news_once_and_ends_nothing(database: Database) -> None:
    birth = status("online", 1)
    assert store(database, [camera("online", 0), START, birth]).new[-1] is birth
    assert store(database, [status("online", 2)]).new == ()
    assert told_spells(database) == [("neutral", 0, None, None)]


def test_the_first_word_of_a_camera_is_news_though_it_gives_no_reason(database: Database) -> None:
    first = camera("online", 0)
    assert store(database, [first]).new == (first,)
    assert store(database, [camera("online", 1)]).new == ()


def test_the_will_of_an_older_session_is_nothing(database: Database) -> None:
    store(database, [status("online", -9, "s1"), status("online", -5, "s2"), START])
    assert store(database, [status("lost", 20, "s1")]).repeated == 1
    assert told_spells(database) == [("neutral", 0, None, None)]
    assert rows(database, nodes, "state", "session") == [("online", "s2")]


def test_a_will_that_stuck_is_no_news_once_the_node_has_told_an_event_but_a_new_life_may_be_lost(
    database: Database,
) -> None:
    store(database, [status("online", -9, "s1")], [status("lost", 5, "s1")], [emotion(1, "start", 20)])
    assert store(database, [status("lost", 30, "s1")]).repeated == 1
    assert rows(database, nodes, "state") == [("online",)]
    store(database, [status("online", 40, "s1")], [status("lost", 50, "s1")])
    assert rows(database, nodes, "state", "session") == [("lost", "s1")]


def test_a_node_that_starts_anew_ends_what_was_open_when_it_was_heard_last(database: Database) -> None:
    store(database, [status("online", -9, "s1"), START], [status("online", 7200, "s2")])
    assert told_spells(database) == [("neutral", 0, 120, "node restarted")]
    store(database, [emotion(2, "start", 7300, "anger")])
    assert told_spells(database) == [("neutral", 0, 120, "node restarted"), ("anger", 7300, None, None)]


@pytest.mark.parametrize("state", ["stalled", "offline", "disabled", "privacy"])
def test_a_camera_that_does_not_look_ends_what_was_open(database: Database, state: str) -> None:
    store(database, [camera("online", -9), START], [camera(state, 30, "why")])
    assert told_spells(database) == [("neutral", 0, 30, f"camera {state}")]
    assert rows(database, cameras, "state", "reason") == [(state, "why")]


def test_a_minute_in_which_an_emotion_is_not_counted_ends_its_spell(database: Database) -> None:
    seen = summary(2, 10, {"neutral": 60.0})
    blind = summary(3, 70, {}, missing=55)
    store(database, [START], [seen], [blind])
    assert told_spells(database) == [("neutral", 0, None, None)]
    store(database, [summary(4, 130, {"joy": 3.0})])
    assert told_spells(database) == [("neutral", 0, 130, "unseen")]
    assert hours(database, "camera:1") == {"neutral": 130, "missing": 55}


def test_an_event_that_comes_after_such_a_minute_ends_with_it(database: Database) -> None:
    store(database, [summary(4, 130, {"joy": 3.0})], [emotion(1, "start", 0, "neutral", received_seconds=300)])
    assert told_spells(database) == [("neutral", 0, 130, "unseen")]


def test_a_minute_that_comes_twice_counts_once(database: Database) -> None:
    store(database, [summary(2, 0, {}, missing=30)], [summary(2, 0, {}, missing=30), summary(2, 0, {}, missing=30)])
    assert hours(database, "camera:1") == {"missing": 30}
    assert len(rows(database, summaries, "began_ms")) == 1


def test_an_old_minute_that_the_broker_kept_is_not_counted_again(sqlite: Database) -> None:
    kept = replace(summary(2, 0, {}, missing=30), retained=True, received_ms=NOON_MS + 2 * 86_400_000)
    assert store(sqlite, [kept]).repeated == 1
    assert rows(sqlite, summaries, "began_ms") == []


def test_a_gap_is_kept_with_what_it_names(database: Database) -> None:
    store(database, [gap(7, 0, 3, 6, 4)])
    kept = ("kind", "lost_first", "lost_last", "lost_count", "reason", "track")
    assert rows(database, events, *kept) == [("gap", 3, 6, 4, "disk full", None)]


def test_late_and_replayed_events_are_marked(database: Database) -> None:
    late = emotion(1, "start", 0, received_seconds=31)
    replayed = emotion(2, "end", 20, previous="joy", replayed=True)
    store(database, [late, replayed, emotion(3, "start", 40, track=2)])
    assert rows(database, events, "sequence", "is_late", "is_replayed") == [
        (1, True, False),
        (2, True, True),
        (3, False, False),
    ]


def test_of_a_wrong_clock_the_arrival_counts(database: Database) -> None:
    store(database, [emotion(1, "start", 9000, received_seconds=5), emotion(2, "end", 7, clocksync=False)])
    assert rows(database, events, "at_ms") == [(NOON_MS + 5000,), (NOON_MS + 7000,)]


def test_too_many_places_are_refused_and_the_rest_is_stored(database: Database) -> None:
    known = {"site": "hida", "state": "online", "since_ms": 1, "heard_ms": 1, "sequence_seen": 0}
    with database.writing() as connection:
        connection.execute(insert(nodes), [known | {"node": f"n{number}"} for number in range(MAX_NODES - 6)])
    flood = [emotion(1, "start", 0, place=Place("kiso", f"n{number}", "c")) for number in range(10)]
    result = store(database, [*flood, emotion(2, "start", 1, place=Place("kiso", "n0", "c"), track=2)])
    assert (len(result.new), len(result.refused)) == (7, 4)
    assert f"{MAX_NODES} nodes" in result.refused[0][1]


def test_a_batch_knows_the_places_of_other_batches(database: Database) -> None:
    store(database, [emotion(1, "start", 0), emotion(1, "start", 1, place=Place("hida", "edge-01", "hall"))])
    store(database, [emotion(2, "end", 2), status("lost", 3, session="s1")])
    assert [row[:2] for row in rows(database, nodes, "site", "state")] == [("hida", "online"), ("kiso", "lost")]
    assert len(rows(database, cameras, "id")) == 2


def test_numbers_at_the_edge_of_the_contract_are_stored(database: Database) -> None:
    big = 2**63 - 1
    store(database, [emotion(big, "start", 0, track=big), emotion(big - 1, "end", 1, held=1e300, track=5)])
    assert rows(database, events, "sequence") == [(big - 1,), (big,)]
    assert PLACE.camera in {row[0] for row in rows(database, cameras, "name")}
