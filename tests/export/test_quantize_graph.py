"""Q/DQ pairs and INT8 weights against their equations, in ONNX Runtime, OpenVINO and TensorRT-RTX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_models import SPEC, network

from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.openvino_runner import load_openvino
from ffe_edge.types import FloatArray, ImageArray
from ffe_export.agreement import compare
from ffe_export.golden_crops import golden_crops
from ffe_export.graph import model_of, serialized
from ffe_export.half import halved
from ffe_export.points import Placement, ranged
from ffe_export.quantize_graph import HIGHEST, MOST_BIAS, _shift, quantized
from ffe_export.ranges import collect
from ffe_export.runs import NetworkRunner, inner_tensors
from ffe_export.tidy import tidied
from ffe_export.to_engine import EngineSettings, build_engine

CROPS = golden_crops()
INT8 = replace(SPEC, precision="int8")
SIDE = 16


def cuts_of(model: Any, crops: ImageArray = CROPS) -> dict[str, float]:
    names = ranged(model)
    return collect(inner_tensors(model, names, crops, 1), names).cuts("min-max")


def numbers_of(model: Any) -> dict[str, Any]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def node_of(model: Any, name: str) -> Any:
    return next(node for node in model.graph.node if node.name == name)


def maker_of(model: Any, tensor: str) -> Any:
    return next((node for node in model.graph.node if tensor in node.output), None)


def read_through(model: Any, name: str, place: int) -> dict[str, Any]:
    """Scale, zero and INT8 numbers behind an input that a DequantizeLinear gives."""
    node, numbers = maker_of(model, node_of(model, name).input[place]), numbers_of(model)
    assert node.op_type == "DequantizeLinear"
    return {"scale": numbers[node.input[1]], "zero": numbers[node.input[2]], "steps": numbers.get(node.input[0])}


@pytest.fixture(scope="module")
def cuts() -> dict[str, float]:
    return cuts_of(network())


@pytest.mark.parametrize("placement", ["engine", "cpu"])
def test_a_tensor_is_read_as_the_equation_says(cuts: Mapping[str, float], placement: Placement) -> None:
    found = quantized(network(), cuts, placement)
    behind = node_of(found, "stem").input[0]
    ((images, told),) = inner_tensors(found, ["images", behind], CROPS[:2], 1)
    scale = np.float32(cuts["images"] / 127)
    np.testing.assert_allclose(told, np.clip(np.rint(images / scale), -128, 127) * scale, atol=1e-6)
    assert np.abs(told - images).max() <= scale / 2 * 1.001


def test_steps_are_signed_for_engines_and_start_at_zero_behind_a_relu_for_cpus(cuts: Mapping[str, float]) -> None:
    engine, cpu = (quantized(network(), cuts, placement) for placement in ("engine", "cpu"))
    for name, tensor in (("stem", "images"), ("a.2", "a.relu")):
        steps = read_through(engine, name, 0)
        assert (steps["zero"], steps["zero"].dtype) == (0, np.int8)
        assert steps["scale"] == np.float32(cuts[tensor] / 127)
    behind_relu, other = read_through(cpu, "a.2", 0), read_through(cpu, "stem", 0)
    assert (behind_relu["zero"], behind_relu["zero"].dtype) == (0, np.uint8)
    assert behind_relu["scale"] == np.float32(cuts["a.relu"] / 255)
    assert (other["zero"], other["zero"].dtype) == (128, np.uint8)
    assert other["scale"] == read_through(engine, "stem", 0)["scale"]


@pytest.mark.parametrize(("bits", "placement"), [(8, "engine"), (7, "cpu"), (8, "cpu")])
def test_weights_are_rounded_by_output_channel(cuts: Mapping[str, float], bits: int, placement: Placement) -> None:
    found, weights = quantized(network(), cuts, placement, weight_bits=bits), numbers_of(network())
    for layer in ("stem", "a.1", "a.shortcut"):
        weight = weights[f"{layer}.w"]
        steps = read_through(found, layer, 1)
        assert steps["steps"].dtype == np.int8
        assert not steps["zero"].any()
        assert steps["scale"].shape == (len(weight),)
        for channel, scale, rounded in zip(weight, steps["scale"], steps["steps"], strict=True):
            assert scale == pytest.approx(np.abs(channel).max() / HIGHEST[bits], rel=1e-6)
            np.testing.assert_array_equal(rounded, np.rint(channel / scale))
            assert np.abs(rounded).max() == HIGHEST[bits]


def test_two_products_of_seven_bit_weights_fit_sixteen_bits() -> None:
    largest = np.iinfo(np.int16).max
    assert 255 * HIGHEST[7] * 2 <= largest < 255 * HIGHEST[8] * 2


def test_biases_are_fp32_for_engines_and_int32_in_the_units_of_the_sum_for_cpus(cuts: Mapping[str, float]) -> None:
    engine, cpu = (quantized(network(), cuts, placement) for placement in ("engine", "cpu"))
    bias = numbers_of(network())["a.1.b"]
    np.testing.assert_array_equal(numbers_of(engine)[node_of(engine, "a.1").input[2]], bias)
    found, units = (
        read_through(cpu, "a.1", 2),
        read_through(cpu, "a.1", 0)["scale"] * read_through(cpu, "a.1", 1)["scale"],
    )
    assert (found["steps"].dtype, found["zero"].dtype) == (np.int32, np.int32)
    np.testing.assert_allclose(found["scale"], units, rtol=1e-6)
    np.testing.assert_allclose(found["steps"] * found["scale"], bias, atol=float(units.max()))


def test_the_head_and_layers_that_are_left_alone_keep_their_numbers(cuts: Mapping[str, float]) -> None:
    for placement in ("engine", "cpu"):
        found = quantized(network(), cuts, placement, left_alone=("a.1",))
        for layer in ("a.1", "head"):
            name = "logits" if layer == "head" else layer
            assert list(node_of(found, name).input[1:]) == [f"{layer}.w", f"{layer}.b"]
            np.testing.assert_array_equal(numbers_of(found)[f"{layer}.w"], numbers_of(network())[f"{layer}.w"])


def test_nothing_that_is_not_used_is_kept_and_the_network_is_smaller(cuts: Mapping[str, float]) -> None:
    found = quantized(network(), cuts, "engine")
    used = {name for node in found.graph.node for name in node.input}
    assert {tensor.name for tensor in found.graph.initializer} <= used
    sizes = [sum(value.nbytes for value in numbers_of(model).values()) for model in (found, network())]
    assert sizes[0] < 0.4 * sizes[1]


def test_the_network_that_is_quantized_stays_as_it_was(cuts: Mapping[str, float]) -> None:
    model = network()
    quantized(model, cuts, "cpu")
    assert model.SerializeToString(deterministic=True) == network().SerializeToString(deterministic=True)


def test_a_number_of_bits_that_there_is_not_is_refused(cuts: Mapping[str, float]) -> None:
    with pytest.raises(ValueError, match="7 or 8 bits, not 4"):
        quantized(network(), cuts, "cpu", weight_bits=4)


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize(("placement", "bits"), [("engine", 8), ("cpu", 7)])
def test_int8_says_about_the_same_in_onnx_runtime(
    cuts: Mapping[str, float], placement: Placement, bits: int, batch: int
) -> None:
    found = quantized(network(), cuts, placement, weight_bits=bits)
    crops = CROPS[:batch]
    agreement = compare(NetworkRunner(network(), SPEC).read(crops), NetworkRunner(found, INT8).read(crops))
    assert agreement.largest < 0.1
    assert agreement.cosine_largest is not None
    assert agreement.cosine_largest < 0.01


@pytest.mark.parametrize("placement", ["engine", "cpu"])
def test_int8_says_about_the_same_in_openvino(tmp_path: Path, cuts: Mapping[str, float], placement: Placement) -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    path = tmp_path / "network.onnx"
    path.write_bytes(serialized(quantized(network(), cuts, placement, weight_bits=7), INT8))
    agreement = compare(NetworkRunner(network(), SPEC).read(CROPS), load_openvino(ModelFile.read(path)).read(CROPS))
    assert agreement.largest < 0.1


Node = tuple[str, str, str, str, dict[str, Any]]
"""Operator, name, inputs, output, attributes."""


def odd(nodes: Sequence[Node], weights: Mapping[str, Any]) -> Any:
    """A tidied bare network of these nodes, the last of which gives ``maps`` (B, 4, h, w)."""
    head: list[Node] = [
        ("ReduceMean", "mean", "maps", "pooled", {"axes": [2, 3], "keepdims": 0}),
        ("Gemm", "head", "pooled head.w", "logits", {"transB": 1}),
        ("Tanh", "unit", "pooled", "embedding", {}),
    ]
    made = [
        helper.make_node(kind, given.split(), [out], name, **more) for kind, name, given, out, more in (*nodes, *head)
    ]
    every = {**weights, "head.w": np.random.default_rng(3).normal(0, 1, (9, 4)).astype(np.float32)}
    graph = helper.make_graph(
        made,
        "odd",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n])
            for name, n in (("logits", 9), ("embedding", 4))
        ],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in every.items()],
    )
    return tidied(model_of(graph))


def weight(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(0, 0.4, shape).astype(np.float32)


SQUARE = {"w": weight(4, 3, 3, 3), "v": weight(4, 4, 3, 3, seed=1)}
SAME = {"pads": [1, 1, 1, 1]}


def conv(name: str, source: str, weights: str, to: str, **more: Any) -> Node:
    return "Conv", name, f"{source} {weights}", to, {**SAME, **more}


FIRST = conv("first", "images", "w", "first")
RELU: Node = ("Relu", "r", "first", "r", {})
POOL: Node = ("MaxPool", "m", "r", "m", {"kernel_shape": [2, 2], "strides": [2, 2]})
FLAT: tuple[Node, ...] = (
    ("Flatten", "f", "first", "f", {}),
    ("Gemm", "g", "f big b", "g", {}),
    ("Reshape", "u", "g shape", "maps", {}),
)
SUMS: tuple[Node, ...] = (("Add", "s", "c first", "s", {}), ("Add", "t", "s first", "maps", {}))
ODD = [
    pytest.param([FIRST, conv("second", "first", "v", "maps")], SQUARE, id="no-bias"),
    pytest.param([FIRST, conv("a", "first", "v", "a"), conv("b", "a", "v", "maps")], SQUARE, id="shared-weight"),
    pytest.param(
        [FIRST, conv("second", "first", "v", "maps", group=4)], {**SQUARE, "v": weight(4, 1, 3, 3)}, id="depthwise"
    ),
    pytest.param(
        [FIRST, conv("second", "first", "v", "maps", group=2)], {**SQUARE, "v": weight(4, 2, 3, 3)}, id="grouped"
    ),
    pytest.param(
        [FIRST, ("PRelu", "p", "first slopes", "p", {}), conv("second", "p", "v", "maps")],
        {**SQUARE, "slopes": np.full((4, 1, 1), 0.25)},
        id="prelu",
    ),
    pytest.param([FIRST, conv("c", "first", "v", "c"), *SUMS], SQUARE, id="sum-of-three"),
    pytest.param(
        [FIRST, ("Add", "s", "first k", "maps", {})], {**SQUARE, "k": weight(4, 1, 1)}, id="sum-with-a-constant"
    ),
    pytest.param(
        [FIRST, RELU, conv("second", "r", "v", "maps")],
        {**SQUARE, "w": np.zeros((4, 3, 3, 3))},
        id="all-zero-weights-and-a-dead-relu",
    ),
    pytest.param([FIRST, RELU, POOL, conv("second", "m", "v", "maps")], SQUARE, id="pooled"),
    pytest.param(
        [FIRST, *FLAT], {**SQUARE, "big": weight(4 * SIDE * SIDE, 16) / 20, "b": weight(16)}, id="gemm-untransposed"
    ),
]


def made(nodes: Sequence[Node], weights: Mapping[str, Any]) -> Any:
    given = list(nodes)
    if any(node[0] == "Reshape" for node in nodes):
        shape = numpy_helper.from_array(np.array([-1, 4, 2, 2]))
        given.insert(0, ("Constant", "shape", "", "shape", {"value": shape}))
    return odd(given, weights)


@pytest.mark.parametrize("placement", ["engine", "cpu"])
@pytest.mark.parametrize(("nodes", "weights"), ODD)
def test_odd_networks_say_about_the_same(
    nodes: Sequence[Node], weights: Mapping[str, Any], placement: Placement
) -> None:
    model, crops = made(nodes, weights), np.ascontiguousarray(CROPS[:, 40:56, 40:56])
    found = quantized(model, cuts_of(model, crops), placement, weight_bits=7)
    spec = replace(SPEC, size_px=SIDE)
    serialized(found, spec)
    before, after = (
        NetworkRunner(one, spec, exact=exact).read(crops) for one, exact in ((model, True), (found, False))
    )
    assert np.abs(before.probs - after.probs).max() < 0.05


@pytest.mark.parametrize(("nodes", "weights"), ODD)
def test_odd_networks_are_built_by_tensorrt_rtx(
    tmp_path: Path, nodes: Sequence[Node], weights: Mapping[str, Any]
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="the extra rtx is not installed")
    model, crops = made(nodes, weights), np.ascontiguousarray(CROPS[:8, 40:56, 40:56])
    spec = replace(INT8, size_px=SIDE)
    (tmp_path / "network.onnx").write_bytes(serialized(quantized(model, cuts_of(model, crops), "engine"), spec))
    settings = EngineSettings("tensorrt-rtx", compute_capabilities=("8.6",))
    assert build_engine(tmp_path / "network.onnx", tmp_path, settings, state_dir=tmp_path).size_bytes > 1000


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_small_network_is_built_by_tensorrt_rtx(tmp_path: Path, cuts: Mapping[str, float], precision: str) -> None:
    pytest.importorskip("tensorrt_rtx", reason="the extra rtx is not installed")
    found = halved(network(), "small") if precision == "fp16" else quantized(network(), cuts, "engine")
    path = tmp_path / "network.onnx"
    path.write_bytes(serialized(found, replace(SPEC, precision=precision)))
    settings = EngineSettings("tensorrt-rtx", compute_capabilities=("8.6",))
    assert build_engine(path, tmp_path, settings, state_dir=tmp_path).size_bytes > 1000


def test_a_bias_that_the_units_of_its_dead_channel_cannot_hold_is_kept() -> None:
    weights = {"w": weight(4, 3, 3, 3), "b": np.array([0.5, -3.0, 7.0, 0.1], np.float32)}
    weights["w"][1:3] *= [[[[1e-12]]], [[[0.0]]]]
    model = odd([("Conv", "first", "images w b", "maps", SAME)], weights)
    found = quantized(model, {"images": 0.01, "maps": 8.0}, "cpu", weight_bits=7)
    bias = read_through(found, "000.Conv", 2)
    np.testing.assert_allclose(bias["steps"] * bias["scale"].astype(np.float64), weights["b"], rtol=1e-3)
    assert np.abs(bias["steps"].astype(np.int64)).max() <= MOST_BIAS + 1000


def test_biases_take_back_what_rounded_weights_shift_on_average() -> None:
    """On inputs that are their channels' means, the engine's layer gives what FP32's gives."""
    model = network()
    maker = {node.name: node for node in model.graph.node}
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    means = {maker["b.1"].input[0]: np.random.default_rng(0).uniform(0, 2, 16)}
    written = quantized(model, dict.fromkeys(ranged(model), 3.0), "engine", means=means)
    numbers = {tensor.name: numpy_helper.to_array(tensor) for tensor in written.graph.initializer}
    rounded = numbers["b.1.weight"] * numbers["b.1.weight.scale"].reshape(-1, 1, 1, 1)
    (mean,) = means.values()
    before = (weights["b.1.w"].sum(axis=(2, 3)) * mean).sum(axis=1) + weights["b.1.b"]
    after = (rounded.sum(axis=(2, 3)) * mean).sum(axis=1) + numbers["b.1.bias"]
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert np.abs(numbers["b.1.bias"] - weights["b.1.b"]).max() > 1e-4


def test_a_grouped_layer_is_corrected_by_its_own_channels() -> None:
    error = np.arange(8.0).reshape(4, 2, 1, 1)
    means = np.array([1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_allclose(_shift(error, means), [10, 32, 5400, 7600])
