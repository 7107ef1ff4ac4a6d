"""A tidied network says the same with fewer nodes; norms are folded where that is exact, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from small_models import SPEC

from ffe_edge.types import FloatArray
from ffe_export.graph import model_of
from ffe_export.tidy import attributes, consumers, tidied
from ffe_export.to_onnx import to_onnx
from ffe_train.deployed import Deployed
from ffe_train.networks import DEPTHS, Architecture, Backbone, ExpressionNetwork, NetworkSpec

RNG = np.random.default_rng(0)
Node = tuple[str, str, str, dict[str, Any]]
"""Operator, inputs, outputs, attributes."""
CHANNELS, SIDE, CLASSES = 4, 3, 5


def numbers(*shape: int) -> FloatArray:
    return RNG.normal(0, 1, shape).astype(np.float32)


def norm(name: str, size: int) -> dict[str, FloatArray]:
    kinds = ("gain", "offset", "mean", "variance")
    return {f"{name}.{kind}": numbers(size) if kind != "variance" else 0.1 + numbers(size) ** 2 for kind in kinds}


def inputs_of(name: str) -> str:
    return " ".join(f"{name}.{kind}" for kind in ("gain", "offset", "mean", "variance"))


def model(nodes: Sequence[Node], weights: dict[str, Any], outputs: Sequence[str] = ("y",)) -> Any:
    """``x`` (B, 4, 3, 3) -> the outputs, by these nodes."""
    made = [
        helper.make_node(kind, [one if one != "-" else "" for one in given.split()], results.split(), **more)
        for kind, given, results, more in nodes
    ]
    graph = helper.make_graph(
        made,
        "few",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", CHANNELS, SIDE, SIDE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return model_of(graph)


def said(found: Any, values: FloatArray) -> list[FloatArray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(found.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, {session.get_inputs()[0].name: values})]


def kinds(found: Any) -> list[str]:
    return [node.op_type for node in found.graph.node]


def check_same(before: Any, after: Any) -> None:
    values = numbers(3, CHANNELS, SIDE, SIDE)
    for one, other in zip(said(before, values), said(after, values), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5, rtol=1e-5)


FLATTEN: Node = ("Flatten", "x", "flat", {})
WIDE = CHANNELS * SIDE * SIDE
GEMM: Node = ("Gemm", "flat w b", "z", {"transB": 1})
WEIGHTS = {"w": numbers(CLASSES, WIDE), "b": numbers(CLASSES)}
AFTER: Node = ("BatchNormalization", f"z {inputs_of('n')}", "y", {"epsilon": 1e-3})
BEFORE: Node = ("BatchNormalization", f"x {inputs_of('m')}", "normed", {})
BEHIND: Node = ("Flatten", "normed", "flat", {})


@pytest.mark.parametrize(
    ("nodes", "left"),
    [
        pytest.param([FLATTEN, GEMM, AFTER], ["Flatten", "Gemm"], id="behind-a-gemm"),
        pytest.param([BEFORE, BEHIND, (*GEMM[:2], "y", GEMM[3])], ["Flatten", "Gemm"], id="before-a-gemm"),
        pytest.param([BEFORE, BEHIND, GEMM, AFTER], ["Flatten", "Gemm"], id="on-both-sides"),
        pytest.param(
            [BEFORE, BEHIND, ("Gemm", "flat w", "z", {"transB": 1}), AFTER], ["Flatten", "Gemm"], id="no-bias"
        ),
    ],
)
def test_a_norm_at_a_gemm_is_folded_into_it(nodes: list[Node], left: list[str]) -> None:
    before = model(nodes, {**WEIGHTS, **norm("n", CLASSES), **norm("m", CHANNELS)})
    after = tidied(before)
    assert kinds(after) == left
    assert {tensor.name for tensor in after.graph.initializer} == set(after.graph.node[-1].input[1:])
    check_same(before, after)


@pytest.mark.parametrize(
    ("nodes", "outputs"),
    [
        pytest.param([FLATTEN, GEMM, AFTER], ("y", "z"), id="gemm-is-told-too"),
        pytest.param([FLATTEN, GEMM, AFTER, ("Relu", "z", "r", {})], ("y", "r"), id="gemm-is-read-twice"),
        pytest.param([BEFORE, BEHIND, (*GEMM[:2], "y", GEMM[3])], ("y", "normed"), id="norm-is-told-too"),
        pytest.param([BEFORE, BEHIND, (*GEMM[:2], "y", GEMM[3])], ("y", "flat"), id="flat-is-told-too"),
        pytest.param(
            [BEFORE, ("Flatten", "normed", "flat", {"axis": 2}), ("Gemm", "flat v", "y", {})], ("y",), id="other-axis"
        ),
        pytest.param(
            [BEFORE, ("Conv", "normed k", "y", {"pads": [1, 1, 1, 1]})], ("y",), id="before-a-padded-convolution"
        ),
    ],
)
def test_a_norm_stays_where_folding_it_would_change_something(nodes: list[Node], outputs: Sequence[str]) -> None:
    weights = {**WEIGHTS, **norm("n", CLASSES), **norm("m", CHANNELS), "v": numbers(9, 2), "k": numbers(2, 4, 3, 3)}
    before = model(nodes, weights, outputs)
    after = tidied(before)
    assert kinds(after).count("BatchNormalization") == 1
    check_same(before, after)


@pytest.mark.parametrize(
    ("attributes_of", "weights"),
    [
        pytest.param({}, {"w": numbers(WIDE, CLASSES)}, id="untransposed"),
        pytest.param({"transB": 1, "alpha": 0.5, "beta": 2.0}, {}, id="with-factors"),
        pytest.param({"transB": 1}, {"b": numbers(1, CLASSES)}, id="bias-of-a-row"),
        pytest.param({"transB": 1}, {"b": numbers()}, id="bias-of-one-number"),
    ],
)
def test_every_gemm_becomes_plain(attributes_of: dict[str, Any], weights: dict[str, FloatArray]) -> None:
    before = model([FLATTEN, ("Gemm", "flat w b", "y", attributes_of)], {**WEIGHTS, **weights})
    after = tidied(before)
    gemm = after.graph.node[-1]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in after.graph.initializer}
    assert attributes(gemm) == {"transB": 1}
    assert [shapes[name] for name in gemm.input[1:]] == [(CLASSES, WIDE), (CLASSES,)]
    check_same(before, after)


def test_weights_that_two_gemms_share_are_changed_for_one_of_them_only() -> None:
    other: Node = ("Gemm", "flat w b", "q", {"transB": 1})
    before = model([FLATTEN, GEMM, AFTER, other], {**WEIGHTS, **norm("n", CLASSES)}, ("y", "q"))
    after = tidied(before)
    assert kinds(after) == ["Flatten", "Gemm", "Gemm"]
    check_same(before, after)


def test_a_gemm_of_two_pictures_is_left_alone() -> None:
    nodes: list[Node] = [FLATTEN, ("Transpose", "flat", "turned", {}), ("Gemm", "flat turned", "y", {})]
    before = model(nodes, {})
    assert kinds(tidied(before)) == ["Flatten", "Transpose", "Gemm"]
    check_same(before, tidied(before))


def test_constants_and_idle_nodes_go() -> None:
    shape = numpy_helper.from_array(np.array([0, -1]))
    nodes: list[Node] = [
        ("Constant", "", "shape", {"value": shape}),
        ("Constant", "", "two", {"value_float": 2.0}),
        ("Constant", "", "many", {"value_floats": [1.0] * WIDE}),
        ("Identity", "x", "same", {}),
        ("Dropout", "same", "kept mask", {}),
        ("Reshape", "kept shape", "flat", {}),
        ("Mul", "flat two", "doubled", {}),
        ("Add", "doubled many", "sum", {}),
        ("Identity", "sum", "y", {}),
    ]
    before = model(nodes, {})
    after = tidied(before)
    assert kinds(after) == ["Reshape", "Mul", "Add", "Identity"]
    assert kinds(before)[0] == "Constant"
    check_same(before, after)


def test_nodes_have_names_of_their_own_and_readers_are_found() -> None:
    found = tidied(model([FLATTEN, GEMM, AFTER], {**WEIGHTS, **norm("n", CLASSES)}))
    assert [node.name for node in found.graph.node] == ["000.Flatten", "001.Gemm"]
    assert [node.name for node in consumers(found.graph.node)["flat"]] == ["001.Gemm"]


@pytest.mark.parametrize(
    ("architecture", "tap"),
    [*((name, "embedding") for name in DEPTHS), ("resnet18", "pooled"), ("face-resnet18", "pooled")],
)
def test_a_trained_network_says_the_same_when_it_is_tidied(architecture: Architecture, tap: Any) -> None:
    torch.manual_seed(0)
    network = ExpressionNetwork(Backbone(NetworkSpec(architecture, "tiny")), len(SPEC.labels), tap)
    for name, buffer in network.named_buffers():  # norms that have seen something, as trained ones have
        if name.endswith("running_mean"):
            buffer.uniform_(-0.1, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    traced = to_onnx(Deployed(network).eval(), replace(SPEC, name=architecture))
    found = tidied(traced)
    images = RNG.uniform(-1, 1, (2, 3, 112, 112)).astype(np.float32)
    for one, other in zip(said(traced, images), said(found, images), strict=True):
        assert np.abs(other - one).max() <= 1e-5 * max(1, np.abs(one).max())
    makers = {name: node.op_type for node in found.graph.node for name in node.output}
    behind = [makers.get(node.input[0]) for node in found.graph.node if node.op_type == "BatchNormalization"]
    assert "Gemm" not in behind
    assert not {"Constant", "Identity", "Dropout"} & set(kinds(found))
