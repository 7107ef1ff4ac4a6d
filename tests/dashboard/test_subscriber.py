"""The dashboard's session at the broker."""

from __future__ import annotations

import gc
import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dashboard.intake import EMOTION, Device
from dashboard.payloads import event
from e2e.mosquitto import Mosquitto, free_port, wait_for

from ffe_edge.config import BrokerSettings
from ffe_edge.dashboard.link import MAX_UNACKNOWLEDGED, Received
from ffe_edge.dashboard.subscriber import Subscriber
from ffe_edge.demo_broker import DemoBroker
from ffe_edge.errors import BrokerError


@contextmanager
def subscribed(url: str, got: list[Received], **more: Any) -> Iterator[Subscriber]:
    settings = BrokerSettings(url=url, backoff_max_seconds=1, keepalive_seconds=5, **more)
    subscriber = Subscriber(settings, "ffe-dashboard-test", got.append)
    subscriber.start()
    try:
        yield subscriber
    finally:
        subscriber.stop()


def test_no_more_than_the_agreed_number_comes_before_one_is_acknowledged(tmp_path: Path) -> None:
    got: list[Received] = []
    config = "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0"
    with Mosquitto(tmp_path, config=config) as broker, subscribed(broker.url, got) as subscriber:
        assert wait_for(lambda: subscriber.state == "connected")
        with Device(broker) as device:
            device.told(EMOTION, *(event(sequence=number) for number in range(1, MAX_UNACKNOWLEDGED + 101)))
        assert wait_for(lambda: len(got) >= MAX_UNACKNOWLEDGED)
        assert not wait_for(lambda: len(got) > MAX_UNACKNOWLEDGED, 0.5)
        subscriber.acknowledge(got[:100])
        assert wait_for(lambda: len(got) == MAX_UNACKNOWLEDGED + 100)


def test_what_was_acknowledged_for_an_earlier_connection_is_not_acknowledged_on_this_one(tmp_path: Path) -> None:
    got: list[Received] = []
    with Mosquitto(tmp_path) as broker, subscribed(broker.url, got) as subscriber:
        assert wait_for(lambda: subscriber.state == "connected")
        with Device(broker) as device:
            device.told(EMOTION, event(sequence=1))
        assert wait_for(lambda: len(got) == 1)
        broker.stop()
        assert wait_for(lambda: subscriber.state == "unreachable")
        subscriber.acknowledge(got[:1])
        broker.start()
        assert wait_for(lambda: len(got) == 2)
        assert got[0].connection != got[1].connection


def test_a_broker_of_mqtt_3_is_used_and_that_is_told(caplog: pytest.LogCaptureFixture) -> None:
    got: list[Received] = []
    with (
        caplog.at_level(logging.INFO, "ffe_edge.dashboard"),
        DemoBroker("amqtt") as broker,
        subscribed(broker.url, got) as subscriber,
    ):
        assert wait_for(lambda: subscriber.version == "MQTT 3.1.1", 20)
    assert "MQTT 3.1.1 only" in caplog.text


def test_a_broker_that_refuses_us_is_told_without_the_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "password"
    secret.write_text("geheim\n")
    got: list[Received] = []
    with (
        caplog.at_level(logging.INFO, "ffe_edge.dashboard"),
        Mosquitto(tmp_path, config="allow_anonymous false") as broker,
        subscribed(broker.url, got, username="care", password_file=secret) as subscriber,
    ):
        assert wait_for(lambda: subscriber.state == "refused")
    assert "refuses us" in caplog.text
    assert "geheim" not in caplog.text


@pytest.mark.filterwarnings("ignore:.*SSLSocket")  # paho leaves a failed handshake's socket to the collector
def test_a_broker_whose_certificate_is_not_trusted_is_refused_and_one_whose_is_trusted_is_used(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out",
               str(certificate), "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
               "subjectAltName=IP:127.0.0.1"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    port = free_port()
    config = f"allow_anonymous true\nlistener {port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}"
    with Mosquitto(tmp_path, config=config):
        url = f"mqtts://127.0.0.1:{port}"
        with subscribed(url, []) as subscriber:
            assert wait_for(lambda: subscriber.state == "refused")
            assert "not trusted" in subscriber.reason
        gc.collect()  # here, not in a later test
        with subscribed(url, [], ca_file=certificate) as subscriber:
            assert wait_for(lambda: subscriber.state == "connected")


def test_without_a_broker_there_is_no_subscriber() -> None:
    with pytest.raises(BrokerError, match="no broker is set"):
        Subscriber(BrokerSettings(), "c", lambda _: None)
