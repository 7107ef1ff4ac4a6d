"""ONNX Runtime serves at once; the CPU runtimes are measured beside, by a real process."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fake_engines import model
from small_bundle import make_bundle
from small_models import crops_graph

from ffe_edge.config import Config, load_config
from ffe_edge.engine.chosen import Choice, remember, remembered
from ffe_edge.engine.device_engine import Nvidia
from ffe_edge.engine.engine_key import Machine, RuntimeName
from ffe_edge.engine.measure import command, main
from ffe_edge.engine.measuring import Measuring
from ffe_edge.engine.model import ModelSource, circumstances_of, open_source
from ffe_edge.engine.switching import SwitchingRunner
from ffe_edge.errors import ModelError
from ffe_edge.serving import NOT_MEASURED, Serving
from ffe_edge.spec import ModelSpec
from ffe_edge.types import Runner

needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
CROPS = np.zeros((2, 112, 112, 3), np.uint8)


class Beside:
    """A measurement with what came of it."""

    def __init__(self, source: ModelSource, state: Path, program: list[str]) -> None:
        self.serving = SwitchingRunner(model("onnxruntime", 0))
        self.changes = 0
        self.work = Measuring(self.serving, source, 1, state, program, self._note, quiet_seconds=0.0)
        self.work.start()

    def _note(self) -> None:
        self.changes += 1

    def ended(self) -> bool:
        self.work._thread.join(60)
        return not self.work._thread.is_alive()


class NoGpu(Nvidia):
    """A machine without NVIDIA's software."""

    def machine(self, runtime: RuntimeName) -> Machine:
        raise ModelError(f"{runtime} cannot be loaded")

    def load(self, engine: bytes, spec: ModelSpec, runtime: RuntimeName, dla_core: int | None) -> Runner:
        raise ModelError(f"{runtime} cannot be loaded")


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    return open_source(crops_graph(tmp_path / "model.onnx"))


def settings(source: ModelSource, state: Path, backend: str = "auto") -> Config:
    chosen = {"path": source.file.path, "backend": backend}
    return load_config(None, {"model": chosen, "outbox": {"state_dir": state}})


def kept(source: ModelSource, state: Path, backend: str) -> list[str]:
    """A program that finds this runtime the faster one."""
    choice = Choice("openvino" if backend == "openvino" else "onnxruntime", "a test says so")
    remember(choice, circumstances_of(source, 1), state)
    return [sys.executable, "-c", ""]


@needs_openvino
def test_openvino_takes_over_where_it_was_faster(tmp_path: Path, source: ModelSource) -> None:
    beside = Beside(source, tmp_path, kept(source, tmp_path, "openvino"))
    assert beside.ended()
    assert (beside.serving.backend, beside.changes) == ("openvino", 1)
    assert beside.serving(CROPS).shape == (2, 9)


def test_onnx_runtime_serves_on_where_it_was_faster(tmp_path: Path, source: ModelSource) -> None:
    beside = Beside(source, tmp_path, kept(source, tmp_path, "onnxruntime"))
    assert beside.ended()
    assert (beside.serving.backend, beside.changes) == ("onnxruntime", 0)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        pytest.param("import sys; sys.exit('error: no memory')", "runtimes failed (no memory)", id="fails"),
        pytest.param("import os; os.kill(os.getpid(), 9)", "runtimes failed (exit code -9)", id="killed"),
        pytest.param("", "was not kept", id="keeps-nothing"),
    ],
)
def test_a_measurement_that_fails_harms_nothing(
    tmp_path: Path, source: ModelSource, program: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    beside = Beside(source, tmp_path, [sys.executable, "-c", program])
    assert beside.ended()
    assert beside.serving.backend == "onnxruntime"
    assert told in caplog.text


def test_a_measurement_ends_with_the_daemon(tmp_path: Path, source: ModelSource) -> None:
    beside = Beside(source, tmp_path, [sys.executable, "-c", "import time; time.sleep(60)"])
    began = time.monotonic()
    assert beside.work.stop(10)
    assert time.monotonic() - began < 10


@needs_openvino
@pytest.mark.parametrize("kind", ["file", "bundle"])
def test_what_a_start_has_measured_the_next_one_knows(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = crops_graph(tmp_path / "model.onnx") if kind == "file" else make_bundle(tmp_path / "small")
    source, state = open_source(path), tmp_path / "state"
    caplog.set_level(logging.INFO)
    beside = Beside(source, state, command(source, 1, state))
    assert beside.ended()
    choice = remembered(circumstances_of(source, 1), state)
    assert choice is not None, caplog.text
    assert choice.backend in caplog.text
    config = load_config(None, {"model": {"path": path}, "outbox": {"state_dir": state}})
    serving = Serving.from_config(config, lambda: None, NoGpu())
    assert (serving.model.run.backend, serving.model.why) == (choice.backend, choice.why)
    assert serving._beside == ()


def test_a_file_that_is_no_model_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    assert main(tmp_path / "model.onnx", 1, tmp_path) == 2
    assert capsys.readouterr().err.startswith("error: ")


@needs_openvino
@pytest.mark.parametrize(
    ("backend", "serves", "why", "measures"),
    [
        pytest.param("auto", "onnxruntime", NOT_MEASURED, 1, id="measured-beside"),
        pytest.param("onnxruntime", "onnxruntime", "asked for", 0, id="onnxruntime-forced"),
        pytest.param("openvino", "openvino", "asked for", 0, id="openvino-forced"),
    ],
)
def test_nothing_is_measured_before_the_first_picture(
    tmp_path: Path, source: ModelSource, backend: str, serves: str, why: str, measures: int
) -> None:
    serving = Serving.from_config(settings(source, tmp_path, backend), lambda: None, NoGpu())
    assert (serving.model.run.backend, serving.model.why, len(serving._beside)) == (serves, why, measures)
    serving.start()
    serving.close()


def test_without_openvino_there_is_nothing_to_measure(
    tmp_path: Path, source: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    serving = Serving.from_config(settings(source, tmp_path), lambda: None, NoGpu())
    assert (serving.model.run.backend, serving.model.why) == ("onnxruntime", "openvino is not installed")
    assert serving._beside == ()


def test_openvino_that_was_chosen_but_does_not_load_any_more_gives_way(
    tmp_path: Path, source: ModelSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept(source, tmp_path, "openvino")
    monkeypatch.setattr("ffe_edge.serving.has_openvino", lambda: True)
    monkeypatch.setitem(sys.modules, "openvino", None)
    serving = Serving.from_config(settings(source, tmp_path), lambda: None, NoGpu())
    assert serving.model.run.backend == "onnxruntime"
    assert "openvino was chosen but cannot serve" in caplog.text
