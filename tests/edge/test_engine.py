"""A model file is used as its spec says, or refused with its name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from ffe_edge.engine.onnxruntime_runner import load_model, load_spec
from ffe_edge.errors import ModelError
from ffe_edge.spec import SPEC_KEY, ModelSpec

SIDE = 16
CHANNELS = ModelSpec("channels", ("blue", "green", "red"), size_px=SIDE)

Node = tuple[str, str, str, dict[str, Any]]
"""Operator, inputs, output, attributes."""
MEANS: tuple[Node, ...] = (
    ("Cast", "crops", "floats", {"to": TensorProto.FLOAT}),
    ("ReduceMean", "floats", "means", {"axes": [1, 2], "keepdims": 0}),
)
GOOD: tuple[Node, ...] = (*MEANS, ("Softmax", "means", "probs", {"axis": 1}))


def onnx_bytes(
    nodes: Sequence[Node] = GOOD,
    *,
    shape: Sequence[int | str] = ("batch", SIDE, SIDE, 3),
    kind: int = TensorProto.UINT8,
    output_kind: int = TensorProto.FLOAT,
    spec: str | None = CHANNELS.to_json(),
) -> bytes:
    """A model whose probabilities are the softmax of the mean blue, green and red."""
    graph = helper.make_graph(
        [helper.make_node(operator, given.split(), [result], **kwargs) for operator, given, result, kwargs in nodes],
        "means",
        [helper.make_tensor_value_info("crops", kind, shape)],
        [helper.make_tensor_value_info(nodes[-1][2], output_kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if spec is not None:
        helper.set_model_props(model, {SPEC_KEY: spec})
    return bytes(model.SerializeToString())


def write(folder: Path, data: bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(data)
    return path


def test_a_good_model_gives_its_probabilities(tmp_path: Path) -> None:
    crops = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    crops[0], crops[1] = (2, 1, 0), (7, 7, 7)
    probs = load_model(write(tmp_path, onnx_bytes())).run(crops)
    powers = np.exp([2.0, 1.0, 0.0])
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, [powers / powers.sum(), [1 / 3] * 3], atol=1e-6)


def test_a_model_is_known_by_its_spec_and_its_digest(tmp_path: Path) -> None:
    path = write(tmp_path, onnx_bytes())
    model = load_model(path)
    assert (model.spec, load_spec(path), model.path) == (CHANNELS, CHANNELS, path)
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (model.run.backend, model.run.precision) == ("onnxruntime", "fp32")


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_any_number_of_crops_fits(tmp_path: Path, batch: int) -> None:
    run = load_model(write(tmp_path, onnx_bytes()), threads=2).run
    assert run(np.zeros((batch, SIDE, SIDE, 3), np.uint8)).shape == (batch, 3)


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
        load_model(write(tmp_path, onnx_bytes())).run(crops)


def fixed(values: Sequence[Sequence[float]]) -> tuple[Node, ...]:
    """Probabilities that do not depend on the crops."""
    tensor = helper.make_tensor("value", TensorProto.FLOAT, np.shape(values), np.ravel(values))
    return (*MEANS, ("Constant", "", "probs", {"value": tensor}))


def failing_at_run() -> tuple[Node, ...]:
    """A valid graph that cannot be computed: the six means of two crops do not make seven."""
    seven = helper.make_tensor("value", TensorProto.INT64, [1], [7])
    return (*MEANS, ("Constant", "", "shape", {"value": seven}), ("Reshape", "means shape", "probs", {}))


REFUSED = [
    pytest.param(b"", id="empty"),
    pytest.param(np.random.default_rng(0).bytes(5000), id="random-bytes"),
    pytest.param(b"not a model\n", id="text"),
    pytest.param(onnx_bytes()[:150], id="truncated"),
    pytest.param(onnx_bytes(spec=None), id="no-spec"),
    pytest.param(onnx_bytes(spec="{"), id="broken-spec"),
    pytest.param(onnx_bytes([("Blur", "crops", "probs", {})]), id="unknown-operator"),
    pytest.param(onnx_bytes(shape=("batch", 3, SIDE, SIDE)), id="channels-first"),
    pytest.param(onnx_bytes(shape=("batch", SIDE + 1, SIDE + 1, 3)), id="other-size-than-its-spec"),
    pytest.param(onnx_bytes(shape=("batch", "h", "w", 3)), id="no-fixed-size"),
    pytest.param(onnx_bytes(shape=(1, SIDE, SIDE, 3)), id="fixed-batch"),
    pytest.param(onnx_bytes(kind=TensorProto.FLOAT), id="float-input"),
    pytest.param(onnx_bytes([*MEANS, ("Softmax", "means", "scores", {"axis": 1})]), id="no-output-named-probs"),
    pytest.param(onnx_bytes([*MEANS, ("Identity", "means", "probs", {})]), id="logits"),
    pytest.param(onnx_bytes([*MEANS, ("Softmax", "means", "probs", {"axis": 0})]), id="softmax-over-the-batch"),
    pytest.param(onnx_bytes(spec=ModelSpec("two", ("a", "b"), size_px=SIDE).to_json()), id="fewer-labels-than-classes"),
    pytest.param(onnx_bytes(fixed([[float("nan")] * 3] * 2)), id="not-numbers"),
    pytest.param(onnx_bytes(fixed([[1.5, -0.25, -0.25]] * 2)), id="negative-probabilities"),
    pytest.param(onnx_bytes(fixed([[1.0, 0.0, 0.0]])), id="one-row-for-two-crops"),
    pytest.param(
        onnx_bytes([*MEANS, ("Cast", "means", "probs", {"to": TensorProto.STRING})], output_kind=TensorProto.STRING),
        id="text-output",
    ),
    pytest.param(onnx_bytes(failing_at_run()), id="fails-when-run"),
]


@pytest.mark.parametrize("data", REFUSED)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, data)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [pytest.param("nowhere.onnx", id="missing"), pytest.param(".", id="folder")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="cannot be read") as caught:
        load_model(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
