"""Trains one expression network on one training part: first its head alone, then everything."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from ffe_edge.errors import ConfigError, DataError
from ffe_edge.types import FloatArray, ImageArray
from ffe_train.anchor import Anchor
from ffe_train.batches import Epochs
from ffe_train.losses import log_priors, mixed, smoothed, soft_cross_entropy
from ffe_train.networks import ExpressionNetwork, to_input
from ffe_train.optimise import MovingAverage, learning_rate, parameter_groups
from ffe_train.probe import Crops, features_of, probe
from ffe_train.recipes import FineTune, Schedule, Transfer
from ffe_train.sharpness import climbed, still_norms

WARM_UP: Final = 0.1
"""Share of the epochs in which the rate rises, one epoch at most."""
NUMBERS: Final = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training part gave."""

    phase: str
    """``probe`` or ``fine-tune``."""
    number: int
    """From 1."""
    loss: float
    """Mean training loss."""
    seconds: float


Report = Callable[[Epoch], None]


def tune(
    network: ExpressionNetwork,
    crops: Crops,
    targets: FloatArray,
    recipe: Transfer,
    seed: int,
    *,
    device: str | torch.device = "cpu",
    threads: int = 1,
    report: Report | None = None,
) -> tuple[Epoch, ...]:
    """Train in place: a linear probe, then fine-tuning; with ``ema`` the averaged weights are the result.

    The same seed, network and images give the same weights on the same machine and device.

    Args:
        network: with the weights to start from; goes to the device.
        crops: of the training part, by indices 0 ... N-1.
        targets: (N, K) float32 distributions; their mean is the prior of logit adjustment.
        recipe: what to do; its folds, seeds and choice are not looked at.
        seed: of orders, changes to pictures, dropout and mixup.
        device: where to train.
        threads: that prepare pictures.
        report: called with every finished epoch.

    Raises:
        ConfigError: the precision does not go with the device or with ``sam``.
        DataError: the loss or a weight is no longer a number; phase, epoch and step are named.
    """
    device = torch.device(device)
    _check_precision(recipe, device)
    torch.manual_seed(seed)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    history = []
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False):
        for epoch in _phases(network, crops, targets, recipe, seed, threads):
            history.append(epoch)
            if report:
                report(epoch)
    network.eval()
    return tuple(history)


def predict(network: ExpressionNetwork, crops: Crops, count: int, *, flip: bool = True, batch: int = 128) -> FloatArray:
    """Logits (N, K) float32 on the network's device; with ``flip`` the mean of the picture's and its mirror image's."""
    features = features_of(network, crops, count, batch)
    with torch.no_grad():
        logits = network.head(features if flip else features[:1])
    return np.asarray(logits.mean(dim=0).cpu().numpy(), np.float32)


def layer_groups(network: ExpressionNetwork, settings: FineTune) -> list[dict[str, Any]]:
    """Groups of an optimiser, each with ``share``: its part of the learning rate, 1 for the head, least at the input.

    With L2-SP what was taken over is pulled to its start instead of zero, so that only the head decays.
    """
    groups = []
    for depth, parameters in enumerate([list(network.head.parameters()), *reversed(network.backbone.groups())]):
        decay = 0.0 if depth and settings.l2_sp else settings.weight_decay
        share = settings.decay_by_layer**depth
        groups += [{**group, "share": share} for group in parameter_groups(parameters, decay) if group["params"]]
    return groups


def _check_precision(recipe: Transfer, device: torch.device) -> None:
    settings = recipe.fine_tune
    if settings.precision == "16-mixed" and (settings.sam or device.type == "cpu"):
        what = "with sam" if settings.sam else "on a CPU"
        raise ConfigError(f"{recipe.name}: fine_tune.precision 16-mixed does not go {what}: use bf16-mixed or 32-true")


def _phases(
    network: ExpressionNetwork, crops: Crops, targets: FloatArray, recipe: Transfer, seed: int, threads: int
) -> Iterator[Epoch]:
    loss = _loss_of(targets, recipe, network.head.weight.device)
    started = time.monotonic()
    if recipe.probe.epochs:
        for number, value in enumerate(probe(network, crops, targets, loss, recipe.probe, seed), 1):
            _check_loss(value, recipe, f"probe epoch {number}")
            yield Epoch("probe", number, value, time.monotonic() - started)
            started = time.monotonic()
        _check_weights(network, recipe, f"probe epoch {recipe.probe.epochs}")
    if not recipe.fine_tune.epochs:
        return
    epochs = Epochs(
        crops, targets, [len(targets)], [1.0], min(recipe.fine_tune.batch, len(targets)), seed, recipe.augment,
        threads=threads,
    )  # fmt: skip
    tuning = _FineTuning(network, loss, recipe, epochs.steps, np.random.default_rng(seed))
    for number in range(1, recipe.fine_tune.epochs + 1):
        losses = [tuning.step(*batch) for batch in epochs.batches(number)]
        if number == recipe.fine_tune.epochs:
            tuning.finish()
        _check_weights(network, recipe, f"fine-tune epoch {number}")
        yield Epoch("fine-tune", number, float(np.mean(losses)), time.monotonic() - started)
        started = time.monotonic()


def _loss_of(targets: FloatArray, recipe: Transfer, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    adjustment = torch.from_numpy(log_priors(targets, recipe.targets.logit_adjustment)).to(device)

    def loss(logits: Tensor, goals: Tensor) -> Tensor:
        return soft_cross_entropy(logits, smoothed(goals, recipe.targets.label_smoothing), adjustment)

    return loss


def _check_loss(value: float, recipe: Transfer, where: str) -> None:
    if not math.isfinite(value):
        raise DataError(
            f"{recipe.name}: the loss became {value} in {where}; lower the learning rate, or look at the images"
        )


def _check_weights(network: ExpressionNetwork, recipe: Transfer, where: str) -> None:
    """After the last step no loss is looked at any more."""
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise DataError(f"{recipe.name}: a weight is no longer a number after {where}; lower the learning rate")


class _FineTuning:
    """One step after the other, with all that the recipe asks for."""

    def __init__(
        self,
        network: ExpressionNetwork,
        loss: Callable[[Tensor, Tensor], Tensor],
        recipe: Transfer,
        steps: int,
        rng: np.random.Generator,
    ) -> None:
        settings = recipe.fine_tune
        self._network, self._loss, self._recipe, self._settings = network, loss, recipe, settings
        self._device = network.head.weight.device
        self._parameters = list(network.parameters())
        self._steps, self._step, self._rng = steps, 0, rng
        self._optimizer = torch.optim.SGD(layer_groups(network, settings), lr=settings.learning_rate, momentum=0.9)
        self._schedule = Schedule(
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            warm_up_epochs=min(WARM_UP * settings.epochs, 1.0),
            milestones=(),
        )
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=settings.precision == "16-mixed")
        self._anchor = Anchor(network.backbone.parameters(), settings.l2_sp) if settings.l2_sp else None
        self._average = MovingAverage(network, settings.ema) if settings.ema else None
        network.train()
        if settings.freeze_norms:
            for layer in network.modules():
                if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                    layer.eval()

    def step(self, crops: ImageArray, targets: FloatArray) -> float:
        """One batch of crops (B, 112, 112, 3) uint8 BGR and targets (B, K); gives back its loss."""
        self._step += 1
        goals = torch.from_numpy(targets).to(self._device)
        images, goals = mixed(to_input(crops, self._device), goals, self._recipe.targets.mixup, self._rng)
        self._optimizer.zero_grad()
        value = self._backward(images, goals)
        epoch, step = divmod(self._step - 1, self._steps)
        _check_loss(value, self._recipe, f"epoch {epoch + 1}, step {step + 1}")
        if self._settings.sam:
            with climbed(self._parameters, self._settings.sam), still_norms(self._network):
                self._backward(images, goals)
        self._move()
        return value

    def finish(self) -> None:
        """Put the averaged weights into the network, where they are asked for."""
        if self._average:
            self._network.load_state_dict(self._average.averaged)

    def _backward(self, images: Tensor, goals: Tensor) -> float:
        kind = NUMBERS[self._settings.precision]
        with torch.autocast(self._device.type, dtype=kind, enabled=kind != torch.float32):
            logits = self._network(images)
        loss = self._loss(logits, goals)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _move(self) -> None:
        rate = learning_rate(self._schedule, self._step - 1, self._steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self._scaler.unscale_(self._optimizer)
        if self._settings.clip:
            nn.utils.clip_grad_norm_(self._parameters, self._settings.clip)
        if self._anchor:
            self._anchor.pull()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._average:
            self._average.update(self._network)
