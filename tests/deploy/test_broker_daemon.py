"""`ffe-edge run` and `ffe-edge dashboard` with what was taken to them in a bundle, at the broker that is shipped."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deploy.broker_home import BrokerHome, Client
from e2e.mosquitto import free_port, wait_for
from e2e.program import ffe_edge, started

CAMERA = """
[[camera]]
id = "hall"
source = "demo:3"
[model]
backend = "onnxruntime"
[events]
hold_seconds = 0.3
[service]
health_port = {port}
"""
EMOTION = "ffe/v1/kiso/{node}/camera/hall/emotion"


@pytest.fixture
def page(home: BrokerHome) -> Path:
    return home.bundle("client", "floor", "--role", "dashboard", "--site", "kiso")


@contextmanager
def daemon(home: BrokerHome, settings: str) -> Iterator[subprocess.Popen[str]]:
    """A node with these settings, and a camera that tells much."""
    file, home.plain_port = home.folder / "ffe.toml", free_port()
    file.write_text(settings + CAMERA.format(port=home.plain_port))
    process = started("run", "--config", str(file), state=home.folder / "state")
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def metric(home: BrokerHome, line: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{home.plain_port}/metrics", timeout=5) as answer:
            return line in answer.read().decode().splitlines()
    except OSError:
        return False


def test_the_settings_of_a_bundle_are_in_order(home: BrokerHome) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    done = ffe_edge("config", "check", "--config", str(bundle / "broker.toml"), state=home.folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert 'node = "edge-01"' in ffe_edge(
        "config", "show", "--config", str(bundle / "broker.toml"), state=home.folder
    ).stdout  # fmt: skip


def test_events_of_the_daemon_arrive_at_a_dashboard(home: BrokerHome, page: Path) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    with Client(home, page) as client:
        client.subscribe("ffe/v1/+/+/#")
        with daemon(home, (bundle / "broker.toml").read_text()):
            topic = EMOTION.format(node="edge-01")
            assert wait_for(lambda: topic in [each for each, _ in client.said], 60)
            assert client.publish("ffe/v1/kiso/edge-01/command/pause", b"{}") == "Success"
            assert wait_for(lambda: any(b'"disabled"' in payload for _, payload in client.said), 20)
    told = [json.loads(payload)["state"] for each, payload in client.said if each.endswith("edge-01/status")]
    assert told[0] == "online"


def test_the_doctor_leaves_the_session_to_the_daemon_that_runs(home: BrokerHome) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    words = "doctor", "--json", "--config", str(home.folder / "ffe.toml")

    def broker() -> dict[str, str]:
        findings = json.loads(ffe_edge(*words, state=home.folder / "state").stdout)
        return next(finding for finding in findings if finding["name"] == "Broker")

    with daemon(home, (bundle / "broker.toml").read_text()):
        assert wait_for(lambda: metric(home, 'ffe_broker_state{state="connected"} 1'), 60)
        connections = home.log().count("New client connected")
        beside = broker()
        assert home.log().count("New client connected") == connections
    assert (beside["status"], beside["found"].endswith("the running daemon is the one connected")) == ("ok", True)
    assert broker()["found"].endswith("MQTT 5")


def test_a_daemon_that_calls_itself_by_another_name_keeps_its_events(home: BrokerHome, page: Path) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    home.bundle("node", "kiso", "edge-02")
    home.deploy()
    home.start()
    other = (bundle / "broker.toml").read_text().replace('"edge-01"', '"edge-02"')
    with Client(home, page) as client:
        client.subscribe("ffe/v1/+/+/#")
        with daemon(home, other) as process:
            assert wait_for(lambda: metric(home, 'ffe_broker_state{state="connected"} 1'), 60)
            assert wait_for(lambda: metric(home, "ffe_outbox_entries 2"), 60)
            process.terminate()
            log = process.communicate(timeout=20)[1]
    assert f"denies {EMOTION.format(node='edge-02')} (Not authorized): events are kept" in log
    assert client.said == []


def test_a_revoked_daemon_keeps_its_events_and_goes_on_with_a_new_certificate(home: BrokerHome, page: Path) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    home.provision("revoke", "node", "kiso", "edge-01")
    again = home.bundle("node", "kiso", "edge-01", tag="-again")
    home.deploy()
    home.start()
    settings = (bundle / "broker.toml").read_text().replace("[broker]", "[broker]\nbackoff_max_seconds = 1")
    with Client(home, page) as client, daemon(home, settings):
        client.subscribe("ffe/v1/+/+/#")
        assert wait_for(lambda: metric(home, "ffe_outbox_entries 2"), 60)
        assert client.said == []
        for name in ("node.key", "node.pem"):
            (again / name).replace(bundle / name)
        topic = EMOTION.format(node="edge-01")
        assert wait_for(lambda: topic in [each for each, _ in client.said], 30)


def test_the_dashboard_connects_with_its_bundle(home: BrokerHome, page: Path) -> None:
    home.deploy()
    home.start()
    command = ["dashboard", "--config", str(page / "broker.toml"), "--port", "0"]
    pytest.importorskip("fastapi", reason="needs the extra dashboard")
    process = started(*command, state=home.folder / "state")
    try:
        assert wait_for(lambda: "u'floor'" in home.log(), 60)
    finally:
        process.terminate()
        process.communicate(timeout=20)
