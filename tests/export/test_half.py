"""An FP16 network says about the same, in types that an engine takes as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_models import SPEC, network

from ffe_edge.errors import ModelError
from ffe_export.golden_crops import golden_crops
from ffe_export.graph import model_of, serialized
from ffe_export.half import HIGHEST, halved
from ffe_export.runs import NetworkRunner

HALF = replace(SPEC, precision="fp16")


def with_weight(value: float) -> Any:
    model = network()
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "a.1.w")
    numbers = numpy_helper.to_array(tensor).copy()
    numbers[0, 0, 0, 0] = value
    tensor.CopyFrom(numpy_helper.from_array(numbers, "a.1.w"))
    return model


def test_it_says_about_the_same() -> None:
    crops = golden_crops()
    serialized(halved(network(), "small"), HALF)
    exact, half = (NetworkRunner(one, SPEC).read(crops) for one in (network(), halved(network(), "small")))
    assert exact.embedding is not None
    assert half.embedding is not None
    assert 0 < np.abs(exact.probs - half.probs).max() < 0.01
    np.testing.assert_allclose(half.embedding, exact.embedding, atol=0.005)


def test_convolutions_are_fp16_and_the_head_and_the_norm_fp32() -> None:
    found = halved(network(), "small")
    kinds = {tensor.name: tensor.data_type for tensor in found.graph.initializer}
    halves = {name for name, kind in kinds.items() if kind == TensorProto.FLOAT16}
    layers = ("stem", "a.1", "a.2", "a.shortcut", "b.1", "b.2")
    assert halves == {f"{layer}.{part}.fp16" for layer in layers for part in "wb"}
    assert kinds.keys() - halves == {"head.w", "head.b"}
    assert [node.input[0] for node in found.graph.node if node.op_type == "Cast"] == ["images", "b.out"]


def test_a_tensor_that_is_read_twice_is_cast_once() -> None:
    casts = [node.output[0] for node in halved(network(), "small").graph.node if node.op_type == "Cast"]
    assert len(casts) == len(set(casts)) == 2


@pytest.mark.parametrize("value", [2 * HIGHEST, -2 * HIGHEST, np.inf])
def test_a_weight_that_does_not_fit_is_refused(value: float) -> None:
    with pytest.raises(ModelError, match=r"small: the weight a\.1\.w does not fit FP16; use --precision"):
        halved(with_weight(value), "small")


def test_outputs_are_fp32_whatever_makes_them() -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "w"], ["maps"], "conv"),
            helper.make_node("Flatten", ["maps"], ["embedding"], "flat"),
            helper.make_node("Relu", ["embedding"], ["logits"], "relu"),
        ],
        "few",
        [value("images", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [value("logits", TensorProto.FLOAT, ["batch", 9]), value("embedding", TensorProto.FLOAT, ["batch", 9])],
        [numpy_helper.from_array(np.ones((9, 3, 16, 16), np.float32), "w")],
    )
    found = halved(model_of(graph), "few")
    serialized(found, replace(HALF, size_px=16))
    assert [node.op_type for node in found.graph.node] == ["Cast", "Conv", "Cast", "Flatten", "Relu"]


def test_all_up_to_an_instance_norm_of_the_picture_stays_fp32() -> None:
    model = network()
    numbers = [numpy_helper.from_array(np.full(3, value, np.float32), name) for name, value in (("g", 1), ("o", 0))]
    model.graph.initializer.extend(numbers)
    model.graph.node[0].input[0] = "normed"
    for node in (
        helper.make_node("InstanceNormalization", ["halved", "g", "o"], ["normed"], name="norm"),
        helper.make_node("AveragePool", ["images"], ["halved"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
    ):
        model.graph.node.insert(0, node)
    found = halved(model, "small").graph.node
    before = [node.op_type for node in found if node.op_type in {"AveragePool", "InstanceNormalization", "Cast"}]
    assert before == ["AveragePool", "InstanceNormalization", "Cast", "Cast"]
    assert next(node.input[0] for node in found if node.op_type == "Cast") == "normed"
