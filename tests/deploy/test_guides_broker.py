"""docs/home-assistant.md at a real mosquitto: the role is admitted, hears what it may, and is taken out again."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from deploy.broker_home import answers
from deploy.guide_blocks import BROKER_ROLE, DOCS, blocks, commands_of
from deploy.test_broker_guide import BLOCKS, Machine, new_machine
from deploy.test_guides_terminal import require
from e2e.mosquitto import wait_for

from ffe_edge.config import HomeAssistantSettings
from ffe_edge.homeassistant import HomeAssistant

TEXT = (DOCS / "home-assistant.md").read_text(encoding="utf-8")


@pytest.fixture
def machine() -> Iterator[Machine]:
    pytest.importorskip("cryptography", reason="provisioning needs cryptography: pip install 'ffe-edge[provision]'")
    with new_machine() as made:
        yield made


def heard(machine: Machine, topic: str) -> subprocess.CompletedProcess[str]:
    """What Home Assistant's certificate is told of a topic that it speaks on itself."""
    words = ["-p", str(machine.port), "-h", "localhost", "--cafile", "ca.pem"]
    words += ["--cert", "client.pem", "--key", "client.key"]
    folder = machine.root / "work"
    told = ["mosquitto_pub", *words, "-V", "5", "-r", "-q", "1", "-t", topic, "-m", "online"]
    subprocess.run(told, cwd=folder, capture_output=True, timeout=30, check=False)
    asked = ["mosquitto_sub", *words, "-V", "5", "-t", topic, "-C", "1", "-W", "3"]
    return subprocess.run(asked, cwd=folder, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_home_assistant_is_admitted_and_taken_out_again(machine: Machine) -> None:
    require("mosquitto_sub", "mosquitto-clients")
    admitting, revoking = commands_of(BROKER_ROLE, "home-assistant.md")
    for text in (BLOCKS[0], admitting.text):
        machine.type_in(text)
        assert wait_for(lambda: answers(machine.port)), (machine.root / "log").read_text()
    assert heard(machine, "homeassistant/status").stdout == "online\n"
    assert heard(machine, "ffe/v1/kiso/edge-01/command/forget").stdout == ""
    machine.type_in(revoking.text)
    assert wait_for(lambda: answers(machine.port)), (machine.root / "log").read_text()
    assert heard(machine, "homeassistant/status").stdout == ""


def components() -> dict[str, dict[str, Any]]:
    told = HomeAssistant(
        HomeAssistantSettings(), site="kiso", node="edge-01", node_topic="t", cameras=["day-room"], version="1"
    )
    found: dict[str, dict[str, Any]] = json.loads(told.payload)["cmps"]
    return found


def test_every_entity_has_a_row_of_its_kind() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (\w+)", TEXT, re.MULTILINE)
    told = {(each["name"].replace("day-room", "<camera>"), each["platform"]) for each in components().values()}
    assert set(rows) == told


def test_its_automations_are_of_states_and_entities_that_there_are() -> None:
    yaml = pytest.importorskip("yaml", reason="pyyaml is not installed: pip install 'ffe-edge[docs]'")
    (block,) = [each for each in blocks("home-assistant.md") if each.language == "yaml"]
    camera, privacy = yaml.safe_load(block.text)["automation"]
    (trigger,) = camera["triggers"]
    assert set(trigger["to"]) <= set(components()["ffe-kiso-edge-01-day-room-state"]["options"])
    slugs = {f"kiso_edge_01_{each['name'].replace('-', '_').replace(' ', '_')}" for each in components().values()}
    named = trigger["entity_id"], privacy["actions"][0]["target"]["entity_id"].replace("room_101", "day_room")
    assert {each.partition(".")[2] for each in named} <= slugs
