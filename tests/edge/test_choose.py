"""The faster CPU runtime serves, if it says the same."""

from __future__ import annotations

import importlib.util
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_models import SPEC, crops_graph

from ffe_edge.engine.choose import choose, faster
from ffe_edge.engine.graph_runner import GraphRunner
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.timing import interleaved
from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, ImageArray

needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")


def runner(backend: str, seconds: float, tilt: float = 0.0) -> GraphRunner:
    """Takes so long, and gives the first class so much more than the second."""

    def compute(values: ImageArray | FloatArray, _names: tuple[str, ...]) -> list[FloatArray]:
        time.sleep(seconds)
        return [np.tile(np.array([0.5 + tilt, 0.5 - tilt], np.float32), (len(values), 1))]

    return GraphRunner(backend, compute, SPEC_OF_CROPS, has_embedding=False)


SPEC_OF_CROPS = type(SPEC)("two", ("a", "b"), size_px=16)


@pytest.mark.parametrize(
    ("ours", "other", "tilt", "chosen"),
    [
        pytest.param(0.004, 0.001, 0.0, "openvino", id="faster"),
        pytest.param(0.001, 0.004, 0.0, "onnxruntime", id="slower"),
        pytest.param(0.004, 0.004, 0.0, "onnxruntime", id="as-fast"),
        pytest.param(0.004, 0.001, 0.2, "onnxruntime", id="faster-but-says-something-else"),
        pytest.param(0.004, 0.001, float("nan"), "onnxruntime", id="faster-but-says-nothing"),
    ],
)
def test_the_faster_one_serves_if_it_says_the_same(ours: float, other: float, tilt: float, chosen: str) -> None:
    assert faster(runner("onnxruntime", ours), runner("openvino", other, tilt), None)[0].backend == chosen


def test_the_choice_has_its_figures() -> None:
    _, why = faster(runner("onnxruntime", 0.004), runner("openvino", 0.001), None)
    assert re.fullmatch(r"openvino takes 0\.\d\d of onnxruntime's time \(onnxruntime 1: \d+\.\d ms, .*\)", why)
    _, why = faster(runner("onnxruntime", 0.0), runner("openvino", 0.0, 0.2), None)
    assert why == "openvino's probabilities differ from its by 0.200"


@needs_openvino
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_runtime_can_be_forced(tmp_path: Path, backend: str) -> None:
    file = ModelFile.read(crops_graph(tmp_path / "model.onnx"))
    assert choose(file, 1, backend)[0].backend == backend


def test_a_file_is_measured_where_both_are_installed(tmp_path: Path) -> None:
    file = ModelFile.read(crops_graph(tmp_path / "model.onnx"))
    began = time.monotonic()
    assert choose(file, 1)[0].backend in ("onnxruntime", "openvino")
    assert time.monotonic() - began < 20


def test_without_openvino_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    file = ModelFile.read(crops_graph(tmp_path / "model.onnx"))
    run, why = choose(file, 1)
    assert (run.backend, why) == ("onnxruntime", "openvino is not installed")
    with pytest.raises(ModelError, match="OpenVINO cannot be used"):
        choose(file, 1, "openvino")


def test_runners_take_turns_after_one_that_does_not_count() -> None:
    calls: list[tuple[str, int]] = []

    def noted(name: str) -> object:
        return lambda crops: calls.append((name, len(crops)))

    taken = interleaved({"a": noted("a"), "b": noted("b")}, np.zeros((4, 1, 1, 3), np.uint8), (1, 4), 0.0, 2)  # type: ignore[dict-item]
    assert calls == [("a", 1), ("b", 1), ("a", 4), ("b", 4)] * 3
    assert {turn: len(seconds) for turn, seconds in taken.items()} == dict.fromkeys(calls[:4], 2)
