"""`ffe-edge demo`: who lives in it, who may look, and what it leaves behind."""

from __future__ import annotations

import gc
import itertools
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import paho.mqtt.client as paho
import pytest
from dashboard.intake import EMOTION, Device
from dashboard.payloads import event
from e2e.mosquitto import Mosquitto, wait_for
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from sqlalchemy import Table, func, select

from ffe_edge.config import BrokerSettings, Config
from ffe_edge.dashboard import options
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.demo_home import days
from ffe_edge.dashboard.demo_past import furnish
from ffe_edge.dashboard.demonstration import Demonstration
from ffe_edge.dashboard.personas import PERSONAS
from ffe_edge.dashboard.rollups import DAY_MS
from ffe_edge.dashboard.tables import alerts, cameras, events, nodes, residents, rooms
from ffe_edge.demo_broker import DemoBroker

NOW_MS = 1_790_000_000_000


def count(database: Database, table: Table) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def has_session(broker: Mosquitto, client_id: str) -> bool:
    told: list[bool] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = lambda _client, _data, flags, *_: told.append(flags.session_present)
    client.connect("127.0.0.1", broker.port, clean_start=False)
    client.loop_start()
    assert wait_for(lambda: bool(told))
    client.disconnect()
    client.loop_stop()
    return told[0]


@pytest.fixture
def shown(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Demonstration]:
    with DemoBroker(getattr(request, "param", "auto")) as broker:
        config = Config(broker=BrokerSettings(url=broker.url))
        with Demonstration(config, tmp_path, port=0, with_residents=True, show=lambda _line: None) as one:
            yield one
    with warnings.catch_warnings():  # amqtt leaves its writers to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_the_link_signs_in_once_and_the_next_one_is_another(shown: Demonstration) -> None:
    with httpx.Client(follow_redirects=True) as browser:
        floor = browser.get(shown.url)
        assert (floor.status_code, floor.url.path) == (200, "/")
        assert all(persona.name in floor.text for persona in PERSONAS)
        assert browser.get(floor.url.join("/settings/users")).status_code == 403
    assert httpx.get(shown.url).status_code == 404
    assert httpx.get(shown.url.rpartition("/")[0] + "/wrong").status_code == 404


@pytest.mark.parametrize("shown", ["auto", "amqtt"], indirect=True)
def test_the_three_live_and_do_not_count_as_the_cameras_events(shown: Demonstration, tmp_path: Path) -> None:
    store = Database(f"sqlite:///{tmp_path / 'dashboard.sqlite'}")
    before = count(store, events)
    assert wait_for(lambda: count(store, events) > before)
    assert shown.arrived() == 0
    with store.reading() as connection:  # the first that was told has come, too
        simulated = (nodes.c.node == "simulated") & (nodes.c.sequence_seen > 0)
        assert wait_for(lambda: connection.execute(select(nodes).where(simulated)).first() is not None)
    store.close()


def test_at_a_brokers_that_others_use_nobody_is_simulated_and_no_session_stays(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Device(broker) as device:
        config = Config(broker=BrokerSettings(url=broker.url), site="kiso")
        with Demonstration(config, tmp_path, port=0, with_residents=False, show=lambda _line: None) as shown:
            store = Database(f"sqlite:///{tmp_path / 'dashboard.sqlite'}")
            time.sleep(0.5)  # subscribed
            device.told(EMOTION, event())
            assert wait_for(lambda: shown.arrived() == 1)
            assert count(store, residents) == 0
            with store.reading() as connection:
                client_id = options.read(connection, "client-id")
            store.close()
        assert not has_session(broker, client_id)


def test_the_home_is_furnished_with_a_past_up_to_now(sqlite: Database) -> None:
    with sqlite.writing() as connection:
        furnish(connection, "home", "edge-01", ["door", "hall"], NOW_MS)
        first, last = connection.execute(select(func.min(events.c.at_ms), func.max(events.c.at_ms))).one()
        unplaced = connection.execute(select(cameras).where(cameras.c.room_id.is_(None))).all()
    assert (count(sqlite, rooms), count(sqlite, residents), count(sqlite, alerts), unplaced) == (5, 3, 2, [])
    assert first < NOW_MS - 29 * DAY_MS
    assert NOW_MS - DAY_MS < last <= NOW_MS


def test_days_follow_one_another_in_time_and_without_a_hole() -> None:
    told = list(
        itertools.takewhile(lambda one: one.at_ms < NOW_MS + 30 * 60_000, days("ffe/v1/home/simulated", NOW_MS))
    )
    numbers = [
        int(one.payload.split(b'"sequence":')[1].split(b",")[0]) for one in told if b'"sequence":' in one.payload
    ]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [one.at_ms for one in told] == sorted(one.at_ms for one in told)
    assert sum(one.topic.endswith("/status") for one in told) == 3
    assert max(after.at_ms - before.at_ms for before, after in itertools.pairwise(told)) < 60_000
