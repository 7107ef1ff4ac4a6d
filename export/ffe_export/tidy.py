"""A traced network made plain: constants as initialisers, no idle nodes, norms folded where that is exact.

A BatchNormalization in front of a padded convolution stays: the zeros round its picture would become other numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ffe_export.graph import model_of, onnx_module

Weights = dict[str, npt.NDArray[Any]]


def tidied(model: Any) -> Any:
    """The same network with fewer nodes, each with a name of its own."""
    onnx = onnx_module()
    weights: Weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    outputs = {output.name for output in model.graph.output}
    nodes = _without_idle(model.graph, weights)
    _plain_gemms(nodes, weights)
    nodes = _norms_after_gemm(nodes, weights, outputs)
    nodes = _norms_before_gemm(nodes, weights, outputs)
    for number, node in enumerate(nodes):
        node.name = f"{number:03d}.{node.op_type}"
    used = {name for node in nodes for name in node.input}
    graph = onnx.helper.make_graph(
        nodes,
        model.graph.name,
        model.graph.input,
        model.graph.output,
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items() if name in used],
    )
    return model_of(graph)


def attributes(node: Any) -> dict[str, Any]:
    """A node's attributes by name."""
    helper = onnx_module().helper
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def consumers(nodes: Iterable[Any]) -> Mapping[str, list[Any]]:
    """Who reads each tensor."""
    found: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _without_idle(graph: Any, weights: Weights) -> list[Any]:
    """Constants become initialisers; Identity, and Dropout, are passed by."""
    onnx = onnx_module()
    kept: list[Any] = []
    alias: dict[str, str] = {}
    outputs = {output.name for output in graph.output}
    for original in graph.node:
        node = onnx.NodeProto()
        node.CopyFrom(original)
        node.input[:] = [alias.get(name, name) for name in original.input]
        constant = _constant(node) if node.op_type == "Constant" and node.output[0] not in outputs else None
        if constant is not None:
            weights[node.output[0]] = constant
        elif node.op_type in {"Identity", "Dropout"} and node.output[0] not in outputs:
            alias[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    return kept


def _constant(node: Any) -> npt.NDArray[Any] | None:
    """A Constant's numbers, None where they are no plain array of numbers."""
    for name, value in attributes(node).items():
        if name == "value":
            return np.asarray(onnx_module().numpy_helper.to_array(value))
        if name in {"value_float", "value_floats", "value_int", "value_ints"}:
            return np.array(value, np.float32 if "float" in name else np.int64)
    return None


def _plain_gemms(nodes: list[Any], weights: Weights) -> None:
    """Every Gemm whose numbers are known becomes y = x W^T + b, b of one number a row of W."""
    for node in nodes:
        if not _is_known(node, "Gemm", weights):
            continue
        weight, bias = _of_gemm(node, weights)
        plain = {"transA": 0, "transB": 1, "alpha": 1.0, "beta": 1.0}
        is_plain = {"transB": 0, **plain, **attributes(node)} == plain and "transB" in attributes(node)
        if not is_plain or (len(node.input) > 2 and weights[node.input[2]].shape != bias.shape):
            _set_gemm(node, weights, weight, bias)


def _norms_after_gemm(nodes: list[Any], weights: Weights, outputs: Collection[str]) -> list[Any]:
    """Gemm-BatchNormalization becomes one Gemm: W' = a W, b' = a b + c."""
    readers, kept = consumers(nodes), []
    folded = set()
    for node in nodes:
        norm = _reader(node, readers, outputs)
        if _is_known(node, "Gemm", weights) and _is_known(norm, "BatchNormalization", weights):
            scale, shift = _affine(norm, weights)
            weight, bias = _of_gemm(node, weights)
            _set_gemm(node, weights, weight * scale[:, None], bias * scale + shift)
            node.output[0] = norm.output[0]
            folded.add(norm.output[0])
            kept.append(node)
        elif not (node.op_type == "BatchNormalization" and node.output[0] in folded):
            kept.append(node)
    return kept


def _norms_before_gemm(nodes: list[Any], weights: Weights, outputs: Collection[str]) -> list[Any]:
    """BatchNormalization-Flatten-Gemm becomes Flatten-Gemm: each channel is scaled and shifted in W and b."""
    readers, passed = consumers(nodes), {}
    for node in nodes:
        flatten = _reader(node, readers, outputs)
        if not _is_known(node, "BatchNormalization", weights) or not _is_flatten(flatten):
            continue
        gemm = _reader(flatten, readers, outputs)
        if not _is_known(gemm, "Gemm", weights):
            continue
        scale, shift = _affine(node, weights)
        weight, bias = _of_gemm(gemm, weights)
        each = weight.shape[1] // len(scale)
        _set_gemm(gemm, weights, weight * np.repeat(scale, each), bias + weight @ np.repeat(shift, each))
        flatten.input[0] = node.input[0]
        passed[node.output[0]] = node
    return [node for node in nodes if node.output[0] not in passed]


def _reader(node: Any, readers: Mapping[str, list[Any]], outputs: Collection[str]) -> Any:
    """The one node that reads a node's result, None where others or the caller read it too."""
    found = readers.get(node.output[0], [])
    return found[0] if len(found) == 1 and node.output[0] not in outputs else None


def _is_known(node: Any, kind: str, weights: Weights) -> bool:
    """Whether it is a node of this kind whose numbers do not depend on the picture."""
    if node is None or node.op_type != kind or not {name for name in node.input[1:] if name} <= weights.keys():
        return False
    asks_more = attributes(node).get("transA", 0) or attributes(node).get("training_mode", 0)
    return not asks_more and node.input[0] not in weights


def _is_flatten(node: Any) -> bool:
    return node is not None and node.op_type == "Flatten" and attributes(node).get("axis", 1) == 1


def _affine(norm: Any, weights: Weights) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """A norm in eval mode as x -> scale x + shift, (C,) each."""
    gain, offset, mean, variance = (weights[name].astype(np.float64) for name in norm.input[1:5])
    scale = gain / np.sqrt(variance + attributes(norm).get("epsilon", 1e-5))
    return scale, offset - mean * scale


def _of_gemm(node: Any, weights: Weights) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weight (out, in) and bias (out,), its factors alpha and beta in them."""
    found = attributes(node)
    weight = found.get("alpha", 1.0) * weights[node.input[1]].astype(np.float64)
    if not found.get("transB", 0):
        weight = weight.T
    if len(node.input) < 3 or not node.input[2]:
        return weight, np.zeros(len(weight))
    bias = found.get("beta", 1.0) * weights[node.input[2]].astype(np.float64)
    return weight, np.broadcast_to(bias.reshape(-1), len(weight))


def _set_gemm(node: Any, weights: Weights, weight: npt.NDArray[Any], bias: npt.NDArray[Any]) -> None:
    """Give a Gemm weights of its own, as y = x W^T + b."""
    helper = onnx_module().helper
    names = [f"{node.output[0]}.weight", f"{node.output[0]}.bias"]
    weights[names[0]], weights[names[1]] = weight.astype(np.float32), bias.astype(np.float32)
    node.input[1:] = names
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("transB", 1))
