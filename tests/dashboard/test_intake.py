"""From a real broker into a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard.intake import EMOTION, STATE, STATUS, Device, Running
from dashboard.payloads import CAMERA, HOSTILE, camera, event, status
from e2e.mosquitto import Mosquitto, wait_for
from sqlalchemy import select

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.tables import events, nodes, quarantine

ID = "0193a000-0000-7000-8000-00000000000{}"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as one:
        yield one


@pytest.fixture
def device(broker: Mosquitto) -> Iterator[Device]:
    with Device(broker) as one:
        yield one


def test_an_event_that_is_published_twice_is_stored_once(broker: Mosquitto, device: Device, database: Database) -> None:
    with Running(broker, database) as intake:
        device.told(EMOTION, *[event(sequence=1, event_id=ID.format(1))] * 2, event(sequence=2, event_id=ID.format(2)))
        assert intake.has_received(3)
        assert (intake.count(events), intake.writer.counts.repeated) == (2, 1)
        assert wait_for(lambda: intake.present.snapshot()["event_count"] == 2)


def test_what_is_told_while_the_dashboard_is_away_waits_at_the_broker(
    broker: Mosquitto, device: Device, sqlite: Database
) -> None:
    with Running(broker, sqlite):
        pass
    device.told(EMOTION, *(event(sequence=number) for number in range(1, 51)))
    with Running(broker, sqlite) as intake:
        assert intake.has_received(50)
        assert intake.count(events) == 50


def test_what_was_received_and_not_stored_comes_again(broker: Mosquitto, device: Device, sqlite: Database) -> None:
    with Running(broker, sqlite) as intake:
        intake.writer.stop()
        device.told(EMOTION, event(sequence=1))
        assert wait_for(lambda: intake.writer.waiting == 1)
    with Running(broker, sqlite) as intake:
        assert intake.has_received(1)
        assert intake.count(events) == 1


def test_hostile_payloads_are_quarantined_with_their_reason_and_do_no_harm(
    broker: Mosquitto, device: Device, database: Database
) -> None:
    payloads = [case.values[0] for case in HOSTILE if isinstance(case.values[0], bytes) and case.values[0]]
    with Running(broker, database) as intake:
        for topic in (EMOTION, STATE, STATUS):
            device.told(topic, *payloads)
        device.told(f"{CAMERA[:-8]}DAY<b>/emotion", event())
        device.told(EMOTION, event(sequence=1))
        assert intake.has_received(3 * len(payloads) + 2)
        with database.reading() as connection:
            rows = connection.execute(select(quarantine)).all()
        assert intake.count(events) == 1
    assert sum(int(row[-1]) for row in rows) == 3 * len(payloads) + 1
    assert all(row.reason and "<b>" not in row.reason for row in rows)


def test_another_version_of_an_event_is_told(broker: Mosquitto, device: Device, sqlite: Database) -> None:
    with Running(broker, sqlite) as intake:
        device.told(EMOTION, event().replace(b"jp.ffe.emotion.v1", b"jp.ffe.emotion.v2"))
        assert intake.has_received(1)
        with sqlite.reading() as connection:
            assert "another version" in connection.execute(select(quarantine.c.reason)).scalar_one()


def test_the_will_of_an_older_session_does_not_mark_a_newer_one_lost(
    broker: Mosquitto, device: Device, sqlite: Database
) -> None:
    with Running(broker, sqlite) as intake:
        device.told(STATUS, status("online", "s1"), status("online", "s2"), status("lost", "s1"), retain=True)
        assert intake.has_received(3)
        with sqlite.reading() as connection:
            assert connection.execute(select(nodes.c.state, nodes.c.session)).one() == ("online", "s2")


def test_states_that_the_broker_kept_are_known_at_once(broker: Mosquitto, device: Device, sqlite: Database) -> None:
    device.told(STATUS, status("online", "s1"), retain=True)
    device.told(STATE, camera("privacy"), retain=True)
    with Running(broker, sqlite) as intake:
        assert intake.has_received(2)
        assert wait_for(lambda: [each["state"] for each in intake.present.snapshot()["cameras"]] == ["privacy"])


def test_the_store_knows_up_to_where_nothing_is_missing(broker: Mosquitto, device: Device, sqlite: Database) -> None:
    with Running(broker, sqlite) as intake:
        device.told(EMOTION, *(event(sequence=number) for number in (1, 2, 3, 7)))
        assert intake.has_received(4)
        assert intake.intake.book.missing() == 3
        with sqlite.reading() as connection:
            assert connection.execute(select(nodes.c.sequence_seen)).scalar_one() == 3
