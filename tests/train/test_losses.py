"""The losses against their equations, written out number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ffe_train.losses import log_priors, mixed, smoothed, soft_cross_entropy


def batch(count: int = 6, classes: int = 4) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    targets = rng.dirichlet(np.ones(classes), count).astype(np.float32)
    return torch.from_numpy(rng.normal(0, 3, (count, classes)).astype(np.float32)), torch.from_numpy(targets)


def naive(logits: Tensor, targets: Tensor, prior: list[float], tau: float) -> float:
    """- sum_k q_k log (pi_k^tau exp f_k / sum_j pi_j^tau exp f_j), mean over the batch."""
    total = 0.0
    for row, q in zip(logits.double().tolist(), targets.double().tolist(), strict=True):
        powers = [p**tau * math.exp(f) for f, p in zip(row, prior, strict=True)]
        total -= sum(q_k * math.log(power / sum(powers)) for q_k, power in zip(q, powers, strict=True))
    return total / len(logits)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_the_loss_is_its_equation(tau: float) -> None:
    logits, targets = batch()
    prior = [0.5, 0.25, 0.15, 0.1]
    adjustment = torch.from_numpy(log_priors(np.array([prior], np.float32), tau))
    assert float(soft_cross_entropy(logits, targets, adjustment)) == pytest.approx(
        naive(logits, targets, prior, tau), 1e-5
    )


def test_without_options_it_is_the_usual_cross_entropy() -> None:
    logits, _ = batch()
    class_id = torch.tensor([0, 3, 2, 1, 1, 0])
    one_hot = functional.one_hot(class_id, 4).float()
    assert torch.allclose(soft_cross_entropy(logits, one_hot), functional.cross_entropy(logits, class_id))
    smooth = functional.cross_entropy(logits, class_id, label_smoothing=0.2)
    assert torch.allclose(soft_cross_entropy(logits, smoothed(one_hot, 0.2)), smooth)


def test_half_precision_is_summed_in_single() -> None:
    logits, targets = batch()
    assert soft_cross_entropy(logits.bfloat16(), targets).dtype == torch.float32


def test_priors_are_the_mean_of_the_targets() -> None:
    targets = np.array([[1, 0], [1, 0], [0.5, 0.5], [0, 1]], np.float32)
    np.testing.assert_allclose(log_priors(targets, 2.0), 2 * np.log([2.5 / 4, 1.5 / 4]), rtol=1e-6)
    assert log_priors(targets, 0.0).tolist() == [0, 0]


def test_mixup_lays_pictures_and_targets_over_each_other_by_one_weight() -> None:
    images = torch.rand(6, 3, 4, 4)
    _, targets = batch()
    pictures, labels = mixed(images, targets, 0.4, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    weight, other = rng.beta(0.4, 0.4), rng.permutation(6)
    for i in range(6):
        torch.testing.assert_close(pictures[i], weight * images[i] + (1 - weight) * images[other[i]])
        torch.testing.assert_close(labels[i], weight * targets[i] + (1 - weight) * targets[other[i]])


def test_no_mixup_leaves_the_batch_alone_and_draws_nothing() -> None:
    images, targets = torch.rand(2, 3, 4, 4), torch.rand(2, 3)
    rng = np.random.default_rng(1)
    assert mixed(images, targets, 0.0, rng)[0] is images
    assert rng.random() == np.random.default_rng(1).random()
