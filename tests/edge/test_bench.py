"""The bench measures every runner found here against ONNX Runtime in FP32, and says what is not here."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from rich.console import Console
from small_bundle import make_bundle, write_document
from small_models import SPEC, crops_graph
from typer.testing import CliRunner

from ffe_edge.bench import as_json, as_table, bench_model
from ffe_edge.cli_bench import bench
from ffe_edge.engine.device_engine import EngineCache
from ffe_edge.errors import ModelError

needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")


@needs_openvino
def test_a_file_is_measured_in_both_cpu_runtimes(tmp_path: Path) -> None:
    measured = bench_model(crops_graph(tmp_path / "model.onnx"), batches=(1, 2), seconds=0.2)
    found = [(row.backend, row.precision, row.batch) for row in measured.rows]
    assert found == [(name, "fp32", batch) for batch in (1, 2) for name in ("onnxruntime", "openvino")]
    assert [row.ratio for row in measured.rows if row.backend == "onnxruntime"] == [1.0, 1.0]
    assert all(row.p50_ms > 0 and row.runs >= 5 and row.crops_per_second > 0 for row in measured.rows)
    assert measured.reference == "onnxruntime fp32 model.onnx"


def test_a_bundle_s_file_is_measured_against_its_reference(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "exported")
    crops_graph(folder / "model.int8.onnx", replace(SPEC, precision="int8"))
    write_document(folder, cpu="model.int8.onnx", precision="int8")
    measured = bench_model(folder, batches=(2,), seconds=0.1, cache=EngineCache(tmp_path / "engines", tmp_path))
    ours = [(row.file, row.precision) for row in measured.rows if row.backend == "onnxruntime"]
    assert ours == [("model.onnx", "fp32"), ("model.int8.onnx", "int8")]
    assert set(measured.absent) >= {"tensorrt"}


def test_what_is_not_here_is_told_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    measured = bench_model(
        crops_graph(tmp_path / "model.onnx"), batches=(1,), seconds=0.0, cache=EngineCache(tmp_path, tmp_path)
    )
    assert set(measured.absent) == {"openvino", "tensorrt", "tensorrt-rtx"}
    assert "pip install" in measured.absent["openvino"]
    assert "no bundle" in measured.absent["tensorrt"]


def test_a_percentile_of_too_few_runs_is_not_told(tmp_path: Path) -> None:
    measured = bench_model(crops_graph(tmp_path / "model.onnx"), batches=(1,), seconds=0.0)
    assert {(row.runs, row.p95_ms, row.p99_ms) for row in measured.rows} == {(5, None, None)}
    console = Console(width=160)
    with console.capture() as shown:
        console.print(as_table(measured))
    assert "–" in shown.get()
    assert json.loads(as_json(measured))["rows"][0]["p99_ms"] is None


@pytest.mark.parametrize("batches", [(), (0,), (1, 257)])
def test_batches_that_cannot_be_are_a_wrong_argument(batches: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="batches are from 1"):
        bench_model(None, batches=batches)


def test_a_model_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.onnx: cannot be read"):
        bench_model(tmp_path / "nowhere.onnx")


def test_the_command_prints_for_people_and_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    app = typer.Typer()
    app.command()(bench)
    given = ["--model", str(crops_graph(tmp_path / "model.onnx")), "--batch", "1", "--seconds", "0.1"]
    people = CliRunner().invoke(app, given)
    assert people.exit_code == 0
    assert "without tensorrt:" in people.output
    programs = CliRunner().invoke(app, [*given, "--json"])
    assert json.loads(programs.output)["model"] == "small"
    assert not (tmp_path / "state").exists()
