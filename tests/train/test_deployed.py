"""The network that is exported says what the trained one says, and its embedding has length 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ffe_train.deployed import LEAST_NORM, Deployed
from ffe_train.networks import Backbone, ExpressionNetwork, NetworkSpec, to_input

CROPS = np.random.default_rng(0).integers(0, 256, (4, 112, 112, 3), np.uint8)
SPEC = NetworkSpec("resnet18", "tiny")


def seen(network: torch.nn.Module) -> Any:
    """With norms that have seen something, in eval mode."""
    torch.manual_seed(1)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.1, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize(("tap", "size"), [("embedding", 128), ("pooled", 128)])
def test_the_embedding_is_what_the_head_looks_at(tap: Any, size: int) -> None:
    torch.manual_seed(0)
    network = seen(ExpressionNetwork(Backbone(NetworkSpec("resnet18", "tiny")), 5, tap))
    with torch.inference_mode():
        logits, embedding = Deployed(network)(to_input(CROPS))
        features = network.features(to_input(CROPS))
        np.testing.assert_allclose(logits, network(to_input(CROPS)), atol=1e-6)
    np.testing.assert_allclose(embedding, features / features.norm(dim=1, keepdim=True), atol=1e-6)
    assert embedding.shape == (4, size)


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(lambda: ExpressionNetwork(Backbone(NetworkSpec("lean-resnet14", "tiny")), 9), id="lean"),
        pytest.param(lambda: ExpressionNetwork(Backbone(SPEC), 9), id="embedding"),
        pytest.param(lambda: ExpressionNetwork(Backbone(SPEC), 9, "pooled"), id="pooled"),
    ],
)
def test_embeddings_have_length_one(network: Any) -> None:
    with torch.inference_mode():
        _, embedding = Deployed(seen(network()))(to_input(CROPS))
    np.testing.assert_allclose(embedding.norm(dim=1), 1, atol=1e-6)


def test_features_that_are_all_zero_stay_zero() -> None:
    network = ExpressionNetwork(Backbone(SPEC), 9).eval()
    network.features = lambda images: torch.zeros(len(images), 128)  # type: ignore[method-assign]
    with torch.inference_mode():
        logits, embedding = Deployed(network)(to_input(CROPS))
    assert LEAST_NORM > 0
    assert (embedding == 0).all()
    assert torch.isfinite(logits).all()
