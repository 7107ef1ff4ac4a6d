"""Many networks teach a small one, and none of them has seen the people on whom the small one is tested.

In every outer fold the teachers are those of its inner folds: each tells about people of the training part whom it did
not learn from, and none has seen the test part. So the soft targets are no memory of the labels, and they know nothing
about the people on whom the student is measured. Only the student's own inner folds, which fit its temperature, hold
people whom some teacher has seen.

Source: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ffe_edge.errors import ConfigError
from ffe_edge.types import FloatArray
from ffe_train.devices import device_of
from ffe_train.folds import Fold, IntArray
from ffe_train.nested import chosen_for, inner_logits, name_of, outer_logits
from ffe_train.people import check_strangers
from ffe_train.prepared import PreparedSet
from ffe_train.pretrain import StageResult
from ffe_train.recipes import Transfer
from ffe_train.stage_folder import PARTS, check_own, claim, made, origin_of
from ffe_train.target_set import Labelled, asked_for, labelled_of
from ffe_train.tasks import Task
from ffe_train.teaching import soft_targets
from ffe_train.trainings import EVERYBODY, Teach, Training, Trainings
from ffe_train.transfer import Progress, check_teaches, transfer


@dataclass(frozen=True)
class Teacher:
    """A transfer whose networks teach; what it has trained already is used again."""

    recipe: Transfer
    start: Path | None = None
    """Folder of the weights that it starts from."""


def distil(
    teachers: Sequence[Teacher],
    student: Transfer,
    target: PreparedSet,
    out: Path,
    *,
    task: Task,
    start: Path | None = None,
    temperature: float = 2.0,
    weight: float = 0.7,
    device: str | torch.device = "auto",
    threads: int = 1,
    progress: Progress | None = None,
    fresh: bool = False,
) -> StageResult:
    """Train and measure a student in the folds of its teachers.

    Args:
        teachers: one or more; every seed of each is one voice.
        student: a transfer's recipe, with the same set, labels and outer folds; its folder is like any transfer's.
        target: the labelled set.
        out: where the folders of teachers and student lie.
        task: what is told apart.
        start: folder of the weights that the student starts from.
        temperature: that softens what the teachers say.
        weight: of the teachers in the student's targets; the rest is the labels'.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of torch, and of the preparation of pictures.
        progress: told of each of the student's networks.
        fresh: begin the student anew; teachers are kept.

    Raises:
        ConfigError: a teacher and the student do not agree about set, labels and folds, or as ``transfer``.
        DataError: as ``transfer``.
        ModelError: as ``transfer``.
        ValueError: no teacher, or temperature or weight out of range.
    """
    if not teachers or temperature <= 0 or not 0 <= weight <= 1:
        raise ValueError(f"{len(teachers)} teachers at temperature {temperature} and weight {weight} cannot teach")
    place, asked = device_of(device), task.only(student.labels)
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    chosen = asked_for(target, task, asked)
    labelled = labelled_of(chosen, asked)
    taught_by = [teacher.start for teacher in teachers if teacher.start]
    _check_folders(teachers, student, out, start)
    check_strangers(student, labelled.person.tolist(), origin_of(start, taught_by).people)
    voices = []
    for teacher in teachers:
        made_of = made(teacher.recipe, chosen, asked, teacher.start, None)
        claim(out / teacher.recipe.name, made_of, fresh=False)
        folder = out / teacher.recipe.name / PARTS
        trainings = Trainings(folder, chosen, asked, start=teacher.start, device=place, threads=threads)
        voices.append(Voice(teacher.recipe, labelled, trainings))
    teach = teaching(voices, chosen, asked, temperature=temperature, weight=weight)
    more = _more(teachers, chosen, asked, temperature, weight)
    return transfer(
        student, target, out, task=task, start=start, device=place, threads=threads, progress=progress, fresh=fresh,
        teach=teach, taught_by=taught_by, more=more,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Voice:
    """One teacher at work."""

    recipe: Transfer
    labelled: Labelled
    trainings: Trainings

    def unseen(self, fold: Fold) -> FloatArray:
        """(S, N, K) logits by seed about the fold's training part, each image by a network that did not learn from it.

        N is the whole target; rows outside the training part are nan, and so is whatever is made of them.
        """
        chosen = chosen_for(fold, self.recipe, self.labelled, self.trainings)

        def by_seed(part: Fold) -> FloatArray:
            of, number = chosen.recipe, chosen.number
            return np.stack([inner_logits(fold, part, number, of, seed, self.trainings) for seed in of.seeds])

        return self._gathered([(part.test, by_seed(part)) for part in self.labelled.inner(fold, self.recipe)])

    def unseen_by_outer_folds(self) -> FloatArray:
        """(S, N, K) logits by seed about everybody, each image by a network of the outer fold that tests it."""
        told = []
        for fold in self.labelled.outer(self.recipe)[: self.recipe.folds.outer]:
            chosen = chosen_for(fold, self.recipe, self.labelled, self.trainings)
            told.append((fold.test, outer_logits(fold, chosen, self.recipe, self.trainings)))
        return self._gathered(told)

    def _gathered(self, told: Sequence[tuple[IntArray, FloatArray]]) -> FloatArray:
        shape = len(self.recipe.seeds), len(self.labelled.class_id), len(self.labelled.labels)
        logits = np.full(shape, np.nan, np.float32)
        for index, by_seed in told:
            logits[:, index] = by_seed
        return logits


def teaching(voices: Sequence[Voice], target: PreparedSet, task: Task, *, temperature: float, weight: float) -> Teach:
    """Targets (1 - weight) labels + weight teachers for every training of the student's."""
    folds = {name_of(fold): fold for fold in voices[0].labelled.outer(voices[0].recipe)}
    said: dict[str, FloatArray] = {}

    def teach(training: Training) -> FloatArray:
        outer = training.outer
        if outer not in said:
            logits = [v.unseen_by_outer_folds() if outer == EVERYBODY else v.unseen(folds[outer]) for v in voices]
            said[outer] = soft_targets(np.concatenate(logits), temperature)
        labels = target.select(training.train).targets(task, training.recipe.targets.rater_weight)
        return np.asarray((1 - weight) * labels + weight * said[outer][training.train], np.float32)

    return teach


def check_same_folds(teacher: Transfer, student: Transfer) -> None:
    """Teacher and student must leave out the same people.

    Raises:
        ConfigError: names the first difference.
    """
    asked = {
        "data": (teacher.data, student.data),
        "labels": (teacher.labels, student.labels),
        "folds.outer": (teacher.folds.outer, student.folds.outer),
        "folds.repeats": (teacher.folds.repeats, student.folds.repeats),
    }
    for key, (ours, theirs) in asked.items():
        if ours != theirs:
            raise ConfigError(f"{student.name}: {key} is {theirs}, but its teacher {teacher.name} has {ours}")
    if teacher.name == student.name:
        raise ConfigError(f"{student.name}: teacher and student need two names")


def _check_folders(teachers: Sequence[Teacher], student: Transfer, out: Path, start: Path | None) -> None:
    """All that can be wrong with the recipes and their folders, before a teacher is trained."""
    check_teaches(student, start)
    check_own(out / student.name, "transfer", [start, *(teacher.start for teacher in teachers)])
    for teacher in teachers:
        check_same_folds(teacher.recipe, student)
        check_teaches(teacher.recipe, teacher.start)
        check_own(out / teacher.recipe.name, "transfer", [teacher.start])


def _more(
    teachers: Sequence[Teacher], target: PreparedSet, task: Task, temperature: float, weight: float
) -> Mapping[str, Any]:
    taught = [made(teacher.recipe, target, task, teacher.start, None) for teacher in teachers]
    return {"distilled": {"teachers": taught, "temperature": temperature, "weight": weight}}
