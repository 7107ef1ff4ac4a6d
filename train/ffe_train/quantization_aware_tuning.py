"""The loop of quantization-aware tuning, and what the network says before and after.

The teacher is the network itself before the first step, unquantized: the student is asked to say the same with rounded
numbers. Source: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015, section 2, at temperature
1; Mishra and Marr, Apprentice, ICLR 2018, scheme C: a quantized student that starts from trained weights.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray
from ffe_train.batches import Epochs
from ffe_train.losses import soft_cross_entropy
from ffe_train.networks import ExpressionNetwork, to_input
from ffe_train.optimise import learning_rate, parameter_groups, set_learning_rate
from ffe_train.prepared import PreparedSet
from ffe_train.pretrain_loop import Step
from ffe_train.quantization_aware_data import Aware, Lesson
from ffe_train.quantization_aware_network import Forward, fake_quantized
from ffe_train.recipes import Schedule

AT_ONCE: Final = 64
"""Faces of a batch that only looks."""
WARM_UP_EPOCHS: Final = 0.5


@dataclass(frozen=True)
class Epoch:
    """What one pass over the faces gave."""

    number: int
    """From 1."""
    loss: float
    """Mean over its steps."""
    images_per_second: float


class Tuning:
    """Teaches a network in place, an epoch at a time; the same state goes on to the same weights.

    It stays in eval mode: norms keep their statistics, nothing drops out. Activations are measured again before every
    epoch, on the same faces, as export will measure those of the finished network.
    """

    def __init__(self, network: ExpressionNetwork, lesson: Lesson, recipe: Aware, *, threads: int = 1) -> None:
        self.history: list[Epoch] = []
        self._network, self._recipe, self._lesson = network.eval(), recipe, lesson
        self._device = network.head.weight.device
        self._teacher = copy.deepcopy(network).requires_grad_(False)
        groups = parameter_groups(network.parameters(), 0.0)
        self._optimizer = torch.optim.SGD(groups, recipe.learning_rate, momentum=0.9)
        self._schedule = Schedule(
            epochs=recipe.epochs, learning_rate=recipe.learning_rate, warm_up_epochs=WARM_UP_EPOCHS, milestones=()
        )
        faces = len(lesson.train)
        self._epochs = Epochs(
            lesson.train.crops, lesson.labels, [faces], [1.0], min(recipe.batch, faces), recipe.seed, recipe.augment,
            threads=threads,
        )  # fmt: skip

    @property
    def is_done(self) -> bool:
        """Whether all epochs are over."""
        return len(self.history) == self._recipe.epochs

    def run_epoch(self, on_step: Callable[[Step], None] | None = None) -> Epoch:
        """One pass over the faces.

        Raises:
            DataError: the loss or a weight is no longer a number; epoch and step are named.
        """
        began, number, losses = time.monotonic(), len(self.history) + 1, list[float]()
        calibration = self._lesson.calibration(self._recipe)
        with (
            torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False),
            fake_quantized(self._network, self._recipe.bits, images_of(calibration, self._device)) as forward,
            closing(self._epochs.batches(number)) as batches,
        ):
            for step, (crops, labels) in enumerate(batches, 1):
                goals = torch.from_numpy(labels).to(self._device)
                at = (number - 1) * self._epochs.steps + step - 1
                value = self._step(forward, to_input(crops, self._device), goals, at)
                self._check(math.isfinite(value), f"the loss became {value} in epoch {number}, step {step}")
                losses.append(value)
                if on_step:
                    on_step(Step(number, step, self._epochs.steps, value))
        finite = all(bool(tensor.isfinite().all()) for tensor in self._network.state_dict().values())
        self._check(finite, f"a weight is no longer a number after epoch {number}")
        speed = len(losses) * self._epochs.batch / (time.monotonic() - began)
        self.history.append(Epoch(number, float(np.mean(losses)), round(speed, 1)))
        return self.history[-1]

    def state(self) -> dict[str, Any]:
        """What ``go_on_from`` needs."""
        return {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
        }

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Take up the position of ``state``; the teacher is still the network that the tuning was made with."""
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]

    def _step(self, forward: Forward, images: Tensor, labels: Tensor, at: int) -> float:
        set_learning_rate(self._optimizer, learning_rate(self._schedule, at, self._epochs.steps))
        loss = distillation(forward(images), self._teacher(images), labels, self._recipe.label_weight)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.clip)
        self._optimizer.step()
        return float(loss.detach())

    def _check(self, is_well: bool, told: str) -> None:
        if not is_well:
            raise DataError(f"{self._recipe.name}: {told}; lower the learning rate")


def distillation(logits: Tensor, taught: Tensor, labels: Tensor, label_weight: float) -> Tensor:
    """(1 - w) KL(teacher || student) + w cross entropy of the labels, a scalar.

    Args:
        logits: (B, K) of the student.
        taught: (B, K) logits of the teacher.
        labels: (B, K) one-hot, zeros where a face has none.
        label_weight: w in [0, 1].
    """
    said, goal = log_softmax(logits.float(), dim=1), log_softmax(taught.float(), dim=1)
    loss = (1 - label_weight) * kl_div(said, goal, reduction="batchmean", log_target=True)
    return loss + label_weight * soft_cross_entropy(logits, labels) if label_weight else loss


def images_of(faces: PreparedSet, device: torch.device) -> Iterator[Tensor]:
    """Faces as they are, in batches (B, 3, 112, 112)."""
    for start in range(0, len(faces), AT_ONCE):
        yield to_input(faces.crops(np.arange(start, min(start + AT_ONCE, len(faces)))), device)


def logits_of(forward: Forward, faces: PreparedSet, device: torch.device) -> FloatArray:
    """(N, K) float32 logits."""
    with torch.no_grad():
        return np.concatenate([forward(images).float().cpu().numpy() for images in images_of(faces, device)])


def quantized_logits(network: ExpressionNetwork, lesson: Lesson, recipe: Aware) -> FloatArray:
    """(M, K) float32 logits of the fake-quantized network about those who are measured."""
    device = network.head.weight.device
    with fake_quantized(network, recipe.bits, images_of(lesson.calibration(recipe), device)) as forward:
        return logits_of(forward, lesson.measured, device)
