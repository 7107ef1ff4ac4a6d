"""Both brokers for real: a message goes through, and nothing is left behind."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import paho.mqtt.client as paho
import pytest
from dashboard.payloads import CAMERA, SITE, camera, event, status
from dashboard.waiting import wait_until
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ffe_edge import demo_broker
from ffe_edge.config import BrokerSettings
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.intake import Intake
from ffe_edge.dashboard.present import Present
from ffe_edge.demo_broker import DemoBroker, free_port
from ffe_edge.demo_mosquitto import find_mosquitto, is_open
from ffe_edge.errors import BrokerError

Kind = Literal["mosquitto", "amqtt"]

CHILD = """
import sys, time
from ffe_edge.demo_broker import DemoBroker
with DemoBroker("mosquitto") as broker:
    print(broker.url, flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["mosquitto", "amqtt"])
def kind(request: pytest.FixtureRequest) -> Kind:
    if request.param == "mosquitto":
        require_mosquitto()
    else:
        pytest.importorskip("amqtt", reason="amqtt is not installed: pip install amqtt")
    kinds: dict[str, Kind] = {"mosquitto": "mosquitto", "amqtt": "amqtt"}
    return kinds[request.param]


def require_mosquitto() -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


@contextmanager
def connected(url: str) -> Iterator[paho.Client]:
    """A client that every broker understands."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "test", protocol=MQTTProtocolVersion.MQTTv311)
    client.connect("127.0.0.1", port_of(url))
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def taken_in(url: str, database: Database) -> Iterator[Present]:
    """The dashboard's way in, from the broker to the picture of the moment."""
    present = Present()
    intake = Intake(database, BrokerSettings(url=url, backoff_max_seconds=1), ZoneInfo("Asia/Tokyo"), present)
    intake.start()
    try:
        yield present
    finally:
        intake.stop()


def test_a_message_reaches_the_dashboard(kind: Kind, sqlite: Database) -> None:
    with DemoBroker(kind) as broker, taken_in(broker.url, sqlite) as present, connected(broker.url) as client:
        assert broker.kind == kind
        wait_until(lambda: present.snapshot()["broker"]["connected"], "the dashboard is connected")
        client.publish(f"{SITE}/status", status(), 1, retain=True)
        client.publish(f"{CAMERA}/state", camera(), 1, retain=True)
        client.publish(f"{CAMERA}/emotion", event("start", "joy"), 1)
        wait_until(lambda: present.snapshot()["people"], "the person is in view")
        assert present.snapshot()["people"][0]["certain"]


def test_retained_news_reach_a_dashboard_that_comes_later(kind: Kind, sqlite: Database) -> None:
    with DemoBroker(kind) as broker, connected(broker.url) as client:
        client.publish(f"{CAMERA}/state", camera("stalled", "no frame"), 1, retain=True).wait_for_publish(5)
        with taken_in(broker.url, sqlite) as present:
            wait_until(lambda: present.snapshot()["cameras"], "the camera is known")
            assert present.snapshot()["cameras"][0]["state"] == "stalled"


def test_a_broker_that_stops_is_noticed_and_leaves_nothing(
    kind: Kind, sqlite: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with DemoBroker(kind) as broker, taken_in(broker.url, sqlite) as present:
        wait_until(lambda: present.snapshot()["broker"]["connected"], "the dashboard is connected")
        broker.stop()
        wait_until(lambda: not present.snapshot()["broker"]["connected"], "the dashboard notices")
        assert not is_open(port_of(broker.url))
    assert not [thread for thread in threading.enumerate() if thread.name == "demo-broker"]
    assert not [record for record in caplog.records if record.name.startswith(("amqtt", "transitions", "asyncio"))]


def test_it_listens_on_the_loopback_only(kind: Kind) -> None:
    with DemoBroker(kind) as broker:
        sockets = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        local = [line.split()[1] for line in sockets if line.split()[3] == "0A"]
        assert [entry for entry in local if entry.endswith(f":{port_of(broker.url):04X}")] == [
            f"0100007F:{port_of(broker.url):04X}"
        ]


def test_the_loggers_of_amqtt_get_their_voice_back() -> None:
    pytest.importorskip("amqtt", reason="amqtt is not installed: pip install amqtt")
    before = logging.getLogger("amqtt").level
    with DemoBroker("amqtt"):
        assert logging.getLogger("amqtt.broker").getEffectiveLevel() > logging.CRITICAL
    assert logging.getLogger("amqtt").level == before


def test_auto_prefers_mosquitto() -> None:
    require_mosquitto()
    with DemoBroker() as broker:
        assert broker.kind == "mosquitto"


def test_auto_takes_amqtt_where_mosquitto_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("amqtt", reason="amqtt is not installed: pip install amqtt")
    monkeypatch.setattr(demo_broker, "find_mosquitto", lambda: None)
    with DemoBroker() as broker:
        assert broker.kind == "amqtt"


def test_without_any_broker_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_broker, "find_mosquitto", lambda: None)
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(BrokerError, match=r"apt-get install mosquitto.*ffe-edge\[demo\]"):
        DemoBroker().__enter__()
    with pytest.raises(BrokerError, match="apt-get install mosquitto"):
        DemoBroker("mosquitto").__enter__()


def test_a_port_that_another_program_takes_is_given_up(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    with DemoBroker("amqtt" if kind == "amqtt" else "mosquitto") as first:
        ports = iter([port_of(first.url), free_port()])
        monkeypatch.setattr(demo_broker, "free_port", lambda: next(ports))
        with DemoBroker(kind) as second:
            assert second.url != first.url


def test_a_mosquitto_that_ends_at_once_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_broker, "find_mosquitto", lambda: "/bin/false")
    with pytest.raises(BrokerError, match="does not start"):
        DemoBroker("mosquitto").__enter__()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGKILL])
def test_mosquitto_dies_with_its_parent(blow: signal.Signals) -> None:
    require_mosquitto()
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = port_of(parent.stdout.readline().strip())
        assert is_open(port)
        os.kill(parent.pid, blow)
        parent.wait(10)
    wait_until(lambda: not is_open(port), "mosquitto has ended", seconds=10)
