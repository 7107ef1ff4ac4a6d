"""What of a network is quantized, and which nodes then read a tensor behind its Q/DQ pair.

``engine``, as TensorRT wants it: the inputs of convolutions and Gemms, and the branch that skips a residual sum, so
that convolution, sum and activation become one kernel. ``cpu``, as ONNX Runtime wants it and OpenVINO takes it as well:
every input and output of a quantized node. ``openvino``: only the inputs of layers; a pair between a convolution and
its PReLU, which ONNX Runtime needs, keeps OpenVINO from computing the two in one kernel.
Source: NVIDIA TensorRT, working with quantized types (placement); ONNX Runtime, quantization (QDQ format).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from ffe_export.graph import LOGITS
from ffe_export.tidy import attributes, consumers

Placement = Literal["engine", "cpu", "openvino"]
Wire = tuple[str, int]
"""A node's name and the position of one of its inputs."""

WEIGHTED: Final = ("Conv", "Gemm")
PASSING: Final = ("MaxPool", "Flatten", "Reshape")
"""Operators that move numbers without changing them: their output has the steps of their input."""


@dataclass(frozen=True)
class Points:
    """The quantized nodes of a network, by name."""

    layers: tuple[str, ...]
    """Convolutions and Gemms."""
    sums: tuple[str, ...]
    """Residual sums that a quantized convolution feeds."""


class Reader:
    """A network with its edges at hand."""

    def __init__(self, model: Any) -> None:
        self.nodes = list(model.graph.node)
        self.weights = {tensor.name for tensor in model.graph.initializer}
        self.outputs = {output.name for output in model.graph.output}
        self.maker = {name: node for node in self.nodes for name in node.output}
        self.readers = consumers(self.nodes)

    def source(self, name: str) -> str:
        """The tensor whose numbers this one has, before they were moved."""
        while name in self.maker and self.maker[name].op_type in PASSING:
            name = self.maker[name].input[0]
        return name

    def end(self, node: Any) -> str:
        """Where a node's result is read: behind the ReLU that alone follows it, if one does."""
        readers = self.readers.get(node.output[0], [])
        alone = len(readers) == 1 and readers[0].op_type == "Relu" and node.output[0] not in self.outputs
        return str(readers[0].output[0] if alone else node.output[0])

    def is_positive(self, name: str) -> bool:
        """Whether no number of the tensor can be below zero, whatever the crop."""
        maker = self.maker.get(self.source(name))
        return maker is not None and maker.op_type == "Relu"

    def is_sum(self, node: Any) -> bool:
        """Whether a node adds two tensors of the network."""
        return node.op_type == "Add" and not self.weights & set(node.input)


def layers_of(model: Any) -> list[str]:
    """Names of the layers that can be quantized: all with fixed weights but the head.

    The head's few numbers decide directly between the classes, and a quick head saves nothing.
    """
    fixed = {tensor.name for tensor in model.graph.initializer}
    weighted = (node for node in model.graph.node if node.op_type in WEIGHTED and fixed.issuperset(node.input[1:]))
    return [node.name for node in weighted if node.output[0] != LOGITS]


def read_by_layers(model: Any) -> list[str]:
    """Tensors that the layers of ``layers_of`` read."""
    layers = set(layers_of(model))
    return list(dict.fromkeys(node.input[0] for node in model.graph.node if node.name in layers))


def points_of(model: Any, left_alone: Collection[str] = ()) -> Points:
    """All that can be quantized, but the layers that are left alone."""
    reader = Reader(model)
    layers = [name for name in layers_of(model) if name not in left_alone]
    sums = [
        node.name
        for node in reader.nodes
        if reader.is_sum(node)
        and any(name in reader.maker and reader.maker[name].name in layers for name in node.input)
    ]
    return Points(tuple(layers), tuple(sums))


def wires(reader: Reader, points: Points, placement: Placement) -> set[Wire]:
    """Which inputs of which nodes are read behind a Q/DQ pair."""
    return set({"engine": _engine, "cpu": _cpu, "openvino": _openvino}[placement](reader, points))


def splits_kernels(model: Any) -> bool:
    """Whether the placement ``cpu`` costs OpenVINO time: it does where PReLUs follow convolutions."""
    return any(node.op_type == "PRelu" for node in model.graph.node)


def ranged(model: Any) -> list[str]:
    """Tensors whose range decides the steps, in either placement and whatever is left alone."""
    reader, points = Reader(model), points_of(model)
    by_name = {node.name: node for node in reader.nodes}
    every = [*_engine(reader, points), *_cpu(reader, points)]
    return list(dict.fromkeys(reader.source(by_name[name].input[place]) for name, place in every))


def _engine(reader: Reader, points: Points) -> Iterator[Wire]:
    for node in reader.nodes:
        if node.name in points.layers:
            yield node.name, 0
        elif node.name in points.sums:
            yield node.name, _skip(reader, node)


def _openvino(_reader: Reader, points: Points) -> Iterator[Wire]:
    yield from ((layer, 0) for layer in points.layers)


def _cpu(reader: Reader, points: Points) -> Iterator[Wire]:
    quantized: set[str] = set()
    for node in reader.nodes:
        if node.name in points.layers:
            quantized |= {node.input[0], reader.end(node)} if node.op_type == "Conv" else {node.input[0]}
        elif node.name in points.sums:
            quantized |= {*node.input, reader.end(node)}
        elif node.op_type in PASSING and node.input[0] in quantized:
            quantized.add(node.output[0])
    for node in reader.nodes:
        yield from ((node.name, place) for place, name in enumerate(node.input) if name in quantized)


def _skip(reader: Reader, node: Any) -> int:
    """Position of the input that skips: made by no convolution, else by that of the smaller kernel, else the second."""
    kernels = []
    for name in node.input:
        maker = reader.maker.get(name)
        is_conv = maker is not None and maker.op_type == "Conv"
        kernels.append(max(attributes(maker).get("kernel_shape", [1])) if is_conv else 0)
    return 0 if kernels[0] < kernels[1] else 1
