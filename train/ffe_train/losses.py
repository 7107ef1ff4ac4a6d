"""The loss of an expression network: soft targets, adjusted for how common a class is, and mixed pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from ffe_edge.types import FloatArray


def smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Targets (B, K) that give ``smoothing`` of their mass to all K classes alike.

    Source: Szegedy et al., Rethinking the Inception architecture, CVPR 2016, section 7.
    """
    return (1 - smoothing) * targets + smoothing / targets.shape[1] if smoothing else targets


def log_priors(targets: FloatArray, tau: float) -> FloatArray:
    """What logit adjustment adds to the logits while training: tau log pi.

    Source: Menon et al., Long-tail learning via logit adjustment, ICLR 2021, eq. 10.

    Args:
        targets: (N, K) float32 of the training part; their mean is the prior pi, every class above zero.
        tau: strength, 0 for none.

    Returns:
        (K,) float32.
    """
    prior = targets.mean(axis=0, dtype=np.float64)
    return np.asarray(tau * np.log(np.maximum(prior, 1e-12)), np.float32) if tau else np.zeros(len(prior), np.float32)


def soft_cross_entropy(logits: Tensor, targets: Tensor, adjustment: Tensor | None = None) -> Tensor:
    """Mean of - sum_k q_k log softmax(logits + adjustment)_k, a scalar in float32.

    Args:
        logits: (B, K).
        targets: (B, K) float32 probabilities q.
        adjustment: (K,) float32, ``log_priors``.
    """
    scores = logits.float() if adjustment is None else logits.float() + adjustment
    return -(targets * log_softmax(scores, dim=1)).sum(dim=1).mean()


def mixed(images: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mixup: every picture is laid over another of the batch, and so are their targets, by one weight a batch.

    Source: Zhang et al., mixup: Beyond empirical risk minimization, ICLR 2018, eq. 1.

    Args:
        images: (B, 3, H, W) float32.
        targets: (B, K) float32.
        alpha: of the beta distribution of the weight; 0 leaves the batch as it is.
        rng: drawn from once for the weight and once for the order.
    """
    if not alpha:
        return images, targets
    weight = float(rng.beta(alpha, alpha))
    other = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    return torch.lerp(images[other], images, weight), torch.lerp(targets[other], targets, weight)
