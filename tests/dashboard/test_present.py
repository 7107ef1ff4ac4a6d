"""The picture of the moment, fed by the store."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard.intake import EMOTION, STATE, STATUS, Device, Running
from dashboard.payloads import camera, event, status
from dashboard.website import Clock
from e2e.mosquitto import Mosquitto, wait_for
from sqlalchemy import insert

from ffe_edge.dashboard.arrivals import Arrival, read_arrival
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.present import Present
from ffe_edge.dashboard.tables import residents

NOW_MS = 1_790_000_000_000
NAME = STATE.split("/")[-2]


@pytest.fixture
def present() -> Present:
    ticks = itertools.count(NOW_MS)
    one = Present(clock=lambda: next(ticks) / 1000)
    one.set_broker(True, False)
    return one


def arrival(topic: str, payload: bytes) -> Arrival:
    return read_arrival("ffe/v1", topic, payload, NOW_MS)


def tell(present: Present, topic: str, payload: bytes, residents: dict[str, str] | None = None) -> None:
    present.committed([arrival(topic, payload)], residents or {})


def node_state(present: Present) -> str:
    state: str = present.snapshot()["nodes"][0]["state"]
    return state


def taken(present: Present, follower: Any) -> list[tuple[str, Any]]:
    return [(kind, json.loads(text)) for kind, text in present.take(follower)]


def test_a_batch_is_one_update(present: Present) -> None:
    follower = present.follow(lambda: None)
    batch = [arrival(EMOTION, event(track=number, sequence=number, at=NOW_MS / 1000)) for number in range(1, 6)]
    present.committed(batch, {})
    (first, _), (second, update) = taken(present, follower)
    assert (first, second, len(update["events"]), len(update["people"])) == ("snapshot", "update", 5, 5)


def test_a_resident_is_named_where_the_store_counts_the_event_as_theirs_and_until_forgotten(present: Present) -> None:
    tell(present, EMOTION, event(event_id="0193a000-0000-7000-8000-000000000001"),
         {"0193a000-0000-7000-8000-000000000001": "r1"})  # fmt: skip
    tell(present, EMOTION, event("change", "fear", sequence=2))
    assert [person["resident"] for person in present.snapshot()["people"]] == ["r1"]
    present.forget("r1")
    assert "r1" not in json.dumps(present.snapshot())


def test_while_the_database_is_away_nobody_is_certain_and_the_page_says_so(present: Present) -> None:
    tell(present, EMOTION, event())
    assert present.snapshot()["people"][0]["certain"]
    present.set_store(False)
    assert not present.snapshot()["people"][0]["certain"]
    assert not present.snapshot()["store"]["available"]
    present.set_store(True)
    assert present.snapshot()["people"][0]["certain"]


@pytest.mark.parametrize("is_resumed", [True, False])
def test_after_the_broker_was_away_people_are_certain_where_it_has_kept_what_came(
    present: Present, is_resumed: bool
) -> None:
    tell(present, EMOTION, event())
    present.set_broker(False, False)
    present.set_broker(True, is_resumed)
    assert present.snapshot()["people"][0]["certain"] is is_resumed


def test_the_will_of_a_session_that_was_followed_by_events_of_another_is_old(present: Present) -> None:
    tell(present, STATUS, status("online", "s1"))
    tell(present, STATUS, status("lost", "s1"))
    tell(present, EMOTION, event())
    tell(present, STATUS, status("lost", "s1"))
    assert node_state(present) == "online"
    tell(present, STATUS, status("online", "s2"))
    tell(present, STATUS, status("online", "s1"))
    tell(present, STATUS, status("lost", "s1"))
    assert present.snapshot()["nodes"][0]["session"] == "s2"


def test_a_session_that_was_only_away_may_be_lost_again(present: Present) -> None:
    for state in ("online", "lost"):
        tell(present, STATUS, status(state, "s1"))
    tell(present, EMOTION, event())
    tell(present, STATUS, status("online", "s1"))
    tell(present, STATUS, status("lost", "s1"))
    assert node_state(present) == "lost"


def test_alerts_are_told_as_they_are(present: Present) -> None:
    follower = present.follow(lambda: None)
    present.tell_alert({"event": "opened", "alert": {"id": 1}})
    assert taken(present, follower)[1] == ("alert", {"event": "opened", "alert": {"id": 1}})


def heard(update: Any) -> tuple[int, int]:
    return update["nodes"][0]["heard_ms"], update["cameras"][0]["heard_ms"]


def test_while_a_device_sends_only_its_health_pages_are_told_how_fresh_its_picture_is() -> None:
    clock = Clock()
    present = Present(clock)
    tell(present, STATUS, status("online", "s1"))
    tell(present, STATE, camera("online"))
    follower = present.follow(lambda: None)
    present.take(follower)
    fresh = {"fps": {NAME: 25.0}, "frame_age_seconds": {NAME: 0.5}, "outbox_entries": 0}
    for seconds in (5, 30):
        clock.seconds += seconds
        tell(present, STATUS.replace("status", "health"), json.dumps(fresh).encode())
    now_ms = int(clock.seconds * 1000)
    [(kind, update)] = taken(present, follower)
    assert (kind, heard(update)) == ("update", (now_ms, now_ms - 500))


def test_a_camera_that_hangs_is_not_taken_for_fresh_because_its_device_lives() -> None:
    clock = Clock()
    present = Present(clock)
    tell(present, STATUS, status("online", "s1"))
    tell(present, STATE, camera("online"))
    before = heard(present.snapshot())[1]
    clock.seconds += 30
    hung = {"fps": {NAME: 0.0}, "frame_age_seconds": {NAME: 45.0}, "outbox_entries": 0}
    tell(present, STATUS.replace("status", "health"), json.dumps(hung).encode())
    assert heard(present.snapshot())[1] == before


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as one:
        yield one


def test_after_a_restart_the_picture_is_what_was_last_known(broker: Mosquitto, sqlite: Database) -> None:
    with sqlite.writing() as connection:
        who = {"id": "r1", "name": "花", "consent_at_ms": 1, "created_ms": 1}
        connection.execute(insert(residents).values(who))
    with Running(broker, sqlite) as intake, Device(broker) as device:
        device.told(STATUS, status("online", "s2"))
        device.told(STATE, camera("online", "25 fps"))
        device.told(EMOTION, event("start", "fear", track=7, sequence=9, resident="r1"))
        assert intake.has_received(3)
    with Running(broker, sqlite) as intake, Device(broker) as device:
        picture = intake.present.snapshot()
        assert [(one["state"], one["session"]) for one in picture["nodes"]] == [("online", "s2")]
        assert [one["reason"] for one in picture["cameras"]] == ["25 fps"]
        [person] = picture["people"]
        assert (person["track"], person["emotion"], person["resident"], person["certain"]) == (7, "fear", "r1", False)
        device.told(STATUS, status("lost", "s1"))
        device.told(EMOTION, event("change", "joy", track=7, sequence=10, resident="r1", previous="fear"))
        assert wait_for(lambda: [one["emotion"] for one in intake.present.snapshot()["people"]] == ["joy"])
        assert [one["state"] for one in intake.present.snapshot()["nodes"]] == ["online"]
