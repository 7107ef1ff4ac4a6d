"""A model file is used as its spec says, by either CPU runtime, or refused with its name."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_models import bare, crops_graph
from tiny_onnx import CHANNELS, GOOD, MEANS, REFUSED, SIDE, onnx_bytes, write

from ffe_edge.engine.model import load_model, load_spec
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.engine.openvino_runner import load_openvino
from ffe_edge.errors import ModelError
from ffe_edge.spec import SPEC_KEY, ModelSpec

needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
RUNTIMES = [
    pytest.param("onnxruntime", id="onnxruntime"),
    pytest.param("openvino", id="openvino", marks=needs_openvino),
]
LOADERS = {"onnxruntime": load_onnxruntime, "openvino": load_openvino}
CROPS = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)


@pytest.mark.parametrize("backend", RUNTIMES)
def test_a_good_model_gives_its_probabilities(tmp_path: Path, backend: str) -> None:
    crops = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    crops[0], crops[1] = (2, 1, 0), (7, 7, 7)
    probs = load_model(write(tmp_path, onnx_bytes()), backend=backend).run(crops)
    powers = np.exp([2.0, 1.0, 0.0])
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, [powers / powers.sum(), [1 / 3] * 3], atol=1e-6)


@pytest.mark.parametrize("backend", RUNTIMES)
def test_a_model_is_known_by_its_spec_and_its_digest(tmp_path: Path, backend: str) -> None:
    path = write(tmp_path, onnx_bytes())
    model = load_model(path, backend=backend)
    assert (model.spec, load_spec(path), model.path) == (CHANNELS, CHANNELS, path)
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (model.run.backend, model.run.precision) == (backend, "fp32")


@pytest.mark.parametrize("backend", RUNTIMES)
@pytest.mark.parametrize("batch", [0, 1, 5])
def test_any_number_of_crops_fits(tmp_path: Path, batch: int, backend: str) -> None:
    run = load_model(crops_graph(tmp_path / "model.onnx"), threads=2, backend=backend).run
    reading = run.read(np.zeros((batch, 112, 112, 3), np.uint8))
    assert reading.probs.shape == (batch, 9)
    assert reading.embedding is not None
    assert reading.embedding.shape == (batch, 16)


@pytest.mark.parametrize("backend", RUNTIMES)
def test_a_batch_after_another_says_the_same_as_its_crops_alone(tmp_path: Path, backend: str) -> None:
    run = load_model(crops_graph(tmp_path / "model.onnx"), backend=backend).run
    together = run(CROPS)
    np.testing.assert_allclose(np.concatenate([run(CROPS[i : i + 1]) for i in range(3)]), together, atol=1e-5)
    assert run(CROPS[:0]).shape == (0, 9)
    np.testing.assert_array_equal(run(CROPS), together)


@pytest.mark.parametrize("backend", RUNTIMES)
def test_the_bare_network_says_the_same_as_the_crops_graph(tmp_path: Path, backend: str) -> None:
    whole = load_onnxruntime(ModelFile.read(crops_graph(tmp_path / "model.onnx")))
    network = LOADERS[backend](ModelFile.read(bare(tmp_path / "network.onnx")), 1)
    ours, theirs = whole.read(CROPS), network.read(CROPS)
    np.testing.assert_allclose(theirs.probs, ours.probs, atol=1e-5)
    assert ours.embedding is not None
    assert theirs.embedding is not None
    np.testing.assert_allclose(theirs.embedding, ours.embedding, atol=1e-5)


@pytest.mark.parametrize("backend", RUNTIMES)
def test_a_file_of_before_the_embeddings_gives_none(tmp_path: Path, backend: str) -> None:
    run = load_model(write(tmp_path, onnx_bytes()), backend=backend).run
    reading = run.read(np.full((2, SIDE, SIDE, 3), 9, np.uint8))
    assert reading.embedding is None
    np.testing.assert_allclose(reading.probs, 1 / 3, atol=1e-6)


def test_a_bare_network_cannot_serve(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"bare network.*give --model the crops graph"):
        load_model(bare(tmp_path / "network.onnx"))


@pytest.mark.parametrize(
    "crops",
    [
        pytest.param(np.zeros((1, SIDE, SIDE + 1, 3), np.uint8), id="size"),
        pytest.param(np.zeros((1, 3, SIDE, SIDE), np.uint8), id="channels-first"),
        pytest.param(np.zeros((SIDE, SIDE, 3), np.uint8), id="no-batch"),
        pytest.param(np.zeros((1, SIDE, SIDE, 3), np.float32), id="dtype"),
    ],
)
def test_crops_of_another_shape_are_a_wrong_argument(tmp_path: Path, crops: Any) -> None:
    with pytest.raises(ValueError, match="the model takes crops"):
        load_model(write(tmp_path, onnx_bytes()), backend="onnxruntime").run(crops)


@pytest.mark.parametrize("backend", RUNTIMES)
@pytest.mark.parametrize("data", REFUSED)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, data: bytes, backend: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(ModelError) as caught:
        load_model(path, backend=backend)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [pytest.param("nowhere.onnx", id="missing"), pytest.param(".", id="folder")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="cannot be read") as caught:
        load_model(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="no plain file"):
        load_model(tmp_path / "model.onnx")


@pytest.mark.parametrize("backend", RUNTIMES)
@pytest.mark.parametrize("location", ["secret", "{}/secret", "../../../../../../../..{}/secret"])
def test_weights_in_other_files_are_not_read(
    tmp_path: Path, backend: str, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(np.zeros(3, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    weights = numpy_helper.from_array(np.zeros(3, np.float32), "bias")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location.format(tmp_path))
    nodes = [helper.make_node(kind, inputs.split(), [out], **more) for kind, inputs, out, more in MEANS]
    nodes += [helper.make_node("Add", ["means", "bias"], ["sum"]), helper.make_node("Softmax", ["sum"], ["probs"])]
    crops = helper.make_tensor_value_info("crops", TensorProto.UINT8, ("batch", SIDE, SIDE, 3))
    probs = helper.make_tensor_value_info("probs", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "elsewhere", [crops], [probs], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {SPEC_KEY: CHANNELS.to_json()})
    with pytest.raises(ModelError):
        load_model(write(tmp_path, model.SerializeToString()), backend=backend)


def test_every_truncation_is_refused_before_any_runtime_sees_it(tmp_path: Path) -> None:
    data = onnx_bytes(GOOD)
    for size in range(len(data)):
        with pytest.raises(ModelError):
            ModelFile(tmp_path / "model.onnx", data[:size], "").spec()


def test_the_spec_of_a_file_needs_no_runtime(tmp_path: Path) -> None:
    assert ModelFile.read(bare(tmp_path / "network.onnx")).spec().graph == "images"
    assert ModelFile.read(write(tmp_path, onnx_bytes())).spec() == ModelSpec("channels", CHANNELS.labels, size_px=SIDE)
