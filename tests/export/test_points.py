"""Exactly which inputs are read behind a Q/DQ pair, in either placement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_models import network

from ffe_export.graph import model_of
from ffe_export.points import Placement, Reader, layers_of, points_of, ranged, splits_kernels, wires
from ffe_export.tidy import tidied

Node = tuple[str, str, str, str, dict[str, Any]]
"""Operator, name, inputs, output, attributes."""
LAYERS = ("stem", "a.1", "a.2", "a.shortcut", "b.1", "b.2")
WEIGHTS = {
    "w1": np.zeros((4, 4, 1, 1), np.float32), "w3": np.zeros((4, 4, 3, 3), np.float32),
    "slopes": np.zeros((4, 1, 1), np.float32), "one": np.ones(4, np.float32), "zero": np.zeros(4, np.float32),
    "g": np.zeros((6, 4), np.float32),
}  # fmt: skip


def conv(name: str, source: str, kernel: int = 3, **more: Any) -> Node:
    sizes = {"kernel_shape": [kernel] * 2, "pads": [kernel // 2] * 4}
    return "Conv", name, f"{source} w{kernel}", name, {**sizes, **more}


def plain(kind: str, name: str, sources: str, **more: Any) -> Node:
    return kind, name, sources, name, more


def model(nodes: Sequence[Node]) -> Any:
    graph = helper.make_graph(
        [helper.make_node(kind, given.split(), [out], name, **more) for kind, name, given, out, more in nodes],
        "few",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 4, 8, 8])],
        [helper.make_tensor_value_info(nodes[-1][3], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()],
    )
    return model_of(graph)


def placed(found: Any, placement: Placement, left_alone: Sequence[str] = ()) -> set[str]:
    """``node <- tensor`` of every pair."""
    reader = Reader(found)
    inputs = {node.name: node.input for node in reader.nodes}
    return {f"{name} <- {inputs[name][at]}" for name, at in wires(reader, points_of(found, left_alone), placement)}


def test_an_engine_has_pairs_before_convolutions_and_at_the_branch_that_skips() -> None:
    assert placed(network(), "engine") == {
        "stem <- images", "a.1 <- stem.relu", "a.2 <- a.relu", "a.shortcut <- stem.relu", "a.add <- a.shortcut",
        "b.1 <- a.out", "b.2 <- b.relu", "b.add <- a.out",
    }  # fmt: skip


def test_a_cpu_has_pairs_at_every_input_and_output_of_a_quantized_node() -> None:
    ins = {"stem <- images", "a.1 <- stem.relu", "a.2 <- a.relu", "a.shortcut <- stem.relu", "b.1 <- a.out"}
    sums = {"a.add <- a.2", "a.add <- a.shortcut", "b.add <- b.2", "b.add <- a.out"}
    assert placed(network(), "cpu") == ins | sums | {"b.2 <- b.relu", "pooled <- b.out"}


@pytest.mark.parametrize("placement", ["engine", "cpu"])
def test_the_head_is_no_layer_and_reads_what_is_not_quantized(placement: Placement) -> None:
    assert layers_of(network()) == list(LAYERS)
    assert not {wire for wire in placed(network(), placement) if wire.startswith(("head", "logits", "embedding"))}


def test_a_layer_that_is_left_alone_has_no_pair_of_its_own() -> None:
    left = ("a.1", "b.1")
    engine = placed(network(), "engine", left)
    assert placed(network(), "engine") - engine == {"a.1 <- stem.relu", "b.1 <- a.out"}
    assert points_of(network(), left).layers == ("stem", "a.2", "a.shortcut", "b.2")
    assert placed(network(), "engine", LAYERS) == placed(network(), "cpu", LAYERS) == set()


def test_a_sum_is_quantized_where_a_quantized_layer_feeds_it() -> None:
    assert points_of(network()).sums == ("a.add", "b.add")
    assert points_of(network(), ("b.2",)).sums == ("a.add",)


def test_every_range_that_a_placement_asks_for_is_learned() -> None:
    assert set(ranged(network())) == {
        "images", "stem.relu", "a.relu", "a.2", "a.shortcut", "a.out", "b.relu", "b.2", "b.out",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "skips"),
    [
        pytest.param([conv("c", "images"), plain("Add", "s", "c images")], "images", id="straight-second"),
        pytest.param([conv("c", "images"), plain("Add", "s", "images c")], "images", id="straight-first"),
        pytest.param([conv("c", "images"), conv("d", "images", 1), plain("Add", "s", "c d")], "d", id="1x1-second"),
        pytest.param([conv("c", "images"), conv("d", "images", 1), plain("Add", "s", "d c")], "d", id="1x1-first"),
        pytest.param([conv("c", "images"), conv("d", "images"), plain("Add", "s", "c d")], "d", id="both-alike"),
        pytest.param([conv("c", "images"), plain("Add", "s", "c c")], "c", id="twice-the-same"),
    ],
)
def test_the_branch_that_skips_gets_the_pair_of_a_sum(nodes: list[Node], skips: str) -> None:
    assert {wire for wire in placed(model(nodes), "engine") if wire.startswith("s <-")} == {f"s <- {skips}"}


def test_a_sum_of_three_is_two_sums_and_only_the_one_at_a_convolution_is_quantized() -> None:
    nodes = [conv("c", "images"), plain("Add", "s", "c images"), plain("Add", "t", "s images")]
    assert points_of(model(nodes)).sums == ("s",)
    three = [conv("c", "images"), plain("Sum", "t", "c images images")]
    assert points_of(model(three)).sums == ()


def test_adding_a_constant_is_no_residual_sum() -> None:
    nodes = [conv("c", "images"), plain("Add", "s", "c one")]
    assert points_of(model(nodes)).sums == ()
    assert placed(model(nodes), "engine") == {"c <- images"}


def test_a_pool_is_read_with_the_steps_of_what_it_pools() -> None:
    nodes = [
        conv("c", "images"),
        plain("Relu", "r", "c"),
        plain("MaxPool", "p", "r", kernel_shape=[2, 2]),
        conv("d", "p"),
    ]
    found = model(nodes)
    assert Reader(found).source("p") == "r"
    assert Reader(found).is_positive("p")
    assert "p" not in ranged(found)
    assert {"p <- r", "d <- p"} <= placed(found, "cpu")
    assert placed(found, "engine") == {"c <- images", "d <- p"}


def test_prelu_is_no_relu() -> None:
    found = model([conv("c", "images"), plain("PRelu", "p", "c slopes"), conv("d", "p")])
    assert not Reader(found).is_positive("p")
    assert placed(found, "cpu") == {"c <- images", "p <- c", "d <- p"}
    assert placed(found, "engine") == {"c <- images", "d <- p"}


def test_layers_whose_weights_are_computed_are_left_alone() -> None:
    nodes = [
        plain("Abs", "k", "w1"), ("Conv", "c", "images k", "c", {}), plain("Flatten", "f", "c"),
        plain("Transpose", "t", "f"), ("Gemm", "m", "f t", "m", {}),
    ]  # fmt: skip
    assert layers_of(model(nodes)) == []


def with_prelu() -> Any:
    """The small network with PReLUs in place of its ReLUs."""
    model = network()
    model.graph.initializer.append(numpy_helper.from_array(np.full((16, 1, 1), 0.25, np.float32), "slope"))
    for node in model.graph.node:
        if node.op_type == "Relu":
            node.op_type = "PRelu"
            node.input.append("slope")
    return tidied(model)


def test_openvino_gets_pairs_at_the_inputs_of_layers_only_and_only_prelus_ask_for_it() -> None:
    assert (splits_kernels(network()), splits_kernels(with_prelu())) == (False, True)
    model = with_prelu()
    found = wires(Reader(model), points_of(model), "openvino")
    assert found == {(name, 0) for name in layers_of(model)}
