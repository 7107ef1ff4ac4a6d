"""OpenVINO says the same as ONNX Runtime, tells nobody that it is there, and is missed politely."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_models import crops_graph

from ffe_edge.engine.model import SHIPPED_MODEL
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.engine.openvino_runner import load_openvino
from ffe_edge.errors import ModelError

needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
CROPS = np.random.default_rng(0).integers(0, 256, (4, 112, 112, 3), np.uint8)


@needs_openvino
def test_the_shipped_model_says_the_same_in_both_runtimes() -> None:
    file = ModelFile.read(SHIPPED_MODEL)
    np.testing.assert_allclose(load_openvino(file)(CROPS), load_onnxruntime(file)(CROPS), atol=1e-4)


@needs_openvino
def test_an_answer_is_not_changed_by_the_next_one(tmp_path: Path) -> None:
    run = load_openvino(ModelFile.read(crops_graph(tmp_path / "model.onnx")))
    first = run.read(CROPS)
    assert first.embedding is not None
    kept = first.probs.copy(), first.embedding.copy()
    run.read(CROPS[::-1].copy())
    np.testing.assert_array_equal(first.probs, kept[0])
    np.testing.assert_array_equal(first.embedding, kept[1])


@needs_openvino
def test_crops_that_are_a_view_of_larger_ones_are_read_right(tmp_path: Path) -> None:
    run = load_openvino(ModelFile.read(crops_graph(tmp_path / "model.onnx")))
    np.testing.assert_allclose(run(CROPS[::2]), run(CROPS)[::2], atol=1e-5)
    np.testing.assert_allclose(run(CROPS[:, :, ::-1]), run(CROPS[:, :, ::-1].copy()), atol=1e-5)


@needs_openvino
def test_its_telemetry_is_never_loaded(tmp_path: Path) -> None:
    program = (
        "import sys; from ffe_edge.engine.openvino_runner import import_openvino; import_openvino();"
        "print(sorted(name for name in sys.modules if name.startswith('openvino_telemetry')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"pip install 'ffe-edge\[openvino\]'"):
        load_openvino(ModelFile.read(crops_graph(tmp_path / "model.onnx")))
