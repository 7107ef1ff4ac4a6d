"""Model files of a few nodes whose answers can be worked out by hand, and many that are wrong in one way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

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
