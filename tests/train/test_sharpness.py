"""The climb of sharpness-aware minimisation: as far as told, along the gradient, and back to the very same weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ffe_train.sharpness import climbed, still_norms


def loss_of(weight: Tensor) -> Tensor:
    return (weight**2 * torch.tensor([1.0, 4.0])).sum()


def test_the_gradient_is_taken_at_the_top_of_the_climb() -> None:
    weight = nn.Parameter(torch.tensor([3.0, -1.0]))
    loss_of(weight).backward()  # type: ignore[no-untyped-call]
    gradient = torch.tensor([6.0, -8.0])
    with climbed([weight], 0.05):
        torch.testing.assert_close(weight.detach(), torch.tensor([3.0, -1.0]) + 0.05 * gradient / 10)
        assert weight.grad is None
        loss_of(weight).backward()  # type: ignore[no-untyped-call]
    assert weight.tolist() == [3.0, -1.0]
    torch.testing.assert_close(weight.grad, torch.tensor([2 * 3.03, 8 * -1.04]))


def test_the_step_is_measured_over_all_parameters_together() -> None:
    first, second, idle = (nn.Parameter(torch.ones(1)) for _ in range(3))
    first.grad, second.grad = torch.tensor([3.0]), torch.tensor([4.0])
    with climbed([first, second, idle], 1.0):
        values = torch.cat([first, second, idle]).tolist()
    assert values == pytest.approx([1.6, 1.8, 1.0])


def test_weights_come_back_even_when_the_second_pass_fails() -> None:
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    with pytest.raises(KeyError), climbed([weight], 1.0):
        raise KeyError
    assert weight.tolist() == [1.0, 1.0]


def test_no_gradient_at_all_is_no_climb() -> None:
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.zeros(2)
    with climbed([weight], 1.0):
        assert weight.tolist() == [1.0, 1.0]


def test_norms_do_not_remember_the_second_pass() -> None:
    norm = nn.BatchNorm2d(3)
    before = norm.running_mean.clone() if norm.running_mean is not None else None
    pictures = torch.randn(4, 3, 2, 2) + 5
    with still_norms(nn.Sequential(norm)):
        output = norm(pictures)
    torch.testing.assert_close(norm.running_mean, before)
    assert norm.momentum == 0.1
    assert abs(float(output.detach().mean())) < 1e-5
