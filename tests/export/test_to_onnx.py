"""The traced network says what torch says; a difference is told, and one that is too large refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from ffe_edge.emotions import LABELS
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import ImageArray, Reading
from ffe_export.graph import OPSET
from ffe_export.runs import NetworkRunner
from ffe_export.to_onnx import MAX_DIFFERENCE, Difference, TorchRunner, check_same, difference, to_onnx
from ffe_train.deployed import Deployed
from ffe_train.networks import ExpressionNetwork, NetworkSpec, new_backbone

SPEC = ModelSpec("小さい", LABELS, temperature=1.7, graph="images")


def trained() -> ExpressionNetwork:
    torch.manual_seed(3)
    return ExpressionNetwork(new_backbone(NetworkSpec("lean-resnet14", "tiny")), len(LABELS))


def deployed() -> Deployed:
    return Deployed(trained())


def crops_of(count: int) -> ImageArray:
    return np.random.default_rng(count).integers(0, 256, (count, 112, 112, 3), np.uint8)


@pytest.fixture(scope="module")
def traced() -> Any:
    return to_onnx(deployed(), SPEC)


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_the_file_says_what_the_network_says_for_any_batch(traced: Any, batch: int) -> None:
    crops = crops_of(batch)
    theirs, ours = TorchRunner(deployed(), 1.7).read(crops), NetworkRunner(traced, SPEC).read(crops)
    found = difference(theirs, ours)
    assert (found.probs, found.embedding) < (1e-5, 1e-5)
    assert found.crops == batch
    check_same(found, "model.onnx")


def test_the_temperature_divides_the_logits() -> None:
    crops = crops_of(2)
    cold, hot = TorchRunner(deployed(), 1.0)(crops), TorchRunner(deployed(), 2.0)(crops)
    np.testing.assert_allclose(hot**2 / (hot**2).sum(1, keepdims=True), cold, atol=1e-5)


def test_it_is_plain_onnx_of_one_piece(traced: Any) -> None:
    assert [(item.domain, item.version) for item in traced.opset_import] == [("", OPSET)]
    assert {node.domain for node in traced.graph.node} == {""}
    assert {item.data_location for item in traced.graph.initializer} == {onnx.TensorProto.DEFAULT}
    assert [item.name for item in (*traced.graph.input, *traced.graph.output)] == ["images", "logits", "embedding"]
    assert {item.type.tensor_type.shape.dim[0].dim_param for item in (*traced.graph.input, *traced.graph.output)} == {
        "batch"
    }


def test_a_network_in_training_is_exported_as_it_runs(traced: Any) -> None:
    again, crops = to_onnx(deployed().train(), SPEC), crops_of(3)
    np.testing.assert_allclose(NetworkRunner(again, SPEC)(crops), NetworkRunner(traced, SPEC)(crops), atol=1e-6)


def test_another_number_of_classes_than_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="two: the network has 9 classes, its spec 2 labels"):
        to_onnx(deployed(), ModelSpec("two", ("joy", "other"), graph="images"))


def test_the_difference_is_the_largest_of_any_number() -> None:
    one = Reading(np.full((2, 3), 0.5, np.float32), np.zeros((2, 4), np.float32))
    moved = one.probs + np.array([[0, 0.25, 0], [0, 0, 0.125]], np.float32)
    other = Reading(moved, np.full((2, 4), -0.5, np.float32))
    assert difference(one, other) == Difference(0.25, 0.5, 2)
    with pytest.raises(ValueError, match="must have embeddings"):
        difference(one, replace(other, embedding=None))


@pytest.mark.parametrize(
    ("probs", "embedding"),
    [
        pytest.param(2 * MAX_DIFFERENCE, 0.0, id="probs"),
        pytest.param(0.0, 2 * MAX_DIFFERENCE, id="embedding"),
        pytest.param(math.nan, 0.0, id="probs-are-no-numbers"),
        pytest.param(0.0, math.nan, id="embedding-is-no-number"),
    ],
)
def test_a_file_that_says_something_else_is_refused(probs: float, embedding: float) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx: not written, its probabilities differ"):
        check_same(Difference(probs, embedding, 8), "model.onnx")


class Moody(Deployed):
    """A network whose graph cannot be right: it never says the same twice."""

    calls = 0.0

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1.0
        logits, embedding = super().forward(images)
        return torch.arange(9.0) * self.calls + 0 * logits, embedding


def test_a_network_that_never_says_the_same_twice_differs_from_its_file() -> None:
    moody, crops = Moody(trained()), crops_of(2)
    found = difference(TorchRunner(moody, 1.0).read(crops), NetworkRunner(to_onnx(moody, SPEC), SPEC).read(crops))
    with pytest.raises(ModelError, match="differ by"):
        check_same(found, "model.onnx")
