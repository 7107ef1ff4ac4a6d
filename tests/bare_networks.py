"""Tiny bare networks as ONNX files of ours: quick to run and to build engines of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ffe_edge.spec import SPEC_KEY, ModelSpec

LABELS = ("anger", "fear", "happiness", "neutral")
SIDE = 32
SPEC = ModelSpec("tiny", LABELS, size_px=SIDE, temperature=1.7, graph="images")
FILTERS = 8


def bare_network(
    path: Path, spec: ModelSpec | None = SPEC, *, operator: str = "Relu", side: int = SIDE, batch: int | str = "batch"
) -> Path:
    """``images`` -> convolution, ``operator`` in the node "middle", mean -> ``embedding`` -> ``logits``."""
    model = helper.make_model(_graph(operator, side, batch), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if spec is not None:
        entry = model.metadata_props.add()
        entry.key, entry.value = SPEC_KEY, spec.to_json()
    path.write_bytes(model.SerializeToString())
    return path


def _graph(operator: str, side: int, batch: int | str) -> Any:
    numbers = np.random.default_rng(5)
    weights = {
        "filters": numbers.normal(0, 0.3, (FILTERS, 3, 3, 3)).astype(np.float32),
        "head": numbers.normal(0, 1, (FILTERS, len(LABELS))).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "filters"], ["convolved"], "first", kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node(operator, ["convolved"], ["rectified"], "middle"),
        helper.make_node("ReduceMean", ["rectified"], ["embedding"], "pool", axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["embedding", "head"], ["logits"], "last"),
    ]
    value = helper.make_tensor_value_info
    outputs = {"logits": len(LABELS), "embedding": FILTERS}
    return helper.make_graph(
        nodes,
        "tiny",
        [value("images", TensorProto.FLOAT, [batch, 3, side, side])],
        [value(name, TensorProto.FLOAT, [batch, size]) for name, size in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )


def load(path: Path) -> Any:
    """The model, to be changed."""
    return onnx.load(path)
