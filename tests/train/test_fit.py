"""A small network learns a toy task, its averaged weights are the result, and a seed brings them back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ffe_edge.errors import DataError
from ffe_train.data import Samples, one_hot
from ffe_train.fit import fit, predict
from ffe_train.model import SmallResNet
from ffe_train.recipe import Recipe

Weights = dict[str, Tensor]


def toy(count: int, source: str = "lfw") -> Samples:
    """Joy is bright above and dark below, sadness the other way round: mirrors and tilts do not change it."""
    rng = np.random.default_rng(count)
    slope = np.linspace(-70, 70, 112)[:, None]
    signs = np.where(np.arange(count) % 2 == 0, -1, 1)[:, None, None]
    crops = np.clip(127 + signs * slope + rng.normal(0, 15, (count, 112, 112)), 0, 255).astype(np.uint8)
    return Samples(
        crops,
        one_hot(("joy", "sadness")[k % 2] for k in range(count)),
        np.arange(count).astype(str),
        np.full(count, "train"),
        np.full(count, source),
        np.zeros(count, bool),
    )


def recipe_of(**changes: Any) -> Recipe:
    values = {"name": "toy", "sources": ["lfw"], "weights": {"lfw": 1.0}, "epochs": 1, "batch": 8}
    return Recipe.model_validate({**values, "learning_rate": 0.05, "widths": (16, 16), **changes})


def new_network(recipe: Recipe) -> SmallResNet:
    torch.manual_seed(7)
    return SmallResNet(9, recipe.widths)


def trained(recipe: Recipe, count: int = 33) -> Weights:
    network = new_network(recipe)
    list(fit(network, toy(count), toy(8), recipe))
    return network.state_dict()


def test_the_loss_falls_on_a_task_that_can_be_learned() -> None:
    recipe = recipe_of(epochs=4, ema=0.5)
    network = new_network(recipe)
    epochs = list(fit(network, toy(98), toy(20), recipe))
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    assert epochs[-1].loss < epochs[0].loss - 0.3
    assert epochs[-1].val_accuracy > 0.9
    assert all(epoch.seconds > 0 for epoch in epochs)
    assert (predict(network, toy(30).crops).argmax(axis=1) == toy(30).class_id).mean() > 0.9


def test_the_averaged_weights_are_the_result() -> None:
    recipe = recipe_of(ema=0.15)
    network, steps = new_network(recipe), []

    def note(module: torch.nn.Module, _: Any) -> None:
        if module.training:
            steps.append({name: value.detach().clone() for name, value in network.named_parameters()})

    network.register_forward_pre_hook(note)
    list(fit(network, toy(33), toy(8), recipe))
    steps.append(trained(recipe_of(ema=0.0)))
    assert len(steps) == 5
    for name, averaged in network.named_parameters():
        expected = steps[1][name]
        for count, current in enumerate(steps[2:], 1):
            decay = min(0.15, (1 + count) / (10 + count))
            expected = decay * expected + (1 - decay) * current[name]
        torch.testing.assert_close(averaged.data, expected, atol=1e-5, rtol=1e-4)


def test_a_seed_brings_the_same_weights_back() -> None:
    first, again, other = (trained(recipe_of(seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_a_loss_that_is_no_number_stops_training_and_says_where() -> None:
    samples = toy(33)
    broken = replace(samples, targets=np.full_like(samples.targets, np.nan))
    with pytest.raises(DataError, match="toy: the loss became nan in epoch 1, step 1"):
        list(fit(new_network(recipe_of()), broken, toy(8), recipe_of()))


def test_fewer_images_than_a_batch_are_refused() -> None:
    with pytest.raises(DataError, match="toy"):
        list(fit(new_network(recipe_of()), toy(7), toy(8), recipe_of()))


def test_a_source_is_drawn_as_often_as_its_weight_says() -> None:
    source = np.repeat(["lfw", "rendered"], 16)
    shades = np.where(source == "lfw", 0, 255).astype(np.uint8)[:, None, None]
    both = replace(toy(32), source=source, crops=np.tile(shades, (1, 112, 112)))
    recipe = recipe_of(sources=["lfw", "rendered"], weights={"lfw": 0.5, "rendered": 3.0}, epochs=4)
    network, bright = new_network(recipe), []

    def note(module: torch.nn.Module, args: tuple[Tensor]) -> None:
        if module.training:
            bright.extend((args[0].mean(dim=(1, 2, 3)) > 127).tolist())

    network.register_forward_pre_hook(note)
    list(fit(network, both, toy(8), recipe))
    assert len(bright) == 4 * (int(56 * 0.99) // 8) * 8
    assert np.mean(bright) == pytest.approx(48 / 56, abs=0.06)


def test_a_prediction_is_the_mean_over_the_picture_and_its_mirror_image() -> None:
    network = new_network(recipe_of()).eval()
    crops = np.random.default_rng(0).integers(0, 256, (5, 112, 112), np.uint8)
    with torch.inference_mode():
        plain, mirrored = (
            network(torch.from_numpy(picture.copy()).float()[:, None]) for picture in (crops, crops[:, :, ::-1])
        )
    logits = predict(network, crops, batch=2)
    np.testing.assert_allclose(logits, (plain + mirrored).numpy() / 2, atol=1e-5)
    np.testing.assert_allclose(predict(network, crops[:, :, ::-1].copy()), logits, atol=1e-5)
