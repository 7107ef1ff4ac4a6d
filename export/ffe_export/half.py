"""FP32 network -> FP16 network whose types say so: for engines that take the precision from the graph.

Inputs and outputs stay FP32, and so do the head and the embedding's norm: the squares of some hundred features add up
to more than FP16 holds, and these nodes cost nothing. So does all up to an instance norm of the picture: it blows up
what little a dark or pale picture shows, and would blow up FP16's rounding with it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ffe_edge.errors import ModelError
from ffe_export.graph import IMAGES, model_of, onnx_module
from ffe_export.points import Reader

HIGHEST: Final = 65504.0
"""Largest FP16 number."""
KEPT: Final = ("ReduceMean", "GlobalAveragePool", "ReduceL2", "Clip", "Div")
"""Operators that stay FP32: means of the last maps, and the embedding's norm."""
MAGNIFYING: Final = "InstanceNormalization"
"""Stays FP32 with all that is before it."""


def halved(model: Any, where: str) -> Any:
    """A new network that computes in FP16 between its input and its last features.

    Args:
        model: the tidied bare network.
        where: its name, for the error.

    Raises:
        ModelError: a weight does not fit FP16.
    """
    onnx = onnx_module()
    helper, kinds = onnx.helper, onnx.TensorProto
    reader = Reader(model)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    numbers: dict[str, npt.NDArray[Any]] = {}
    nodes: list[Any] = []
    exact = _magnified(reader)
    is_half = {IMAGES: False}
    casts: dict[tuple[str, bool], str] = {}

    def as_kind(name: str, half: bool) -> str:
        """The tensor or weight in the precision that its reader wants."""
        if not name:
            return name  # an input that is left out
        if name in weights:
            floating = weights[name].dtype == np.float32
            new = f"{name}.fp16" if half and floating else name
            numbers[new] = _half(weights[name], name, where) if half and floating else weights[name]
            return new
        if is_half[name] == half:
            return name
        if (name, half) not in casts:
            casts[name, half] = f"{name}.{'fp16' if half else 'fp32'}"
            to = kinds.FLOAT16 if half else kinds.FLOAT
            cast = casts[name, half]
            nodes.append(helper.make_node("Cast", [name], [cast], name=f"{cast}.Cast", to=to))
        return casts[name, half]

    for original in reader.nodes:
        node = onnx.NodeProto()
        node.CopyFrom(original)
        half = original.op_type not in KEPT and original.name not in exact and not reader.outputs & set(original.output)
        node.input[:] = [as_kind(name, half) for name in original.input]
        nodes.append(node)
        is_half.update(dict.fromkeys(original.output, half))
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in numbers.items()]
    return model_of(helper.make_graph(nodes, model.graph.name, model.graph.input, model.graph.output, tensors))


def _magnified(reader: Reader) -> set[str]:
    """Names of the nodes that an instance norm reads, however far before it, and its own."""
    found: set[str] = set()
    waiting = [node for node in reader.nodes if node.op_type == MAGNIFYING]
    while waiting:
        node = waiting.pop()
        found.add(node.name)
        makers = (reader.maker[name] for name in node.input if name in reader.maker)
        waiting += [maker for maker in makers if maker.name not in found]
    return found


def _half(value: npt.NDArray[Any], name: str, where: str) -> npt.NDArray[np.float16]:
    if np.abs(value).max(initial=0) > HIGHEST:
        raise ModelError(f"{where}: the weight {name} does not fit FP16; use --precision fp32 or int8")
    return value.astype(np.float16)
