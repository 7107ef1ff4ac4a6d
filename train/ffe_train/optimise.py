"""How weights move: groups with and without decay, the learning rate of a step, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ffe_train.recipes import Schedule


def parameter_groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Decay for kernels; none for biases, norms and slopes of PReLU, which are vectors."""
    all_of_them = [parameter for parameter in parameters if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in all_of_them if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in all_of_them if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def new_optimizer(module: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum 0.9; ``set_learning_rate`` before every step."""
    groups = parameter_groups(module.parameters(), schedule.weight_decay)
    return torch.optim.SGD(groups, lr=schedule.learning_rate, momentum=0.9)


def learning_rate(schedule: Schedule, step: int, steps_per_epoch: int) -> float:
    """Rate of a step, counted from 0 over all epochs: a function of nothing else, so a resumed run needs no state.

    A line up to the full rate during the warm-up; then steps of ``gamma`` at the milestones, which are counted in
    epochs from the start, or one cosine that would reach zero after the last step.
    """
    warm_up = schedule.warm_up_epochs * steps_per_epoch
    if step + 1 < warm_up:
        return schedule.learning_rate * (step + 1) / warm_up
    if schedule.milestones:
        passed = sum(step >= milestone * steps_per_epoch for milestone in schedule.milestones)
        return float(schedule.learning_rate * schedule.gamma**passed)
    total = schedule.epochs * steps_per_epoch
    share = (step - warm_up) / max(total - warm_up, 1)
    return schedule.learning_rate * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The same rate for all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _lerp(averaged: list[Tensor], values: list[Tensor], decay: float) -> None:
    """All tensors in a few launches, which counts on a GPU."""
    get_ema_multi_avg_fn(decay)(averaged, values, 0)  # type: ignore[no-untyped-call]


class MovingAverage:
    """Exponential average of weights and statistics that forgets its first steps quickly.

    The decay grows as (1 + t) / (10 + t) up to the one given. Whole numbers (counters) are copied.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.averaged = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module's weights of now."""
        self.updates += 1
        now = min(self.decay, (1 + self.updates) / (10 + self.updates))
        state = module.state_dict()
        moving = [name for name, value in state.items() if value.is_floating_point()]
        _lerp([self.averaged[name] for name in moving], [state[name] for name in moving], now)
        for name in state.keys() - moving:
            self.averaged[name].copy_(state[name])

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` needs to go on exactly."""
        return {"updates": self.updates, "averaged": self.averaged}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state_dict``."""
        self.updates = int(state["updates"])
        saved: Mapping[str, Tensor] = state["averaged"]
        for name, value in self.averaged.items():
            value.copy_(saved[name])
