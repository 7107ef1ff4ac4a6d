"""The pull of L2-SP is the gradient of alpha / 2 |w - w0|^2."""

from __future__ import annotations

import torch
from torch import nn

from ffe_train.anchor import Anchor


def test_the_pull_is_the_gradient_of_the_penalty() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    start = [parameter.detach().clone() for parameter in layer.parameters()]
    anchor = Anchor(layer.parameters(), 0.3)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter))
    penalty = sum(0.15 * ((p - p0) ** 2).sum() for p, p0 in zip(layer.parameters(), start, strict=True))
    (layer(torch.ones(1, 3)).sum() + penalty).backward()
    expected = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    layer(torch.ones(1, 3)).sum().backward()
    anchor.pull()
    for parameter, gradient in zip(layer.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_at_the_start_nothing_pulls_and_what_the_loss_does_not_reach_stays() -> None:
    used, idle = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    anchor = Anchor([used, idle], 5.0)
    used.grad = torch.full((2,), 0.5)
    anchor.pull()
    assert used.grad.tolist() == [0.5, 0.5]
    assert idle.grad is None
