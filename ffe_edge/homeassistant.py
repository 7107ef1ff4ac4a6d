"""Discovery by Home Assistant: one retained message that makes the node a device there.

Source: Home Assistant, MQTT integration, "MQTT discovery", device discovery payload (``dev``, ``o``, ``cmps``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, get_args

from ffe_edge.config import HomeAssistantSettings
from ffe_edge.messages import CameraState
from ffe_edge.mqtt_message import Incoming, Message

HEALTH_EXPIRE_SECONDS: Final = 120
TOLD: Final = "value_json.type == 'jp.ffe.emotion.v1' and not value_json.replayed"

Component = dict[str, Any]


class HomeAssistant:
    """What Home Assistant is told of this node; switched off, it is told to forget the node."""

    def __init__(
        self,
        settings: HomeAssistantSettings,
        *,
        site: str,
        node: str,
        node_topic: str,
        cameras: Sequence[str],
        version: str,
    ) -> None:
        """Put together.

        Args:
            settings: whether and where.
            site: of the node.
            node: its name.
            node_topic: prefix of its topics.
            cameras: their ids.
            version: of this program.
        """
        device = f"ffe-{site}-{node}"
        self.topic = f"{settings.discovery_prefix}/device/{device}/config"
        """Of the retained discovery message."""
        self.closed_topics = (f"{settings.discovery_prefix}/",)
        """Where no command may have us speak."""
        self.payload = b""
        """Of the discovery message; empty where discovery is switched off."""
        self._status_topic = f"{settings.discovery_prefix}/status" if settings.enabled else None
        if settings.enabled:
            components = {f"{device}-{name}": component for name, component in _components(node_topic, cameras)}
            for unique_id, component in components.items():
                component["unique_id"] = unique_id
            self.payload = _json(_device(device, f"{site} {node}", node_topic, version) | {"cmps": components})

    @property
    def subscriptions(self) -> dict[str, Callable[[Incoming], Message | None]]:
        """What the publisher is to listen to."""
        return {self._status_topic: self.take} if self._status_topic else {}

    def take(self, incoming: Incoming) -> Message | None:
        """Home Assistant has started: the device is told again."""
        return Message(self.topic, self.payload) if incoming.payload == b"online" else None


def _device(device: str, name: str, node_topic: str, version: str) -> dict[str, Any]:
    return {
        "dev": {"identifiers": [device], "name": name, "manufacturer": "ffe-edge", "sw_version": version},
        "o": {"name": "ffe-edge", "sw_version": version},
        "availability_topic": f"{node_topic}/status",
        "availability_template": "{{ 'online' if value_json.state == 'online' else 'offline' }}",
        "qos": 1,
    }


def _components(node_topic: str, cameras: Sequence[str]) -> Iterator[tuple[str, Component]]:
    yield "undelivered", _health(node_topic, "Events not delivered", "outbox_entries")
    yield (
        "temperature",
        _health(node_topic, "Temperature", "temperature_celsius")
        | {"device_class": "temperature", "unit_of_measurement": "°C"},
    )
    yield (
        "reload",
        {
            "platform": "button",
            "name": "Read the settings again",
            "command_topic": f"{node_topic}/command/reload",
            "payload_press": "{}",
            "entity_category": "config",
        },
    )
    for camera in cameras:
        for name, component in _camera(node_topic, camera):
            yield f"{camera}-{name}", component


def _health(node_topic: str, name: str, key: str) -> Component:
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": f"{node_topic}/health",
        "value_template": f"{{{{ value_json.{key} if value_json.{key} is defined else 'None' }}}}",
        "expire_after": HEALTH_EXPIRE_SECONDS,
        "state_class": "measurement",
        "entity_category": "diagnostic",
    }


def _camera(node_topic: str, camera: str) -> Iterator[tuple[str, Component]]:
    topic = f"{node_topic}/camera/{camera}"
    yield (
        "emotion",
        {
            "platform": "sensor",
            "name": f"{camera} emotion",
            "state_topic": f"{topic}/emotion",
            "value_template": f"{{{{ value_json.data.emotion if {TOLD} else this.state }}}}",
        },
    )
    yield "people", _minute(topic, f"{camera} people", "people")
    yield (
        "missing",
        _minute(topic, f"{camera} video missing", "missing_seconds")
        | {"device_class": "duration", "unit_of_measurement": "s", "entity_category": "diagnostic"},
    )
    yield (
        "state",
        {
            "platform": "sensor",
            "name": f"{camera} camera",
            "state_topic": f"{topic}/state",
            "value_template": "{{ value_json.state }}",
            "device_class": "enum",
            "options": list(get_args(CameraState)),
            "entity_category": "diagnostic",
        },
    )
    yield "privacy", _privacy(node_topic, topic, camera)


def _minute(topic: str, name: str, key: str) -> Component:
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": f"{topic}/summary",
        "value_template": f"{{{{ value_json.data.{key} }}}}",
        "state_class": "measurement",
    }


def _privacy(node_topic: str, topic: str, camera: str) -> Component:
    commands = {state: json.dumps({"state": state, "camera": camera}) for state in ("on", "off")}
    return {
        "platform": "switch",
        "name": f"{camera} privacy",
        "command_topic": f"{node_topic}/command/privacy",
        "payload_on": commands["on"],
        "payload_off": commands["off"],
        "state_topic": f"{topic}/state",
        "value_template": "{{ 'ON' if value_json.state == 'privacy' else 'OFF' }}",
        "state_on": "ON",
        "state_off": "OFF",
    }


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
