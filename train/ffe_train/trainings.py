"""The networks that a transfer trains, one after the other: what is asked of each is kept, so none is trained twice."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray
from ffe_train.checkpoint import load_backbone
from ffe_train.files import write_atomically, write_json
from ffe_train.folds import IntArray
from ffe_train.networks import ExpressionNetwork, new_backbone
from ffe_train.prepared import PreparedSet
from ffe_train.pretrain import spec_of
from ffe_train.recipes import Transfer
from ffe_train.tasks import Task
from ffe_train.tune import Epoch, predict, tune

EVERYBODY = "everybody"
"""In place of an outer fold: nobody is left out."""


@dataclass(frozen=True, eq=False)
class Training:
    """One network to be trained."""

    name: str
    """Of its files."""
    outer: str
    """Name of the outer fold that it is trained within."""
    recipe: Transfer
    """With chosen values in place."""
    seed: int
    train: IntArray
    """Who it learns from, indices into the target."""
    ask: IntArray
    """Who it is asked about."""


Teach = Callable[[Training], FloatArray]
"""From a training to its targets (len(train), K) float32."""


class Trainings:
    """Trains on demand, and keeps the answers in a folder."""

    def __init__(
        self,
        folder: Path,
        target: PreparedSet,
        task: Task,
        *,
        start: Path | None = None,
        device: str | torch.device = "cpu",
        threads: int = 1,
        teach: Teach | None = None,
        on_done: Callable[[Training], None] | None = None,
    ) -> None:
        self._folder, self._target, self._task = folder, target, task
        self._start, self._device, self._threads = start, device, threads
        self._teach, self._on_done = teach or self._labels, on_done

    def logits(self, training: Training) -> FloatArray:
        """What the network says about ``ask``: (len(ask), K) float32 logits, of an earlier run where they are kept.

        Raises:
            DataError: a loss, a weight or an answer is no longer a number, or what is kept is damaged.
            ModelError: the weights to start from cannot be read.
        """
        path = self._folder / f"{training.name}.npz"
        if not path.is_file():
            began = time.monotonic()
            network, history = self._trained(training)
            crops = _crops(self._target, training.ask)
            logits = predict(network, crops, len(training.ask), flip=training.recipe.flip)
            _check_finite(logits, training, history)
            write_json(_record(training, history, time.monotonic() - began), path.with_suffix(".json"))
            buffer = io.BytesIO()
            np.savez(buffer, logits=logits, ask=training.ask)
            write_atomically(path, buffer.getvalue())
        logits = _kept(path, training)
        self._tell(training)
        return logits

    def network(self, training: Training) -> tuple[ExpressionNetwork, tuple[Epoch, ...]]:
        """The network itself and how it learned; it is not kept.

        Raises:
            DataError: the loss is no longer a number.
            ModelError: the weights to start from cannot be read.
        """
        trained = self._trained(training)
        self._tell(training)
        return trained

    def _tell(self, training: Training) -> None:
        if self._on_done:
            self._on_done(training)

    def _trained(self, training: Training) -> tuple[ExpressionNetwork, tuple[Epoch, ...]]:
        recipe = training.recipe
        network = new_network(recipe, len(self._task), training.seed, self._start)
        history = tune(
            network,
            _crops(self._target, training.train),
            self._teach(training),
            recipe if self._start else without_source(recipe),
            training.seed,
            device=self._device,
            threads=self._threads,
        )
        return network, history

    def _labels(self, training: Training) -> FloatArray:
        return self._target.select(training.train).targets(self._task, training.recipe.targets.rater_weight)


def new_network(recipe: Transfer, classes: int, seed: int, start: Path | None) -> ExpressionNetwork:
    """The network that a recipe asks for, on the weights of a stage, or with fresh ones of that seed.

    Raises:
        ModelError: the weights cannot be read, or are another network's.
    """
    torch.manual_seed(seed)
    spec = spec_of(recipe.network)
    backbone = load_backbone(start, spec) if start else new_backbone(spec)
    return ExpressionNetwork(backbone, classes, recipe.probe.tap)


def without_source(recipe: Transfer) -> Transfer:
    """The recipe of a network that starts from scratch: nothing is there to be probed, or to stay close to."""
    fine_tune = recipe.fine_tune.model_copy(update={"l2_sp": 0.0, "freeze_norms": False})
    return recipe.model_copy(update={"probe": recipe.probe.model_copy(update={"epochs": 0}), "fine_tune": fine_tune})


def _crops(target: PreparedSet, index: IntArray) -> Callable[[IntArray], Any]:
    return lambda places: target.crops(index[places])


def _check_finite(logits: FloatArray, training: Training, history: tuple[Epoch, ...]) -> None:
    if not np.isfinite(logits).all():
        last = f"{history[-1].phase} epoch {history[-1].number}" if history else "no epoch"
        raise DataError(
            f"{training.recipe.name}: {training.name}: answers are no numbers after {last}; lower the learning rate"
        )


def _record(training: Training, history: tuple[Epoch, ...], seconds: float) -> dict[str, Any]:
    return {
        "name": training.name,
        "seed": training.seed,
        "recipe": training.recipe.model_dump(mode="json"),
        "learned_from": len(training.train),
        "asked_about": len(training.ask),
        "seconds": round(seconds, 3),
        "history": [asdict(epoch) for epoch in history],
    }


def _kept(path: Path, training: Training) -> FloatArray:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            logits, ask = file["logits"], file["ask"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(f"{path}: is damaged ({error}); delete it, and it is made again") from error
    if not np.array_equal(ask, training.ask):
        raise DataError(f"{path}: tells of other images; begin afresh with --fresh")
    return np.asarray(logits, np.float32)
