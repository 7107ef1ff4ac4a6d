"""The linear probe moves the head and nothing else, and its features are those that the network would use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ffe_edge.types import ImageArray
from ffe_train.losses import soft_cross_entropy
from ffe_train.networks import ExpressionNetwork, NetworkSpec, Tap, new_backbone, to_input
from ffe_train.probe import features_of, probe
from ffe_train.recipes import Probe

CROPS: ImageArray = np.random.default_rng(0).integers(0, 256, (20, 112, 112, 3), np.uint8)
CROPS[::2, :56] //= 4
TARGETS = np.eye(2, dtype=np.float32)[np.arange(20) % 2]


def network_of(tap: Tap = "embedding") -> ExpressionNetwork:
    torch.manual_seed(0)
    return ExpressionNetwork(new_backbone(NetworkSpec("resnet18", "tiny")), 2, tap)


@pytest.mark.parametrize("tap", ["embedding", "pooled"])
def test_features_are_those_of_the_pictures_and_of_their_mirror_images(tap: Tap) -> None:
    network = network_of(tap)
    features = features_of(network, lambda index: CROPS[index], 20, batch=8)
    with torch.no_grad():
        for side, pictures in enumerate((CROPS, CROPS[:, :, ::-1])):
            expected = network(to_input(pictures.copy()))
            torch.testing.assert_close(network.head(features[side]), expected, atol=1e-4, rtol=1e-4)


def test_only_the_head_moves_and_the_loss_falls() -> None:
    network = network_of()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    settings = Probe(epochs=8, learning_rate=0.05)
    losses = list(probe(network, lambda index: CROPS[index], TARGETS, soft_cross_entropy, settings, 0))
    assert len(losses) == 8
    assert losses[-1] < losses[0] / 2
    again = soft_cross_entropy(network.head(features_of(network, lambda i: CROPS[i], 20))[0], torch.from_numpy(TARGETS))
    assert float(again.detach()) < losses[0] / 2
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.weight", "head.bias"}


def test_a_seed_brings_the_same_head_back() -> None:
    heads = []
    for seed in (1, 1, 2):
        network = network_of()
        list(probe(network, lambda index: CROPS[index], TARGETS, soft_cross_entropy, Probe(epochs=1), seed))
        heads.append(network.head.weight.detach().clone())
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
