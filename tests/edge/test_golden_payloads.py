"""What v1 looks like: these payloads must stay readable and, read and written again, the same, whatever is added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ffe_edge.schema import PUBLISHED, RECEIVED, documents, file_of
from ffe_edge.wire import parse_event

FOLDER = Path(__file__).with_name("golden_payloads")
NAMES = sorted({**PUBLISHED, **RECEIVED})


def golden(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((FOLDER / file_of(name)).read_text(encoding="utf-8"))
    return payload


def test_every_message_has_its_golden_payload() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == [file_of(name) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_payload_is_read_and_written_again_the_same(name: str) -> None:
    model = {**PUBLISHED, **RECEIVED}[name]
    message = model.model_validate_json(json.dumps(golden(name)))
    said = json.loads(message.model_dump_json())
    assert {key: said[key] for key in golden(name)} == golden(name)
    assert {value for key, value in said.items() if key not in golden(name)} <= {None}


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_payload_fits_its_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(documents()[file_of(name)]).validate(golden(name))


@pytest.mark.parametrize("name", ["emotion", "gap"])
def test_subscribers_of_ours_read_the_golden_events(name: str) -> None:
    assert parse_event((FOLDER / file_of(name)).read_bytes()).sequence == 4711
