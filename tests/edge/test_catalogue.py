"""The catalogue is checked data; a model of it can be named wherever a model is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_bundle import make_bundle
from small_models import SPEC, crops_graph
from typer.testing import CliRunner

from ffe_edge.catalogue import SHIPPED_DIR, catalogue, entry_of, located, models_dir, read_catalogue
from ffe_edge.cli import app
from ffe_edge.config import load_config
from ffe_edge.doctor.software import check_model
from ffe_edge.engine.model import SHIPPED_MODEL, load_spec
from ffe_edge.errors import ModelError
from ffe_edge.faces import YUNET_FILE
from ffe_edge.settings_check import mistakes_in

ROOT = Path(__file__).resolve().parents[2]
RELEASE = 'version = "1"\naddress = "https://here/{file}"\nbytes = 5\nsha256 = "' + "0" * 64 + '"\n'
TABLE = '[m]\nkind = "detector"\nwhat = "w"\nterms = "t"\nfile = "m.onnx"\n'


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FFE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_models_lie_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FFE_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert models_dir() == Path("/data/ffe-edge/models")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/carer")
    assert models_dir() == Path("/home/carer/.local/share/ffe-edge/models")


def test_the_catalogue_of_the_package_is_valid_and_names_what_exists() -> None:
    assert list(catalogue()) == ["yunet", "ffe-small", "ffe-r18"]
    assert entry_of("ffe-small").path == SHIPPED_MODEL
    assert SHIPPED_MODEL.parent == SHIPPED_DIR
    assert entry_of("yunet").file == YUNET_FILE
    assert [recipe for entry in catalogue().values() for recipe in entry.recipes if not (ROOT / recipe).is_file()] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("[m", "cannot be read", id="no-toml"),
        pytest.param("m = 1", "m: ", id="no-table"),
        pytest.param(TABLE + 'sizes = "5"', "m.sizes: Extra inputs", id="unknown-key"),
        pytest.param(TABLE.replace("detector", "poem"), "m.kind: ", id="kind"),
        pytest.param(TABLE.replace("m.onnx", "../m.onnx"), "m.file: ", id="elsewhere"),
        pytest.param(TABLE + "shipped = true\n[m.release]\n" + RELEASE, "has no release", id="shipped"),
        pytest.param(TABLE + "[m.release]\n" + RELEASE.replace("https", "http"), "m.release.address", id="no-tls"),
        pytest.param(TABLE + "[m.release]\n" + RELEASE.replace("000", "xyz"), "m.release.sha256", id="digest"),
        pytest.param(TABLE + "[m.release]\n" + RELEASE.replace("= 5", "= 0"), "m.release.bytes", id="bytes"),
        pytest.param(TABLE + '[m.release]\nversion = "1"', "m.release.address: Field required", id="half"),
    ],
)
def test_a_damaged_catalogue_is_refused_by_its_key(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=told):
        read_catalogue(tmp_path / "c.toml")


def test_a_name_stands_for_the_model_and_a_file_of_that_name_wins(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert located(Path("ffe-small")) == SHIPPED_MODEL
    assert located(Path("other.onnx")) == Path("other.onnx")
    with pytest.raises(
        ModelError, match="ffe-r18: is not on this machine; get it with `ffe-edge models fetch ffe-r18`"
    ):
        load_spec(Path("ffe-r18"))
    make_bundle(models / "ffe-r18", name="ffe-r18")
    assert located(Path("ffe-r18")) == models / "ffe-r18"
    make_bundle(tmp_path / "ffe-r18", name="mine")
    assert located(Path("ffe-r18")) == Path("ffe-r18")


def test_the_settings_may_name_it_and_the_doctor_says_that_it_is_not_fetched(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ffe.toml"
    path.write_text('[model]\npath = "ffe-r18"\n', encoding="utf-8")
    finding = check_model(load_config(path))
    assert (finding.status, finding.found) == ("missing", "ffe-r18: is not on this machine")
    assert finding.remedy == "get it with `ffe-edge models fetch ffe-r18`"
    assert [mistake.key for mistake in mistakes_in(path)] == ["model.path"]
    make_bundle(models / "ffe-r18", name="ffe-r18")
    assert check_model(load_config(path)).status == "ok"
    assert list(mistakes_in(path)) == []


def told(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["models", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_the_list_says_of_each_what_it_is_and_how_it_is_had() -> None:
    text = told("list")
    assert "state         not fetched yet: `ffe-edge models fetch yunet`" in text
    assert f"path          {SHIPPED_MODEL}" in text
    yunet, small, r18 = json.loads(told("list", "--json"))
    assert (yunet["bytes"], yunet["terms"]) == (317466, "Apache-2.0")
    assert (small["bytes"], small["state"]) == (SHIPPED_MODEL.stat().st_size, "here")
    assert r18["state"].startswith("not released: ")


def test_a_model_is_shown_by_name_or_by_file(tmp_path: Path) -> None:
    by_name = json.loads(told("show", "ffe-small", "--json"))
    by_file = json.loads(told("show", str(SHIPPED_MODEL), "--json"))
    assert by_name["sha256"] == by_file["sha256"]
    assert (len(by_file["labels"]), by_file["precision"], "terms" in by_name) == (9, "fp32", True)
    assert "labels        joy, sadness" in told("show")
    assert json.loads(told("show", str(make_bundle(tmp_path / "b")), "--json"))["made"] == {"by": "a test"}
    assert "state         not released" in told("show", "ffe-r18")


def test_the_network_is_the_one_that_the_recipe_names(tmp_path: Path) -> None:
    recipe = json.dumps({"network": {"architecture": "face-resnet18", "preset": "paper"}})
    crops_graph(tmp_path / "m.onnx", replace(SPEC, recipe=recipe))
    assert "architecture  face-resnet18 paper\n" in told("show", str(tmp_path / "m.onnx"))


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "letter.onnx").write_bytes(b"a letter, not a network")
    result = CliRunner().invoke(app, ["models", "show", str(tmp_path / "letter.onnx")])
    assert isinstance(result.exception, ModelError)
    assert "letter.onnx: is no ONNX model" in str(result.exception)


def test_a_damaged_detector_is_found(models: Path, shared: Path) -> None:
    assert told("verify", "yunet", code=1).startswith("yunet\tBAD\tnot fetched yet")
    source = shared / "detector_yunet" / YUNET_FILE
    assert told("fetch", "--from", str(source)).strip() == f"{models / YUNET_FILE} (Apache-2.0)"
    assert told("verify").splitlines()[0] == "yunet\tok\tis the pinned file"
    assert len(json.loads(told("show", "yunet", "--json"))["sha256"]) == 64
    (models / YUNET_FILE).write_bytes(source.read_bytes()[:-1])
    assert "is not the released file" in told("verify", code=1)
