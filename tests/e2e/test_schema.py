"""What is really published is what the schemas say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from e2e.program import ffe_edge, write_rendered_clip

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def said(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    return document


def publishers() -> list[tuple[re.Pattern[str], dict[str, Any], list[str]]]:
    """Of each topic we publish to: its pattern, its MQTT binding, the files of its messages."""
    document = said("asyncapi.json")
    found = []
    for operation in document["operations"].values():
        if operation["action"] == "send":
            channel = document["channels"][operation["channel"]["$ref"].rpartition("/")[2]]
            pattern = re.compile(re.sub(r"{\w+}", "[a-z0-9-]{1,32}", channel["address"]))
            messages = [document["components"]["messages"][name] for name in channel["messages"]]
            files = [message["payload"]["schema"]["$ref"] for message in messages]
            found.append((pattern, operation["bindings"]["mqtt"], files))
    return found


def check(message: paho.MQTTMessage) -> str:
    """The schema that a published message fits; fails where it fits none."""
    jsonschema = pytest.importorskip("jsonschema")
    ((_, binding, files),) = [one for one in publishers() if one[0].fullmatch(message.topic)]
    payload = json.loads(message.payload)
    fitting = [name for name in files if jsonschema.Draft202012Validator(said(name)).is_valid(payload)]
    assert fitting, f"{message.topic}: {payload} fits none of {files}"
    assert message.qos == binding["qos"], message.topic
    return fitting[0]


def test_every_message_of_a_run_fits_its_schema(tmp_path: Path) -> None:
    pytest.importorskip("jsonschema")
    clip = write_rendered_clip(tmp_path / "clip.avi")
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        result = ffe_edge("run", "--source", str(clip), "--broker", broker.url, "--site", "kiso", state=tmp_path / "s")
        assert result.returncode == 0, result.stderr
        assert wait_for(lambda: b'"stopped"' in subscriber.last("ffe/v1/kiso/edge-01/status"))
        fitted = {check(message) for message in subscriber.messages}
    assert {"./status-v1.json", "./camera-state-v1.json", "./emotion-v1.json"} <= fitted
