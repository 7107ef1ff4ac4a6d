"""The learning rate is a function of the step; kernels decay and nothing else; averages follow their equation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ffe_train.optimise import MovingAverage, learning_rate, new_optimizer, parameter_groups, set_learning_rate
from ffe_train.recipes import Schedule


def rates(steps_per_epoch: int = 10, **changes: Any) -> list[float]:
    schedule = Schedule(**changes)
    return [learning_rate(schedule, step, steps_per_epoch) for step in range(schedule.epochs * steps_per_epoch)]


def test_the_published_recipe() -> None:
    found = rates()
    assert found[0] == pytest.approx(0.01)
    assert found[4] == pytest.approx(0.05)
    assert found[9] == found[119] == pytest.approx(0.1)
    assert found[120] == found[199] == pytest.approx(0.01)
    assert found[200] == pytest.approx(0.001)
    assert found[240] == found[259] == pytest.approx(0.0001)


def test_without_milestones_a_cosine_ends_near_zero() -> None:
    found = rates(milestones=(), epochs=5, warm_up_epochs=1)
    assert found[9] == pytest.approx(0.1)
    assert found[30] == pytest.approx(0.05)
    assert found[10:] == sorted(found[10:], reverse=True)
    assert 0 < found[-1] < 0.001


def test_without_a_warm_up_the_full_rate_comes_at_once() -> None:
    assert rates(warm_up_epochs=0)[0] == pytest.approx(0.1)
    assert rates(warm_up_epochs=0, milestones=())[0] == pytest.approx(0.1)


def test_a_warm_up_longer_than_training_is_no_error() -> None:
    assert max(rates(warm_up_epochs=9, epochs=2, milestones=())) == pytest.approx(0.1 * 20 / 90)


def test_only_kernels_decay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.PReLU(16), nn.Flatten(), nn.Linear(16, 2))
    decayed, free = parameter_groups(network.parameters(), 5e-4)
    assert [tuple(p.shape) for p in decayed["params"]] == [(16, 3, 3, 3), (2, 16)]
    assert len(free["params"]) == 5
    assert (decayed["weight_decay"], free["weight_decay"]) == (5e-4, 0.0)


def test_a_step_with_momentum_follows_its_equation() -> None:
    layer = nn.Linear(1, 1, bias=False)
    start = layer.weight.item()
    optimizer = new_optimizer(layer, Schedule(weight_decay=0.1))
    expected, velocity = start, 0.0
    for rate in (0.5, 0.25):
        set_learning_rate(optimizer, rate)
        optimizer.zero_grad()
        layer(torch.ones(1, 1)).sum().backward()
        optimizer.step()
        velocity = 0.9 * velocity + (1 + 0.1 * expected)
        expected -= rate * velocity
    assert layer.weight.item() == pytest.approx(expected, rel=1e-5)


def moved(network: nn.BatchNorm1d, value: float) -> nn.BatchNorm1d:
    with torch.no_grad():
        network.weight.fill_(value)
        network.running_mean.fill_(value)  # type: ignore[union-attr]
        network.num_batches_tracked.fill_(int(value))  # type: ignore[union-attr]
    return network


def test_averaged_weights_follow_their_equation() -> None:
    network = nn.BatchNorm1d(1)
    average = MovingAverage(moved(network, 0.0), 0.2)
    expected = 0.0
    for count, value in enumerate((1.0, 3.0, 2.0), 1):
        average.update(moved(network, value))
        decay = min(0.2, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) * value
    assert average.averaged["weight"].item() == pytest.approx(expected)
    assert average.averaged["running_mean"].item() == pytest.approx(expected)
    assert average.averaged["num_batches_tracked"].item() == 2


def test_an_average_goes_on_where_it_was() -> None:
    network = nn.BatchNorm1d(1)
    average, resumed = (MovingAverage(moved(network, 0.0), 0.9) for _ in range(2))
    average.update(moved(network, 1.0))
    resumed.load_state_dict(average.state_dict())
    for one in (average, resumed):
        one.update(moved(network, 5.0))
    assert torch.equal(average.averaged["weight"], resumed.averaged["weight"])
    assert resumed.updates == 2
