"""`ffe-edge export` and `ffe-edge engine info` from the command line: exit codes, words, refusals in a line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from export_parts import QUICK, colours, write_folder
from small_models import SPEC, bare, crops_graph
from typer.testing import CliRunner, Result

from ffe_edge.cli import app
from ffe_edge.emotions import LABELS
from ffe_edge.engine.bundle import read_bundle
from ffe_edge.errors import ConfigError, DataError, FfeError, ModelError
from ffe_export.latency import Plan

RTX = ("--target", "tensorrt-rtx", "--capability", "8.6")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    crops_graph(folder / "small.onnx")
    bare(folder / "tiny.onnx", replace(SPEC, name="tiny", size_px=32))
    write_folder(folder / "faces", colours(102))
    write_folder(folder / "check", colours(8, seed=8), *LABELS[:2])
    return folder


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Latency is measured for a moment; engines are sealed with a secret of the test's own."""
    values = (QUICK.batches, QUICK.seconds, QUICK.least_rounds, QUICK.least_rounds, QUICK.warm_up)
    monkeypatch.setattr(Plan.__init__, "__defaults__", values)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


def ffe_edge(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def exported(place: Path, out: Path, *words: str | Path, model: str = "tiny.onnx") -> Result:
    return ffe_edge("export", place / model, "-o", out, *words)


def test_an_export_says_what_it_serves_and_where_the_figures_are(place: Path, tmp_path: Path) -> None:
    result = exported(place, tmp_path / "out", "--precision", "fp16", "--name", "kind")
    assert result.exit_code == 0
    assert f"{tmp_path / 'out'}: serves fp16, model.onnx on a CPU, engines of network.fp16.onnx" in result.stdout
    assert f"every figure: {tmp_path / 'out' / 'report.html'}" in result.stdout
    assert "FP32, ONNX" in result.stdout
    assert read_bundle(tmp_path / "out").name == "kind"


def test_int8_from_end_to_end(place: Path, tmp_path: Path) -> None:
    words = ("--precision", "int8", "--precision", "fp16", "--calibration", place / "faces", "--check", place / "check")
    result = exported(place, tmp_path / "out", *words, "--allow-slower", "--sensitivity", model="small.onnx")
    bundle = read_bundle(tmp_path / "out")
    assert (result.exit_code, bundle.precision, bundle.cpu.name) == (0, "int8", "model.int8.onnx")
    assert {"network.fp16.onnx", "network.int8.onnx"} <= bundle.files.keys()
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert len(report["sensitivity"]) == 6
    assert report["calibration"]["folder"] == "faces"


def test_a_refused_precision_ends_with_exit_code_1_and_its_reason(place: Path, tmp_path: Path) -> None:
    words = ("--precision", "int8", "--calibration", place / "faces", "--strict")
    result = exported(place, tmp_path / "out", *words, model="small.onnx")
    assert result.exit_code == 1
    assert "agreement refused: no crops of real people were given" in " ".join(result.stdout.split())
    assert "serves fp32" in result.stdout
    assert read_bundle(tmp_path / "out").precision == "fp32"


@pytest.mark.parametrize("folder", ["model[red]", "model[/]"])
def test_the_name_of_a_folder_is_no_markup(place: Path, tmp_path: Path, folder: str) -> None:
    assert f"{tmp_path / folder}: serves fp32" in exported(place, tmp_path / folder).stdout


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        pytest.param(("--precision", "int8"), ConfigError, "no calibration data.*--calibration", id="no-calibration"),
        pytest.param(("--split", "test"), ConfigError, "give --check", id="split-of-nothing"),
        pytest.param(("--engines", "x"), ConfigError, "--engines goes with --rebuild", id="engines-of-an-export"),
        pytest.param(("--check", "none"), DataError, "none: is not there", id="no-check"),
        pytest.param((*RTX[:2], "--dla-core", "0"), ConfigError, "only TensorRT on an Orin", id="dla-of-rtx"),
        pytest.param(
            ("--target", "tensorrt", "--dla-core", "0"),
            ConfigError,
            "a DLA computes in fp16 and int8",
            id="dla-in-fp32",
        ),
    ],
)
def test_words_that_make_no_sense_are_refused_before_anything_is_written(
    place: Path, tmp_path: Path, words: Sequence[str], error: type[FfeError], said: str
) -> None:
    with pytest.raises(error, match=said):
        exported(place, tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("points", ["-1", "101", "nan", "many"])
def test_points_that_are_none_are_refused(place: Path, tmp_path: Path, points: str) -> None:
    assert exported(place, tmp_path / "out", "--max-points", points).exit_code == 2
    assert not (tmp_path / "out").exists()


def test_an_export_without_a_place_is_refused(place: Path) -> None:
    with pytest.raises(ConfigError, match="--out FOLDER"):
        ffe_edge("export", place / "tiny.onnx")


def test_a_missing_runtime_is_told_before_anything_is_made(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)  # as if it were not installed
    with pytest.raises(ModelError, match=r"pip install .*rtx"):
        exported(place, tmp_path / "out", "--target", "tensorrt-rtx")
    assert not (tmp_path / "out").exists()


def test_an_error_is_one_line_and_exit_code_2(place: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes((place / "tiny.onnx").read_bytes()[:4000])
    words = [sys.executable, "-m", "ffe_edge", "export", str(tmp_path / "cut.onnx"), "-o", str(tmp_path / "out")]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(f"error: {tmp_path / 'cut.onnx'}: is no valid ONNX model")
    assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def engines(place: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle with engines, and the state folder of the installation that built them."""
    pytest.importorskip("tensorrt_rtx", reason="the extra rtx is not installed")
    folder = tmp_path_factory.mktemp("engines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATE_DIRECTORY", str(folder / "state"))
        assert exported(place, folder / "out", *RTX, *RTX[:2]).exit_code == 0
    return folder / "out", folder / "state"


def info(engines: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    folder, state = engines
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    (engine,) = (folder / "engines").glob("*.engine")
    return ffe_edge("engine", "info", engine, *words)


def test_what_an_engine_is_stands_line_by_line(engines: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    result = info(engines, monkeypatch)
    rows = dict(line.split(None, 1) for line in result.stdout.splitlines() if not line.startswith("would"))
    assert (rows["runtime"], rows["precision"], rows["compute_capability"]) == ("tensorrt-rtx", "fp32", "8.6")
    assert rows["onnx_sha256"] == read_bundle(engines[0]).files["network.onnx"].sha256
    assert ("would be loaded here" in result.stdout) == (result.exit_code == 0)
    assert ("would not be loaded here: " in result.stdout) == (result.exit_code == 1)


def test_what_an_engine_is_for_programs(engines: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    result = info(engines, monkeypatch, "--json")
    found: dict[str, Any] = json.loads(result.stdout)
    assert (found["key"]["runtime"], found["fits"]) == ("tensorrt-rtx", result.exit_code == 0)
    assert bool(found["why_not"]) == (result.exit_code == 1)


def test_an_engine_of_another_installation_would_not_be_loaded(
    engines: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = info((engines[0], tmp_path / "elsewhere"), monkeypatch)
    assert result.exit_code == 1
    assert "was not built by this installation" in result.stdout


def test_what_is_no_engine_is_told(place: Path) -> None:
    with pytest.raises(ModelError, match=r"small\.onnx\.json: cannot be read"):
        ffe_edge("engine", "info", place / "small.onnx")


def test_the_engine_of_a_bundle_is_built_again(engines: tuple[Path, Path], tmp_path: Path) -> None:
    result = ffe_edge("export", "--rebuild", engines[0], "--engines", tmp_path / "cache", *RTX)
    (engine,) = (tmp_path / "cache").glob("*.engine")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{engine}: built in ")
    assert "golden outputs as exported" in result.stdout or "golden outputs not checked (" in result.stdout


def test_an_engine_of_a_bundle_that_was_changed_is_not_built(place: Path, tmp_path: Path) -> None:
    exported(place, tmp_path / "out")
    with (tmp_path / "out" / "network.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        ffe_edge("export", "--rebuild", tmp_path / "out", *RTX)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        pytest.param((*RTX, "--target", "tensorrt"), ConfigError, "give one --target", id="two-targets"),
        pytest.param((), ModelError, r"none/bundle\.json: cannot be read", id="no-bundle"),
    ],
)
def test_a_rebuild_that_makes_no_sense_is_refused(
    tmp_path: Path, words: Sequence[str], error: type[FfeError], said: str
) -> None:
    with pytest.raises(error, match=said):
        ffe_edge("export", "--rebuild", tmp_path / "none", *words)
