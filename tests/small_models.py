"""Model files of ours that are small enough to export, quantize and build in a moment: random weights, real graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ffe_edge.emotions import LABELS
from ffe_edge.spec import ModelSpec
from ffe_export.graph import crops_graph as with_preprocessing
from ffe_export.graph import model_of, serialized

WIDTH = 16
SIDE = 112
SPEC = ModelSpec("small", LABELS, size_px=SIDE, mean=(127.5,), std=(127.5,), temperature=1.5, graph="images")


def network(seed: int = 0, classes: int = len(LABELS), side: int = SIDE) -> Any:
    """The bare network: stem, one residual block with a convolved shortcut, one without, mean, head."""
    rng = np.random.default_rng(seed)
    weights: dict[str, Any] = {}
    nodes: list[Any] = []

    def conv(source: str, name: str, inputs: int, kernel: int, stride: int) -> str:
        spread = (2 / (inputs * kernel * kernel)) ** 0.5
        weights[f"{name}.w"] = rng.normal(0, spread, (WIDTH, inputs, kernel, kernel)).astype(np.float32)
        weights[f"{name}.b"] = rng.normal(0, 0.1, WIDTH).astype(np.float32)
        pads = [kernel // 2] * 4
        sizes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": pads}
        nodes.append(helper.make_node("Conv", [source, f"{name}.w", f"{name}.b"], [name], name=name, **sizes))
        return name

    def plain(kind: str, sources: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, sources, [name], name=name, **attributes))
        return name

    stem = plain("Relu", [conv("images", "stem", 3, 3, 4)], "stem.relu")
    body = conv(plain("Relu", [conv(stem, "a.1", WIDTH, 3, 2)], "a.relu"), "a.2", WIDTH, 3, 1)
    first = plain("Relu", [plain("Add", [body, conv(stem, "a.shortcut", WIDTH, 1, 2)], "a.add")], "a.out")
    body = conv(plain("Relu", [conv(first, "b.1", WIDTH, 3, 1)], "b.relu"), "b.2", WIDTH, 3, 1)
    last = plain("Relu", [plain("Add", [body, first], "b.add")], "b.out")
    pooled = plain("ReduceMean", [last], "pooled", axes=[2, 3], keepdims=0)
    weights["head.w"] = rng.normal(0, 1, (classes, WIDTH)).astype(np.float32)
    weights["head.b"] = np.zeros(classes, np.float32)
    plain("Gemm", [pooled, "head.w", "head.b"], "logits", transB=1)
    norm = plain("ReduceL2", [pooled], "norm", axes=[1], keepdims=1)
    plain("Div", [pooled, norm], "embedding")
    graph = helper.make_graph(
        nodes,
        "ffe_network",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, side, side])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return model_of(graph)


def bare(path: Path, spec: ModelSpec = SPEC, seed: int = 0) -> Path:
    """Write the bare network that engines are built of."""
    path.write_bytes(serialized(network(seed, len(spec.labels), spec.size_px), spec))
    return path


def crops_graph(path: Path, spec: ModelSpec = SPEC, seed: int = 0) -> Path:
    """Write the graph that takes crops."""
    model, whole = with_preprocessing(network(seed, len(spec.labels), spec.size_px), spec)
    path.write_bytes(serialized(model, whole))
    return path
