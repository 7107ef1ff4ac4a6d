"""`ffe-edge config`: the file to begin with, every mistake with its place, what holds without secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_edge.config import Config, load_config
from ffe_edge.config_text import schema, template, toml
from ffe_edge.errors import ConfigError

RUN = CliRunner()
WRONG = """\
site = "Kiso"
[[camera]]
id = "hall"
fps = 0
[[camera]]
id = "lounge"
sauce = 1
[broker]
url = "mqtt://carer:geheim@broker"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "ffe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_first_file_holds_the_defaults_and_every_key(tmp_path: Path) -> None:
    path = tmp_path / "ffe.toml"
    assert RUN.invoke(app, ["config", "init", str(path)]).exit_code == 0
    assert load_config(path) == Config()
    text = path.read_text()
    for section, values in Config().model_dump(by_alias=True).items():
        for key in values if isinstance(values, dict) and section != "zones" else ():
            assert re.search(rf"^#{key} =", text.partition(f"[{section}]")[2], re.MULTILINE), f"{section}.{key}"


def test_the_defaults_of_the_first_file_are_valid_when_they_are_uncommented(tmp_path: Path) -> None:
    lines = [line for line in template().splitlines() if not line.endswith("(not set)")]
    text = "\n".join(re.sub(r"^#(?=[a-z_]+ = )", "", line) for line in lines)
    assert load_config(written(tmp_path, text.partition("#[zones")[0])) == Config()


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = written(tmp_path, "site = 'kiso'")
    refused = RUN.invoke(app, ["config", "init", str(path)])
    assert isinstance(refused.exception, ConfigError)
    assert path.read_text() == "site = 'kiso'"
    assert RUN.invoke(app, ["config", "init", "--force", str(path)]).exit_code == 0


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, WRONG)
    result = RUN.invoke(app, ["config", "check", "--config", str(path)])
    assert result.exit_code == 2
    places = [line.removeprefix(f"{path}:").split(": ")[:2] for line in result.stderr.splitlines()]
    assert places == [["1", "site"], ["4", "camera[1].fps"], ["7", "camera[2].sauce"], ["9", "broker.url"]]
    assert "geheim" not in result.output


def test_files_and_sources_that_are_not_there_are_mistakes(tmp_path: Path) -> None:
    path = written(tmp_path, "[camera]\nsource='gone.mp4'\n[model]\npath='gone.onnx'\n[broker]\nca_file='gone.pem'")
    result = RUN.invoke(app, ["config", "check", "--config", str(path)])
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == [
        "broker.ca_file",
        "model.path",
        "camera.source",
    ]


def test_a_file_that_is_right_is_in_order(tmp_path: Path) -> None:
    path = written(tmp_path, "[camera]\nsource = 'rtsp://10.0.0.7/live'")
    result = RUN.invoke(app, ["config", "check", "--config", str(path)])
    assert (result.exit_code, result.stdout) == (0, f"{path}: in order\n")


def test_what_holds_is_shown_without_credentials_and_can_be_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, "site='kiso'\n[[camera]]\nid='a'\nsource='rtsp://u:geheim@cam/x'\n[[camera]]\nid='b'")
    shown = RUN.invoke(app, ["config", "show", "--config", str(path)]).stdout
    assert "geheim" not in shown
    again = load_config(written(tmp_path, shown))
    assert [(camera.id, camera.source) for camera in again.cameras] == [("a", "rtsp://***@cam/x"), ("b", "demo:")]
    assert again.model_copy(update={"cameras": ()}) == load_config(None, {"site": "kiso"}).model_copy(
        update={"cameras": ()}
    )


def test_what_holds_as_json() -> None:
    told = json.loads(RUN.invoke(app, ["config", "show", "--json"]).stdout)
    assert (told["camera"][0]["id"], told["broker"]["url"]) == ("camera", None)


def test_the_schema_describes_keys_and_takes_one_camera_or_several() -> None:
    told = schema()
    assert json.loads(RUN.invoke(app, ["config", "schema"]).stdout) == told
    assert len(told["properties"]["camera"]["anyOf"]) == 2
    assert "this long" in told["$defs"]["EventSettings"]["properties"]["hold_seconds"]["description"]
    assert told["additionalProperties"] is False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param('C:\\"x"', '"C:\\\\\\"x\\""', id="text"),
        pytest.param(True, "true", id="bool"),
        pytest.param(15.0, "15.0", id="whole-float"),
        pytest.param([[0.25, 1]], "[[0.25, 1]]", id="list"),
        pytest.param({"a": 1, "b": None}, "{ a = 1 }", id="table"),
    ],
)
def test_values_are_written_as_toml_writes_them(value: object, text: str) -> None:
    assert toml(value) == text
