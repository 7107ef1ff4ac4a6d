from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
import typer
from typer.testing import CliRunner

from ffe_edge.cli_schema import schema
from ffe_edge.errors import StoreError
from ffe_edge.schema import ASYNCAPI, PUBLISHED, RECEIVED, as_text, documents, write_documents

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = documents()
NAMES = sorted(DOCUMENTS)


def is_pinned_pydantic() -> bool:
    """Another pydantic words the same schema otherwise."""
    return f"\npydantic=={pydantic.VERSION}\n" in (ROOT / "constraints.txt").read_text()


@pytest.mark.skipif(not is_pinned_pydantic(), reason="the documents in the repository are of the pinned pydantic")
@pytest.mark.parametrize("name", NAMES)
def test_the_documents_in_the_repository_are_of_these_models(name: str) -> None:
    said = (ROOT / "schemas" / name).read_text(encoding="utf-8")
    assert said == as_text(DOCUMENTS[name]), "run `ffe-edge schema -o schemas`"


def test_no_other_document_lies_about() -> None:
    assert sorted(path.name for path in (ROOT / "schemas").iterdir()) == NAMES


def test_the_command_writes_them_and_names_them(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(schema)
    result = CliRunner().invoke(app, ["-o", str(tmp_path / "new")])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, len(NAMES))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == NAMES


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="give -o a folder of yours"):
        write_documents(tmp_path / "file" / "inside")


def references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        yield from (value for key, value in document.items() if key == "$ref")
    for inner in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from references(inner)


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_leads_somewhere(name: str) -> None:
    for reference in references(DOCUMENTS[name]):
        if reference.startswith("./"):
            assert reference.removeprefix("./") in DOCUMENTS
            continue
        found = DOCUMENTS[name]
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert isinstance(found, dict)


def test_every_message_is_published_or_taken_somewhere() -> None:
    channels = DOCUMENTS[ASYNCAPI]["channels"]
    assert {name for channel in channels.values() for name in channel["messages"]} == {*PUBLISHED, *RECEIVED}
    assert {one["action"] for one in DOCUMENTS[ASYNCAPI]["operations"].values()} == {"send", "receive"}
    for channel in channels.values():
        assert set(re.findall(r"{(\w+)}", channel["address"] or "")) == set(channel.get("parameters", {}))


def test_subscribers_may_meet_new_fields_and_commands_may_not() -> None:
    for name in PUBLISHED:
        assert '"additionalProperties": false' not in as_text(DOCUMENTS[f"{name}-v1.json"])
    for name in RECEIVED:
        assert DOCUMENTS[f"{name}-v1.json"]["additionalProperties"] is False


def test_the_schemas_refuse_what_the_models_refuse() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    replay = jsonschema.Draft202012Validator(DOCUMENTS["command-replay-v1.json"])
    assert [replay.is_valid({"since_sequence": value}) for value in (1, 0, "1", None)] == [True, False, False, False]
    assert not replay.is_valid({})
    assert not replay.is_valid({"since_sequence": 1, "x": 1})
    assert json.loads(as_text(DOCUMENTS["status-v1.json"]))["required"] == ["state", "session"]
