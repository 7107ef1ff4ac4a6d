"""A bare network in ONNX Runtime: any number of crops, inner tensors by name, and its errors in a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_models import SPEC, network

from ffe_edge.engine.images import to_images
from ffe_edge.errors import ModelError
from ffe_edge.types import Reading
from ffe_export.graph import model_of
from ffe_export.runs import BATCH, NetworkRunner, batch_count, inner_tensors, reading_of

CROPS = np.random.default_rng(0).integers(0, 256, (11, 112, 112, 3), np.uint8)


def test_many_crops_are_read_as_each_alone_and_every_batch_is_told() -> None:
    run, steps = NetworkRunner(network(), SPEC), []
    found = reading_of(run.read, CROPS, lambda: steps.append(1), batch=4)
    assert len(steps) == 3
    for crop, probs in zip(CROPS, found.probs, strict=True):
        np.testing.assert_allclose(run(crop[None])[0], probs, atol=1e-6)
    assert found.embedding is not None
    assert found.embedding.shape == (11, 16)


def test_a_reader_without_embeddings_gives_none() -> None:
    assert reading_of(lambda crops: Reading(np.zeros((len(crops), 2), np.float32), None), CROPS).embedding is None


def test_the_exact_graph_says_the_same() -> None:
    fused, exact = NetworkRunner(network(), SPEC), NetworkRunner(network(), SPEC, exact=True)
    np.testing.assert_allclose(fused(CROPS), exact(CROPS), atol=1e-5)


def test_inner_tensors_come_in_their_order_batch_by_batch() -> None:
    steps: list[int] = []
    batches = list(inner_tensors(network(), ["stem", "images", "logits"], CROPS, 1, lambda: steps.append(1)))
    assert len(batches) == len(steps) == batch_count(CROPS) == 2
    assert [tensor.shape for tensor in batches[0]] == [(BATCH, 16, 28, 28), (BATCH, 3, 112, 112), (BATCH, 9)]
    np.testing.assert_array_equal(batches[1][1], to_images(CROPS[BATCH:]))


def model(nodes: Sequence[Any], **weights: Any) -> Any:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "bad",
        [value("images", TensorProto.FLOAT, ["batch", 3, 112, 112])],
        [value("logits", TensorProto.FLOAT, None), value("embedding", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    return model_of(graph)


def test_a_network_that_onnx_runtime_cannot_load_is_told() -> None:
    nodes = [helper.make_node("Blur", ["images"], ["logits"]), helper.make_node("Relu", ["logits"], ["embedding"])]
    with pytest.raises(ModelError, match=r"ONNX Runtime cannot load the network \(.*Blur"):
        NetworkRunner(model(nodes), SPEC)


def test_a_network_that_fails_when_it_is_run_is_told() -> None:
    nodes = [
        helper.make_node("Reshape", ["images", "shape"], ["logits"]),
        helper.make_node("Relu", ["logits"], ["embedding"]),
    ]
    bad = model(nodes, shape=np.array([1, 7]))
    with pytest.raises(ModelError, match="ONNX Runtime cannot run the network"):
        NetworkRunner(bad, SPEC).read(CROPS)
    with pytest.raises(ModelError, match="ONNX Runtime cannot run the network"):
        list(inner_tensors(bad, ["logits"], CROPS, 1))
