"""The shipped network with another embedding: the colours of the crop, which tell rendered people apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ffe_edge.engine.model import SHIPPED_MODEL
from ffe_export.graph import EMBEDDING, read_graph, serialized

IDENTITY = {"threshold": 0.85, "tar": 0.95, "far": 0.001, "different": 2000}
"""People 3 and 5 of ``demo:`` are 0.61 alike at most, each with itself 0.94 at least (120 looks)."""
SIDE, CELL_PX = 4, 28
USUAL_BGR = (75.0, 105.0, 140.0)


def write_colour_model(path: Path) -> Path:
    """A crops graph whose spec says that it can tell people apart."""
    model, spec = read_graph(SHIPPED_MODEL)
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["unused" if name == EMBEDDING else name for name in node.output]
    graph.node.extend(colours())
    usual = np.array(USUAL_BGR, np.float32).reshape(1, 3, 1, 1)
    graph.initializer.append(numpy_helper.from_array(usual, "colours.usual"))
    outputs = [output for output in graph.output if output.name != EMBEDDING]
    del graph.output[:]
    graph.output.extend(outputs)
    graph.output.append(helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, ["batch", 3 * SIDE * SIDE]))
    path.write_bytes(serialized(model, replace(spec, name="colours", metrics={"identity": IDENTITY})))
    return path


def colours() -> list[Any]:
    """Mean colours of 16 cells against the usual ones, together of norm 1."""
    cells: dict[str, Any] = {"kernel_shape": [CELL_PX] * 2, "strides": [CELL_PX] * 2}
    return [
        helper.make_node("Cast", ["crops"], ["colours.levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["colours.levels"], ["colours.planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["colours.planes"], ["colours.cells"], **cells),
        helper.make_node("Sub", ["colours.cells", "colours.usual"], ["colours.unusual"]),
        helper.make_node("Flatten", ["colours.unusual"], ["colours.flat"], axis=1),
        helper.make_node("ReduceL2", ["colours.flat"], ["colours.norm"], axes=[1], keepdims=1),
        helper.make_node("Div", ["colours.flat", "colours.norm"], [EMBEDDING]),
    ]
