"""The loop of a pretraining: every step a function of its number, every position one that can be gone on from."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray
from ffe_train.batches import NETWORK, Batch, Epochs, generator
from ffe_train.heads import Head
from ffe_train.logits import logits_of
from ffe_train.losses import smoothed, soft_cross_entropy
from ffe_train.networks import Backbone, ExpressionNetwork, to_input
from ffe_train.optimise import MovingAverage, learning_rate, new_optimizer, set_learning_rate
from ffe_train.pretrain_data import Lesson
from ffe_train.recipes import Pretrain
from ffe_train.resume import save_position
from ffe_train.verification import verify_set

LOOK_EVERY: Final = 20
"""Steps after which losses are looked at: on a GPU each look waits for it."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the data gave."""

    number: int
    """From 1."""
    loss: float
    """Mean of its batches, while the network learned."""
    learning_rate: float
    """Of its last step."""
    images_per_second: float
    """Of all devices, with loading and without measuring."""
    metric: float | None
    """Accuracy of verification, or on the split ``val``; None where there is nothing to measure on."""


@dataclass(frozen=True)
class Step:
    """Where training is."""

    epoch: int
    """From 1."""
    step: int
    """Steps done in this epoch."""
    steps: int
    """Steps of an epoch."""
    loss: float


@dataclass
class Position:
    """What has been done: all that changes besides tensors."""

    epoch: int = 0
    """Finished epochs."""
    step: int = 0
    """Finished steps of the epoch after them."""
    loss: float = 0.0
    """Sum over these steps."""
    history: list[Epoch] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    """Of the last epoch's measurement."""


class IdentityLearner(nn.Module):
    """images (B, 3, 112, 112), class_id (B,) -> logits (B, C) for cross entropy."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor, class_id: Tensor) -> Tensor:
        """Logits with the head's margin."""
        logits: Tensor = self.head(self.backbone(images), class_id)
        return logits


class Training:
    """A learner, its optimizer and its data on the devices of a fabric, at a position."""

    def __init__(
        self,
        recipe: Pretrain,
        lesson: Lesson,
        learner: IdentityLearner | ExpressionNetwork,
        fabric: Fabric,
        epochs: Epochs,
    ) -> None:
        self.recipe, self.lesson, self.fabric, self.epochs = recipe, lesson, fabric, epochs
        self.learner = learner.to(memory_format=torch.channels_last)
        self.optimizer = new_optimizer(self.learner, recipe.schedule)
        self.module, self.stepper = fabric.setup(self.learner, self.optimizer)
        self.result: Backbone | ExpressionNetwork = (
            learner.backbone if isinstance(learner, IdentityLearner) else learner
        )
        self.average = MovingAverage(self.result, recipe.ema) if recipe.ema else None
        self.at = Position()
        self._losses: list[Tensor] = []

    @property
    def result_state(self) -> dict[str, Tensor]:
        """Tensors of the network that is the result: averaged where the recipe says so."""
        return self.average.averaged if self.average else self.result.state_dict()

    @property
    def result_network(self) -> Backbone | ExpressionNetwork:
        """The result: a copy with averaged weights where the recipe says so."""
        if self.average is None:
            return self.result
        network = copy.deepcopy(self.result)
        network.load_state_dict(self.average.averaged)
        return network

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Take up the position that ``save`` wrote."""
        told = json.loads(state["position"])
        self.at = Position(**{**told, "history": [Epoch(**row) for row in told["history"]]})
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        if self.average:
            self.average.load_state_dict(state["average"])

    def save(self, folder: Path, made_of: Mapping[str, Any]) -> None:
        """Write the position, if it is one to go on from.

        Raises:
            DataError: a loss or a weight is no number; the position before is untouched.
        """
        self._look()
        state = self.learner.state_dict()
        if not bool(torch.stack([tensor.isfinite().all() for tensor in state.values()]).all()):
            raise self._diverged("a weight is no longer a number", self.at.step or self.epochs.steps)
        if self.fabric.is_global_zero:
            values = {
                "position": json.dumps(asdict(self.at)),
                "learner": state,
                "optimizer": self.optimizer.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
                "average": self.average.state_dict() if self.average else {},
            }
            save_position(folder, made_of, values)

    def batches(self) -> Generator[Batch, None, None]:
        """All that are still to be learned; to be closed."""
        return self.epochs.batches(self.at.epoch, self.at.step, self.recipe.schedule.epochs)

    def run_epoch(
        self, batches: Iterator[Batch], save: Callable[[], None], save_every: int, on_step: Callable[[Step], None]
    ) -> Epoch:
        """Learn the rest of an epoch and measure.

        Args:
            batches: as ``batches`` gives them; those of this epoch are taken.
            save: called every ``save_every`` steps.
            save_every: steps.
            on_step: told about progress now and then.

        Raises:
            DataError: the loss is no longer a number; epoch and step are named.
        """
        started, first = time.monotonic(), self.at.step
        self.module.train()
        for crops, targets in islice(batches, self.epochs.steps - first):
            self._learn(crops, targets)
            if self.at.step % LOOK_EVERY == 0:
                self._look()
                on_step(Step(self.at.epoch + 1, self.at.step, self.epochs.steps, self.at.loss / self.at.step))
            if self.at.step % save_every == 0 and self.at.step < self.epochs.steps:
                save()
        self._look()
        speed = (self.at.step - first) * self.epochs.batch / max(time.monotonic() - started, 1e-9)
        metric = self._measure() if self.fabric.is_global_zero else None
        rate = float(self.optimizer.param_groups[0]["lr"])
        epoch = Epoch(self.at.epoch + 1, self.at.loss / self.epochs.steps, rate, round(speed, 1), metric)
        self.at = Position(epoch.number, 0, 0.0, [*self.at.history, epoch], self.at.figures)
        return epoch

    def _learn(self, crops: ImageArray, targets: npt.NDArray[Any]) -> None:
        """One step. Dropout's seed comes from the step's number, so that no generator's state need be kept."""
        done = self.at.epoch * self.epochs.steps + self.at.step
        seeds = generator(self.epochs.seed, self.at.epoch, self.at.step, self.epochs.rank, NETWORK)
        torch.manual_seed(int(seeds.integers(2**62)))
        set_learning_rate(self.optimizer, learning_rate(self.recipe.schedule, done, self.epochs.steps))
        loss = self._loss(to_input(crops, self.fabric.device), torch.from_numpy(targets).to(self.fabric.device))
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if clip := self.recipe.schedule.clip:
            self.fabric.clip_gradients(self.module, self.stepper, max_norm=clip, error_if_nonfinite=False)
        self.stepper.step()
        if self.average:
            self.average.update(self.result)
        self._losses.append(loss.detach())
        self.at.step += 1

    def _loss(self, images: Tensor, targets: Tensor) -> Tensor:
        smoothing = self.recipe.label_smoothing
        if isinstance(self.learner, ExpressionNetwork):
            return soft_cross_entropy(self.module(images), smoothed(targets, smoothing))
        return nn.functional.cross_entropy(self.module(images, targets), targets, label_smoothing=smoothing)

    def _look(self) -> None:
        """Read the losses since the last look, their mean over the ranks, and stop at one that is no number."""
        if not self._losses:
            return
        losses: list[float] = cast("Tensor", self.fabric.all_reduce(torch.stack(self._losses))).tolist()
        self._losses.clear()
        for step, loss in enumerate(losses, self.at.step - len(losses) + 1):
            if not math.isfinite(loss):
                raise self._diverged(f"the loss became {loss}", step)
            self.at.loss += loss

    def _diverged(self, what: str, step: int) -> DataError:
        epoch = self.at.epoch + (self.at.step > 0)
        return DataError(
            f"{self.recipe.name}: {what} in epoch {epoch}, step {step}; the last good checkpoint is kept. "
            "Lower schedule.learning_rate, lengthen schedule.warm_up_epochs or use bf16-mixed or 32-true, with --fresh"
        )

    def _measure(self) -> float | None:
        """The stage's own metric, on one rank; figures go to the record."""
        network = self.result_network
        if self.lesson.pairs is not None:
            found = verify_set(network, self.lesson.pairs, device=self.fabric.device)
            self.at.figures = {"verification_accuracy": found.accuracy.value, "verification": found.as_dict()}
            return found.accuracy.value
        if self.lesson.val is not None:
            right = logits_of(network, self.lesson.val, self.fabric.device).argmax(axis=1) == self.lesson.val_class
            self.at.figures = {"val_accuracy": float(right.mean()), "val_images": len(right)}
            return float(right.mean())
        return None
