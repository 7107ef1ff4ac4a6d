"""One stage of training: stochastic gradient descent, one cosine, averaged weights."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray
from ffe_train.augment import augmented
from ffe_train.data import Samples
from ffe_train.model import SmallResNet
from ffe_train.recipe import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Epoch:
    """What one pass over the data gave."""

    number: int
    loss: float
    """Mean training loss."""
    val_accuracy: float
    """Of the averaged weights, top-1."""
    seconds: float


def fit(network: SmallResNet, train: Samples, val: Samples, recipe: Recipe) -> Iterator[Epoch]:
    """Train in place, epoch by epoch; after the last one the network holds the averaged weights.

    Raises:
        DataError: the loss is no longer a number; the step is named.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    network.to(memory_format=torch.channels_last)
    if _epoch_size(train, recipe) < recipe.batch:
        raise DataError(f"{recipe.name}: {len(train)} training images do not fill one batch of {recipe.batch}")
    steps = recipe.epochs * (_epoch_size(train, recipe) // recipe.batch)
    optimizer = _optimizer(network, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps, pct_start=0.1, cycle_momentum=False
    )
    average = AveragedModel(network, avg_fn=_moving_average(recipe.ema), use_buffers=True)
    for number in range(1, recipe.epochs + 1):
        started = time.monotonic()
        losses = []
        for crops, targets in _batches(train, recipe, rng):
            losses.append(_step(network, optimizer, crops, targets, recipe.label_smoothing))
            if not np.isfinite(losses[-1]):
                raise DataError(f"{recipe.name}: the loss became {losses[-1]} in epoch {number}, step {len(losses)}")
            schedule.step()
            average.update_parameters(network)
        accuracy = float((predict(average, val.crops).argmax(1) == val.class_id).mean())
        yield Epoch(number, float(np.mean(losses)), accuracy, time.monotonic() - started)
    network.load_state_dict(average.module.state_dict())


def predict(network: nn.Module, crops: npt.NDArray[np.uint8], *, batch: int = 256) -> FloatArray:
    """Logits (N, K) float32 of luminance crops (N, 112, 112), mean of the crop and its mirror image."""
    network.eval()
    rows = []
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            images = torch.from_numpy(crops[start : start + batch]).float().unsqueeze(1)
            rows.append((network(images) + network(images.flip(3))) / 2)
    return np.asarray(torch.cat(rows).float().numpy(), np.float32)


def _moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential average that forgets the first steps quickly: its decay grows from 0.1 to the one given."""

    def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        return now * averaged + (1 - now) * current

    return average


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Weight decay for the kernels only, none for norms and biases."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    rest = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)


def _step(
    network: nn.Module, optimizer: torch.optim.Optimizer, crops: Tensor, targets: Tensor, smoothing: float
) -> float:
    network.train()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=_quick_in_bfloat16()):
        logits = network(crops)
    loss = nn.functional.cross_entropy(logits.float(), targets, label_smoothing=smoothing)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimizer.step()
    return float(loss.detach())


def _quick_in_bfloat16() -> bool:
    """Whether the CPU has wide vectors: without them bfloat16 is emulated, and slower than float32."""
    return "AVX512" in torch.backends.cpu.get_cpu_capability()


def _weight(train: Samples, recipe: Recipe) -> FloatArray:
    """(N,) how often each image is drawn in an epoch."""
    table = {str(source): weight for source, weight in recipe.weights.items()}
    return np.array([table.get(source, 1.0) for source in train.source.tolist()], np.float32)


def _epoch_size(train: Samples, recipe: Recipe) -> int:
    """Images in an epoch, the same for all: a little under the expected number of draws."""
    return int(_weight(train, recipe).sum() * 0.99)


def _draw(train: Samples, recipe: Recipe, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Indices of one epoch: each image as often as its source's weight says, the fraction by chance."""
    times = np.floor(_weight(train, recipe) + rng.random(len(train))).astype(np.int64)
    order = rng.permutation(np.repeat(np.arange(len(train)), times))
    return np.resize(order, _epoch_size(train, recipe)).astype(np.int64)


def _batches(train: Samples, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented batches (B, 1, 112, 112) and targets (B, K), made one ahead in a thread."""
    order = _draw(train, recipe, rng)
    chunks = [order[start : start + recipe.batch] for start in range(0, len(order) - recipe.batch + 1, recipe.batch)]

    def make(chunk: npt.NDArray[np.int64], seed: int) -> tuple[Tensor, Tensor]:
        crops = augmented(train.crops[chunk], np.random.default_rng(seed))
        return torch.from_numpy(crops).float().unsqueeze(1), torch.from_numpy(train.targets[chunk])

    seeds = rng.integers(0, 2**62, len(chunks)).tolist()
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(make, chunks[0], seeds[0])
        for chunk, seed in zip(chunks[1:], seeds[1:], strict=True):
            ready, ahead = ahead, pool.submit(make, chunk, seed)
            yield ready.result()
        yield ahead.result()
