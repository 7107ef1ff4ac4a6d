"""The contract on the wire for machines: JSON Schemas of the payloads, and an AsyncAPI document of the topics.

Source: AsyncAPI Initiative, AsyncAPI Specification 3.0.0, 2023, with its MQTT bindings 0.2.0. Schemas of what we
publish take unknown keys, since fields may be added within v1; those of commands do not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from ffe_edge.commands import COMMANDS, Answer
from ffe_edge.errors import StoreError
from ffe_edge.messages import (
    CameraStatus,
    EmotionCloudEvent,
    GapCloudEvent,
    Health,
    Status,
    SummaryCloudEvent,
)
from ffe_edge.updates.manifest import Desired, Manifest, ModelState

JSON_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"
CLOUD_EVENT: Final = "application/cloudevents+json"
ASYNCAPI: Final = "asyncapi.json"
NODE: Final = "ffe/v1/{site}/{node}"
CAMERA: Final = f"{NODE}/camera/{{camera}}"
PARAMETERS: Final = {
    "site": "The home, [a-z0-9-]{1,32}.",
    "node": "The device, [a-z0-9-]{1,32}.",
    "camera": "One of its cameras, [a-z0-9-]{1,32}.",
}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic that we publish to."""

    name: str
    address: str
    messages: tuple[str, ...]
    retain: bool
    qos: int = 1
    expiry_seconds: int | None = None


PUBLISHED: Final[dict[str, type[BaseModel]]] = {
    "status": Status,
    "health": Health,
    "camera-state": CameraStatus,
    "emotion": EmotionCloudEvent,
    "gap": GapCloudEvent,
    "summary": SummaryCloudEvent,
    "model-state": ModelState,
    "answer": Answer,
}
"""Models by the name of their message; the file is ``<name>-v1.json``."""
RECEIVED: Final[dict[str, type[BaseModel]]] = {
    **{f"command-{name}": model for name, model in COMMANDS.items()},
    "model-desired": Desired,
}
WISHES: Final = {"model-desired": f"{NODE}/model/desired", "model-desired-of-site": "ffe/v1/{site}/model/desired"}
"""Channels of the retained message ``model-desired``."""
SIGNED: Final[dict[str, type[BaseModel]]] = {"model-manifest": Manifest}
"""What is signed inside another message."""
CHANNELS: Final = (
    Channel("status", f"{NODE}/status", ("status",), retain=True),
    Channel("health", f"{NODE}/health", ("health",), retain=True, qos=0, expiry_seconds=120),
    Channel("camera-state", f"{CAMERA}/state", ("camera-state",), retain=True),
    Channel("emotion", f"{CAMERA}/emotion", ("emotion", "gap"), retain=False),
    Channel("summary", f"{CAMERA}/summary", ("summary",), retain=True),
    Channel("model-state", f"{NODE}/model/state", ("model-state",), retain=True),
)


def documents() -> dict[str, Document]:
    """Every document by its file name."""
    schemas = {file_of(name): _schema(name, model, is_open=True) for name, model in PUBLISHED.items()}
    closed = {**RECEIVED, **SIGNED}
    schemas |= {file_of(name): _schema(name, model, is_open=False) for name, model in closed.items()}
    return {ASYNCAPI: asyncapi(), **schemas}


def write_documents(folder: Path) -> list[Path]:
    """Write them; returns their paths.

    Raises:
        StoreError: the folder cannot be written to.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, document in documents().items():
            written.append(folder / name)
            written[-1].write_text(as_text(document), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror}); give -o a folder of yours") from error
    return written


def as_text(document: Document) -> str:
    """As it stands in the file."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def file_of(message: str) -> str:
    """File name of a message's schema."""
    return f"{message}-v1.json"


def asyncapi() -> Document:
    """The topics, what is published there, and the commands that are taken."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ffe-edge",
            "version": "1.0.0",
            "description": "Emotion events of a care home's devices. Within v1 fields are only added.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": {"host": "localhost:1883", "protocol": "mqtt", "protocolVersion": "5.0"}},
        "channels": dict(_channels()),
        "operations": {**dict(_operations()), **dict(_wishes())},
        "components": {"messages": {name: _message(name) for name in (*PUBLISHED, *RECEIVED)}},
    }


def _channels() -> Iterator[tuple[str, Document]]:
    for channel in CHANNELS:
        yield channel.name, _channel(channel.address, channel.messages)
    for name in COMMANDS:
        yield f"command-{name}", _channel(f"{NODE}/command/{name}", (f"command-{name}",))
    for name, address in WISHES.items():
        yield name, _channel(address, ("model-desired",))
    yield "answer", {"address": None, "messages": {"answer": _reference("components", "messages", "answer")}}


def _channel(address: str, messages: tuple[str, ...]) -> Document:
    used = {name: {"description": told} for name, told in PARAMETERS.items() if f"{{{name}}}" in address}
    told = {name: _reference("components", "messages", name) for name in messages}
    return {"address": address, "parameters": used, "messages": told}


def _operations() -> Iterator[tuple[str, Document]]:
    for channel in CHANNELS:
        mqtt: Document = {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}
        if channel.expiry_seconds is not None:
            mqtt["messageExpiryInterval"] = channel.expiry_seconds
        yield (
            f"publish-{channel.name}",
            {
                "action": "send",
                "channel": _reference("channels", channel.name),
                "messages": [_reference("channels", channel.name, "messages", name) for name in channel.messages],
                "bindings": {"mqtt": mqtt},
            },
        )
    for name in COMMANDS:
        yield (
            f"take-{name}",
            {
                "action": "receive",
                "channel": _reference("channels", f"command-{name}"),
                "messages": [_reference("channels", f"command-{name}", "messages", f"command-{name}")],
                "bindings": {"mqtt": {"qos": 1, "retain": False, "bindingVersion": "0.2.0"}},
                "reply": {
                    "address": {
                        "description": "The MQTT 5 response topic of the command; its correlation data comes back.",
                        "location": "$message.header#/responseTopic",
                    },
                    "channel": _reference("channels", "answer"),
                    "messages": [_reference("channels", "answer", "messages", "answer")],
                },
            },
        )


def _wishes() -> Iterator[tuple[str, Document]]:
    for name in WISHES:
        yield (
            f"take-{name}",
            {
                "action": "receive",
                "channel": _reference("channels", name),
                "messages": [_reference("channels", name, "messages", "model-desired")],
                "bindings": {"mqtt": {"qos": 1, "retain": True, "bindingVersion": "0.2.0"}},
            },
        )


def _message(name: str) -> Document:
    model = (PUBLISHED | RECEIVED)[name]
    schema_format = "application/schema+json;version=draft-2020-12"
    return {
        "name": name,
        "summary": (model.__doc__ or "").partition("\n")[0],
        "contentType": CLOUD_EVENT if "specversion" in model.model_fields else "application/json",
        "payload": {"schemaFormat": schema_format, "schema": {"$ref": f"./{file_of(name)}"}},
    }


def _schema(name: str, model: type[BaseModel], *, is_open: bool) -> Document:
    schema = model.model_json_schema()
    return {"$schema": JSON_SCHEMA, "$id": file_of(name), **(_opened(schema) if is_open else schema)}


def _opened(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _opened(value) for key, value in schema.items() if (key, value) != ("additionalProperties", False)}
    return [_opened(item) for item in schema] if isinstance(schema, list) else schema


def _reference(*path: str) -> Document:
    return {"$ref": "#/" + "/".join(path)}
