"""Takes a network to a small target set: nested folds that keep people apart, and an ensemble of seeds.

Inside an outer fold's training part the inner folds choose the values that the recipe leaves open and fit the
temperature; its test part is answered by the mean of the seeds' calibrated probabilities. Whatever is trained is kept
in the stage's folder, so that the same call goes on where it was cut.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ffe_edge.errors import ConfigError
from ffe_train.calibration import fit_temperature
from ffe_train.checkpoint import save_expression_network
from ffe_train.devices import device_of
from ffe_train.files import commit, write_json
from ffe_train.fold_report import figures_of, fold_record, predictions_of
from ffe_train.nested import Answer, answered, shared_values, trainings_of
from ffe_train.people import People, check_strangers, people_of, write_people
from ffe_train.predictions import write_predictions
from ffe_train.prepared import PreparedSet
from ffe_train.pretrain import StageResult
from ffe_train.recipes import Transfer
from ffe_train.resume import RECORD, digest_of
from ffe_train.stage_folder import PARTS, PREDICTIONS, check_own, claim, finished, made, origin_of
from ffe_train.target_set import Labelled, asked_for, labelled_of
from ffe_train.tasks import Task
from ffe_train.trainings import EVERYBODY, Teach, Training, Trainings

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Told how many networks are trained, of how many, and the name of the last one."""


def transfer(
    recipe: Transfer,
    target: PreparedSet,
    out: Path,
    *,
    task: Task,
    start: Path | None = None,
    device: str | torch.device = "auto",
    threads: int = 1,
    progress: Progress | None = None,
    fresh: bool = False,
    teach: Teach | None = None,
    taught_by: Sequence[Path] = (),
    more: Mapping[str, Any] | None = None,
) -> StageResult:
    """Train and measure on a target set.

    Everything is checked before anything is trained. A finished stage is given back; an unfinished one goes on.

    Args:
        recipe: what to do.
        target: the labelled set.
        out: where the stage's folder is made: predictions.csv, stage.json, with ``ship`` weights.safetensors and
            people.txt, and ``parts/`` with every network's answers.
        task: what is told apart; the recipe may name some of its labels.
        start: folder of the weights to start from; None trains from scratch, without probe, L2-SP and frozen norms.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of torch, and of the preparation of pictures.
        progress: told of each network.
        fresh: begin anew where another recipe's or set's results lie.
        teach: gives other targets than the labels (distillation).
        taught_by: folders of the weights that those who teach start from.
        more: what else decides the result, for the record.

    Raises:
        ConfigError: the device is not there, the recipe contradicts itself, or the folder is another kind's.
        DataError: an unknown label, a class that nobody or too few people show, people whom an earlier stage has
            learned, another recipe's results in the folder, or a loss that is no longer a number.
        ModelError: the weights to start from cannot be read.
    """
    place = device_of(device)
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    check_teaches(recipe, start)
    asked = task.only(recipe.labels)
    target = asked_for(target, task, asked)
    labelled = labelled_of(target, asked)
    folds = labelled.outer(recipe)
    for fold in folds:
        labelled.inner(fold, recipe)
    folder, made_of = out / recipe.name, made(recipe, target, asked, start, more)
    check_own(folder, "transfer", [start, *taught_by])
    origin = origin_of(start, taught_by)
    strangers = check_strangers(recipe, labelled.person.tolist(), origin.people)
    claim(folder, made_of, fresh)
    if (record := finished(folder, recipe, made_of)) is not None:
        return StageResult(folder, record)
    _say_left_out(recipe, start)
    began = time.monotonic()
    trainings = Trainings(
        folder / PARTS, target, asked, start=start, device=place, threads=threads, teach=teach,
        on_done=_Counter(trainings_of(recipe) + recipe.ship, progress),
    )  # fmt: skip
    answers = [answered(fold, recipe, labelled, trainings) for fold in folds]
    predictions = predictions_of(answers, target, asked)
    write_predictions(predictions, folder / PREDICTIONS)
    people = origin.people | people_of(labelled.person.tolist())
    about = {"name": recipe.name, "digest": digest_of(made_of), **origin.about([recipe.data], people)}
    shipped = _ship(answers, recipe, labelled, trainings, folder, about, people) if recipe.ship else None
    record = {
        **_record(recipe, made_of, about),
        "from_scratch": start is None,
        "device": place.type,
        "seconds": round(time.monotonic() - began, 1),
        "metrics": {**figures_of(predictions, answers), **strangers},
        "folds": [fold_record(answer, labelled) for answer in answers],
        "shipped": shipped,
    }
    write_json(record, folder / RECORD)
    return StageResult(folder, record)


def check_teaches(recipe: Transfer, start: Path | None) -> None:
    """Something must be learned, and from the start that the recipe names.

    Raises:
        ConfigError: the start is not given, or no layer would be trained.
    """
    if recipe.network.start_from and start is None:
        raise ConfigError(f"{recipe.name}: starts from {recipe.network.start_from}, which is not given")
    if recipe.fine_tune.epochs or recipe.choice.epochs or (start and recipe.probe.epochs):
        return
    hint = "probe.epochs or fine_tune.epochs" if start else "fine_tune.epochs; a probe needs network.start_from"
    raise ConfigError(f"{recipe.name}: no layer would be trained; raise {hint}")


def _say_left_out(recipe: Transfer, start: Path | None) -> None:
    settings = recipe.fine_tune
    options = {"the probe": recipe.probe.epochs, "l2_sp": settings.l2_sp, "freeze_norms": settings.freeze_norms}
    if start is None and any(options.values()):
        names = ", ".join(name for name, value in options.items() if value)
        logger.info("%s: starts from scratch, so these are left out: %s", recipe.name, names)


def _record(recipe: Transfer, made_of: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in {**made_of, **about}.items() if name not in {"recipe", "people_sha256"}}
    return {"stage": "transfer", "recipe": recipe.model_dump(mode="json"), "commit": commit(), **rest}


class _Counter:
    """Tells how far the trainings are."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, training: Training) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total, training.name)


def _ship(
    answers: list[Answer],
    recipe: Transfer,
    labelled: Labelled,
    trainings: Trainings,
    folder: Path,
    about: Mapping[str, Any],
    people: People,
) -> dict[str, Any]:
    """Train on everybody and write the weights, and before them whom they have learned.

    The values are those that the inner folds of all outer folds liked best; the temperature is fitted to what the outer
    folds' networks said about people they had not seen.
    """
    values, chosen = shared_values(answers, recipe)
    everybody = np.arange(len(labelled.class_id))
    seed = recipe.seeds[0]
    network, history = trainings.network(Training(EVERYBODY, EVERYBODY, chosen, seed, everybody, everybody[:0]))
    logits = np.concatenate([answer.logits.reshape(-1, len(labelled.labels)) for answer in answers])
    truth = np.concatenate([np.tile(labelled.class_id[answer.fold.test], len(answer.logits)) for answer in answers])
    temperature = fit_temperature(logits, truth)
    write_people(people, folder)
    spec, tap, more = network.backbone.spec, network.tap, {**about, "temperature": temperature}
    save_expression_network(network.state_dict(), folder, spec, labelled.labels, more, tap=tap)
    return {
        "chosen": values,
        "seed": seed,
        "temperature": temperature,
        "images": len(everybody),
        "subjects": len(np.unique(labelled.person)),
        "history": [asdict(epoch) for epoch in history],
    }
