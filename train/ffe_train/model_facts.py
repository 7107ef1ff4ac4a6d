"""What a model file is: its size, its digest, its arithmetic."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec

WEIGHTED: Final = frozenset({"Conv", "Gemm", "MatMul"})


def model_facts(path: Path, spec: ModelSpec) -> dict[str, Any]:
    """Facts of an exported ONNX.

    Args:
        path: the file.
        spec: what stands in it.

    Returns:
        name, file, sha256, bytes, parameters and multiply_adds of one face (None without the package onnx), and the
        spec's labels, precision, temperature, size, data, recipe and commit.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    told = asdict(spec)
    names = ("name", "labels", "precision", "temperature", "size_px", "data", "recipe", "commit")
    digest = hashlib.sha256(data).hexdigest()
    about = {"file": path.name, "sha256": digest, "bytes": len(data), **_arithmetic(data)}
    return {**{name: told[name] for name in names}, **about}


def _arithmetic(data: bytes) -> dict[str, int | None]:
    try:
        import onnx
    except ImportError:
        return {"multiply_adds": None, "parameters": None}
    graph = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(data)).graph
    shapes = {
        value.name: [one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output, *graph.value_info)
    } | {weight.name: list(weight.dims) for weight in graph.initializer}
    weights = [weight.dims for weight in graph.initializer if len(weight.dims) > 1]
    count = sum(_multiply_adds(node.input, node.output[0], shapes) for node in graph.node if node.op_type in WEIGHTED)
    return {"multiply_adds": count, "parameters": sum(math.prod(dims) for dims in weights)}


def _multiply_adds(inputs: Sequence[str], output: str, shapes: Mapping[str, Sequence[int]]) -> int:
    """Of one face: numbers that come out, each a sum over all weights of its channel."""
    weight, out = shapes.get(inputs[1], ()), shapes.get(output, ())
    if len(weight) < 2 or len(out) < 2:
        return 0
    each = math.prod(weight[1:]) if len(weight) > 2 else math.prod(weight) // max(out[-1], 1)
    return math.prod(out[1:]) * each
