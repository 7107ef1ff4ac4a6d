"""One network on one training part: it learns, every option does what it says, and a seed brings it back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ffe_edge.errors import ConfigError, DataError
from ffe_edge.types import FloatArray, ImageArray
from ffe_train.networks import Architecture, ExpressionNetwork, NetworkSpec, new_backbone, to_input
from ffe_train.recipes import Probe, Transfer
from ffe_train.tune import Epoch, layer_groups, predict, tune

Weights = dict[str, Tensor]


def toy(count: int) -> tuple[ImageArray, FloatArray]:
    """Class 0 is bright above and dark below, class 1 the other way round."""
    rng = np.random.default_rng(count)
    slope = np.linspace(-70, 70, 112)[:, None, None]
    signs = np.where(np.arange(count) % 2 == 0, -1, 1)[:, None, None, None]
    crops = np.clip(127 + signs * slope + rng.normal(0, 15, (count, 112, 112, 3)), 0, 255).astype(np.uint8)
    return crops, np.eye(2, dtype=np.float32)[np.arange(count) % 2]


def recipe_of(probe: int = 0, targets: dict[str, Any] | None = None, **fine_tune: Any) -> Transfer:
    values = {"epochs": 1, "batch": 8, "learning_rate": 0.05, **fine_tune}
    return Transfer.model_validate(
        {
            "stage": "transfer",
            "name": "toy",
            "data": "toy",
            "network": {"architecture": "resnet18", "preset": "tiny"},
            "probe": {"epochs": probe},
            "fine_tune": values,
            "targets": targets or {},
        }
    )


def network_of(architecture: Architecture = "resnet18") -> ExpressionNetwork:
    torch.manual_seed(7)
    return ExpressionNetwork(new_backbone(NetworkSpec(architecture, "tiny")), 2)


def tuned(recipe: Transfer, count: int = 16, seed: int = 0, network: ExpressionNetwork | None = None) -> Weights:
    network = network or network_of()
    crops, targets = toy(count)
    tune(network, lambda index: crops[index], targets, recipe, seed)
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_the_loss_falls_on_a_task_that_can_be_learned() -> None:
    network, seen = network_of(), list[Epoch]()
    crops, targets = toy(48)
    history = tune(network, lambda i: crops[i], targets, recipe_of(probe=2, epochs=3), 0, report=seen.append)
    assert [(epoch.phase, epoch.number) for epoch in history] == [
        ("probe", 1), ("probe", 2), ("fine-tune", 1), ("fine-tune", 2), ("fine-tune", 3),
    ]  # fmt: skip
    assert list(history) == seen
    assert history[-1].loss < history[2].loss / 2
    others, truth = toy(20)
    assert (predict(network, lambda index: others[index], 20).argmax(1) == truth.argmax(1)).mean() > 0.9


def test_a_seed_brings_the_same_weights_back() -> None:
    recipe = recipe_of(targets={"mixup": 0.3}, ema=0.5)
    first, again, other = (tuned(recipe, network=network_of("face-resnet18"), seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"l2_sp": 0.5}, id="l2-sp"),
        pytest.param({"sam": 0.5}, id="sam"),
        pytest.param({"ema": 0.5}, id="ema"),
        pytest.param({"decay_by_layer": 0.5}, id="rates-by-layer"),
        pytest.param({"freeze_norms": True}, id="frozen-norms"),
        pytest.param({"clip": 0.01}, id="clip"),
        pytest.param({"weight_decay": 0.1}, id="decay"),
        pytest.param({"precision": "bf16-mixed"}, id="bf16"),
        pytest.param({"targets": {"label_smoothing": 0.2}}, id="smoothing"),
        pytest.param({"targets": {"mixup": 0.2}}, id="mixup"),
    ],
)
def test_every_option_changes_what_is_learned(changes: dict[str, Any]) -> None:
    plain, other = tuned(recipe_of()), tuned(recipe_of(**changes))
    assert all(torch.isfinite(value).all() for value in other.values())
    assert not torch.equal(plain["head.weight"], other["head.weight"])


@pytest.mark.parametrize(("tau", "odds"), [(0.0, np.log(2 / 20)), (1.0, 0.0)])
def test_of_pictures_that_tell_nothing_the_prior_is_learned_unless_adjusted_for(tau: float, odds: float) -> None:
    network, targets = network_of(), toy(40)[1][np.r_[0:40:2, 1, 3]]
    recipe = recipe_of(probe=300, epochs=0, targets={"logit_adjustment": tau})
    tune(network, lambda i: np.full((len(i), 112, 112, 3), 127, np.uint8), targets, recipe, 0)
    grey = predict(network, lambda i: np.full((len(i), 112, 112, 3), 127, np.uint8), 1)
    assert grey[0, 1] - grey[0, 0] == pytest.approx(odds, abs=0.1)


def test_a_strong_pull_keeps_the_backbone_where_it_started() -> None:
    start = network_of().backbone.state_dict()
    free, held = (tuned(recipe_of(epochs=2, l2_sp=l2_sp)) for l2_sp in (0.0, 15.0))
    distance = [
        sum(float((of[f"backbone.{name}"] - value).norm()) for name, value in start.items() if value.ndim == 4)
        for of in (free, held)
    ]
    assert distance[1] < distance[0] / 2


def test_frozen_norms_keep_their_statistics_while_their_weights_learn() -> None:
    start, after = network_of().state_dict(), tuned(recipe_of(freeze_norms=True))
    statistics = [name for name in start if "running" in name]
    assert statistics
    assert all(torch.equal(start[name], after[name]) for name in statistics)
    norms = [name for name, layer in network_of().named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert all(not torch.equal(start[f"{name}.weight"], after[f"{name}.weight"]) for name in norms)


def test_rates_fall_from_the_head_to_the_input_and_no_parameter_is_left_out() -> None:
    network = network_of("face-resnet18")
    groups = layer_groups(network, recipe_of(decay_by_layer=0.5, weight_decay=0.1).fine_tune)
    share = {id(parameter): group["share"] for group in groups for parameter in group["params"]}
    assert set(share) == {id(parameter) for parameter in network.parameters()}
    layers = network.backbone.groups()
    assert share[id(network.head.weight)] == 1
    assert [share[id(layer[0])] for layer in layers] == [0.5**depth for depth in range(len(layers), 0, -1)]
    assert {group["weight_decay"] for group in groups} == {0.0, 0.1}


def test_with_a_pull_to_the_start_only_the_head_decays_to_zero() -> None:
    network = network_of()
    groups = layer_groups(network, recipe_of(l2_sp=0.1, weight_decay=0.2).fine_tune)
    decaying = [parameter for group in groups if group["weight_decay"] for parameter in group["params"]]
    assert [id(parameter) for parameter in decaying] == [id(network.head.weight)]


def test_a_prediction_is_the_mean_over_the_picture_and_its_mirror_image() -> None:
    network, (crops, _) = network_of().eval(), toy(5)
    crops[:, :, :40] = 0
    with torch.no_grad():
        plain, mirrored = (network(to_input(of.copy())).numpy() for of in (crops, crops[:, :, ::-1]))
    np.testing.assert_allclose(predict(network, lambda i: crops[i], 5, flip=False), plain, atol=1e-5)
    np.testing.assert_allclose(predict(network, lambda i: crops[i], 5, batch=2), (plain + mirrored) / 2, atol=1e-5)


@pytest.mark.parametrize(("probe", "where"), [(0, "epoch 1, step 1"), (1, "probe epoch 1")])
def test_a_loss_that_is_no_number_stops_training_and_says_where(probe: int, where: str) -> None:
    crops, targets = toy(16)
    with pytest.raises(DataError, match=f"toy: the loss became nan in {where}; lower"):
        tune(network_of(), lambda i: crops[i], np.full_like(targets, np.nan), recipe_of(probe=probe), 0)


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_a_weight_that_is_no_number_after_the_last_step_is_told(ema: float) -> None:
    with pytest.raises(DataError, match="toy: a weight is no longer a number after fine-tune epoch 1"):
        tuned(recipe_of(batch=16, learning_rate=1e38, weight_decay=1e4, ema=ema))


def test_a_head_that_is_no_number_after_the_probe_is_told() -> None:
    recipe = recipe_of(epochs=0)
    recipe = recipe.model_copy(update={"probe": Probe(epochs=1, learning_rate=1e38)})
    with pytest.raises(DataError, match="toy: a weight is no longer a number after probe epoch 1"):
        tuned(recipe)


@pytest.mark.parametrize("changes", [{}, {"sam": 0.05}])
def test_a_precision_that_does_not_go_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="16-mixed does not go"):
        tuned(recipe_of(precision="16-mixed", **changes))


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    assert torch.isfinite(tuned(recipe_of(batch=32), count=6)["head.weight"]).all()
