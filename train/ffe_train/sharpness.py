"""Sharpness-aware minimisation: the gradient is taken where the loss is highest close by.

Source: Foret et al., Sharpness-aware minimization for efficiently improving generalization, ICLR 2021, eq. 2 and
algorithm 1, with p = 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def climbed(parameters: Iterable[nn.Parameter], radius: float) -> Iterator[None]:
    """Move the parameters by ``radius`` along their gradient while the block runs, then put them back exactly.

    The gradients are cleared on the way up, so that those of the second backward pass are alone when the block ends.

    Args:
        parameters: with gradients of the first backward pass; those without stay where they are.
        radius: length of the step, over all parameters together.
    """
    moved = [parameter for parameter in parameters if parameter.grad is not None]
    before = [parameter.detach().clone() for parameter in moved]
    with torch.no_grad():
        gradients = [parameter.grad for parameter in moved if parameter.grad is not None]
        scale = radius / (nn.utils.get_total_norm(gradients) + 1e-12)
        for parameter, gradient in zip(moved, gradients, strict=True):
            parameter.add_(gradient * scale)
            parameter.grad = None
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(moved, before, strict=True):
                parameter.copy_(value)


@contextmanager
def still_norms(network: nn.Module) -> Iterator[None]:
    """Let batch norms use the batch's statistics without remembering them: the second pass would count twice."""
    norms = [layer for layer in network.modules() if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
