from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from paho.mqtt import publish

from ffe_edge.commands import parse_command
from ffe_edge.config import BrokerSettings, HomeAssistantSettings
from ffe_edge.homeassistant import HomeAssistant
from ffe_edge.messages import Gap, Health
from ffe_edge.mqtt import Publisher
from ffe_edge.mqtt_message import Incoming, Node
from ffe_edge.outbox import Outbox
from ffe_edge.wire import encode_camera_state, encode_health, encode_status

NODE = "ffe/v1/kiso/edge-01"
CONFIG = "homeassistant/device/ffe-kiso-edge-01/config"


def home_assistant(*, enabled: bool = True) -> HomeAssistant:
    settings = HomeAssistantSettings(enabled=enabled)
    return HomeAssistant(
        settings, site="kiso", node="edge-01", node_topic=NODE, cameras=("day-room", "hall"), version="1"
    )


def told() -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(home_assistant().payload)
    return payload


def component(name: str) -> dict[str, Any]:
    found: dict[str, Any] = told()["cmps"][f"ffe-kiso-edge-01-{name}"]
    return found


def test_the_payload_is_what_device_discovery_documents() -> None:
    # Source: home-assistant/core, mqtt/schemas.py, DEVICE_DISCOVERY_SCHEMA; names of its abbreviations: dev, o, cmps.
    payload = told()
    assert set(payload) == {"dev", "o", "cmps", "availability_topic", "availability_template", "qos"}
    assert set(payload["dev"]) <= {"identifiers", "name", "manufacturer", "model", "sw_version"}
    assert payload["dev"]["identifiers"] == ["ffe-kiso-edge-01"]
    assert payload["o"] == {"name": "ffe-edge", "sw_version": "1"}
    assert home_assistant().topic == CONFIG
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", CONFIG.split("/")[2])


COMMON = {"platform", "unique_id", "name", "entity_category", "device_class"}
KEYS = {
    "sensor": {"state_topic", "value_template", "unit_of_measurement", "state_class", "expire_after", "options"},
    "button": {"command_topic", "payload_press"},
    "switch": {"command_topic", "payload_on", "payload_off", "state_topic", "value_template", "state_on", "state_off"},
}


@pytest.mark.parametrize("unique_id", told()["cmps"])
def test_every_component_has_what_its_platform_documents(unique_id: str) -> None:
    one = told()["cmps"][unique_id]
    required = {"sensor": {"state_topic"}, "button": {"command_topic"}, "switch": {"command_topic"}}[one["platform"]]
    assert {"unique_id", "name"} | required <= set(one) <= COMMON | KEYS[one["platform"]]
    assert one["unique_id"] == unique_id
    assert not any(letter in one.get("state_topic", "") + one.get("command_topic", "") for letter in "+# ")
    assert one.get("entity_category", "config") in ("config", "diagnostic")


def rendered(template: str, payload: bytes) -> str:
    jinja2 = pytest.importorskip("jinja2")
    value = json.loads(payload)
    text: str = jinja2.Template(template).render(value_json=value, this=SimpleNamespace(state="joy"))
    return text


def emotion(**changes: Any) -> bytes:
    event = {"type": "jp.ffe.emotion.v1", "replayed": False, "data": {"emotion": "sadness"}}
    return json.dumps(event | changes).encode()


GAP = Gap(first=1, last=2, count=2, reason="full").model_dump()


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        pytest.param("day-room-emotion", emotion(), "sadness", id="emotion"),
        pytest.param("day-room-emotion", emotion(replayed=True), "joy", id="a replay changes nothing"),
        pytest.param("day-room-emotion", emotion(type="jp.ffe.gap.v1", data=GAP), "joy", id="nor does a gap"),
        pytest.param("day-room-state", encode_camera_state("stalled", ""), "stalled", id="camera"),
        pytest.param("day-room-privacy", encode_camera_state("privacy", ""), "ON", id="privacy"),
        pytest.param("day-room-privacy", encode_camera_state("online", ""), "OFF", id="no privacy"),
        pytest.param("temperature", encode_health(Health(fps={}, outbox_entries=3)), "None", id="no temperature"),
        pytest.param("undelivered", encode_health(Health(fps={}, outbox_entries=3)), "3", id="undelivered"),
        pytest.param("hall-people", b'{"data":{"people":2}}', "2", id="people"),
    ],
)
def test_templates_read_our_payloads(name: str, payload: bytes, expected: str) -> None:
    assert rendered(component(name)["value_template"], payload) == expected


def test_the_node_is_available_only_while_online() -> None:
    template = told()["availability_template"]
    assert rendered(template, encode_status("online", "s1")) == "online"
    assert rendered(template, encode_status("lost", "s1")) == "offline"


@pytest.mark.parametrize(
    ("name", "key"), [("day-room-privacy", "payload_on"), ("hall-privacy", "payload_off"), ("reload", "payload_press")]
)
def test_what_it_sends_is_a_command_of_ours(name: str, key: str) -> None:
    one = component(name)
    parse_command(one["command_topic"].removeprefix(f"{NODE}/command/"), Incoming("", one[key].encode(), False))


@pytest.fixture
def broker(tmp_path: Path) -> Any:
    with Mosquitto(tmp_path) as one:
        yield one


def running(broker: Mosquitto, outbox: Outbox, home: HomeAssistant) -> Publisher:
    publisher = Publisher(
        BrokerSettings(url=broker.url),
        outbox,
        Node(NODE, "s1", "ffe-edge-01", lambda: b"birth", b"will"),
        window=20,
        subscriptions=home.subscriptions,
    )
    publisher.publish_retained(home.topic, home.payload)
    publisher.start()
    return publisher


def test_it_is_told_on_connect_and_whenever_home_assistant_starts_and_taken_back(broker: Mosquitto) -> None:
    outbox = Outbox(None, max_bytes=2**20, gap_topic="gaps", render_gap=lambda *_: b"")
    home = home_assistant()
    publisher = running(broker, outbox, home)
    with Subscriber(broker, "homeassistant/#") as subscriber:
        assert wait_for(lambda: subscriber.payloads(CONFIG) == [home.payload])
        publish.single("homeassistant/status", b"offline", 1, port=broker.port)
        publish.single("homeassistant/status", b"online", 1, port=broker.port)
        assert wait_for(lambda: subscriber.payloads(CONFIG) == [home.payload] * 2)
        publisher.stop(b"stopped", 3.0)
        publisher = running(broker, outbox, off := home_assistant(enabled=False))
        assert wait_for(lambda: subscriber.last(CONFIG) == b"" != subscriber.payloads(CONFIG)[0])
        assert (off.subscriptions, off.payload) == ({}, b"")
        publisher.stop(b"stopped", 3.0)
    with Subscriber(broker, "homeassistant/#") as late:
        assert not wait_for(lambda: late.messages != [], 0.5)
    outbox.close()
