"""Finished stages tell a new one what its faces show, those without a label as well.

Source: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015, section 2.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ffe_edge.errors import ConfigError, DataError
from ffe_edge.types import FloatArray
from ffe_train.calibration import softmax
from ffe_train.checkpoint import load_expression_network, read_stored, weights_digest
from ffe_train.logits import logits_of
from ffe_train.pretrain_data import Lesson, doubted, shares_of_doubt
from ffe_train.recipes import Pretrain
from ffe_train.stage_folder import origin_of
from ffe_train.voices import Voices, write_voices


def taught(lesson: Lesson, recipe: Pretrain, teachers: Sequence[Path], kept: Path, device: torch.device) -> Lesson:
    """The lesson with its teachers' voices in the targets, and their digests in what it is made of.

    Where a face has a label, the targets are (1 - weight) labels + weight teachers; elsewhere the teachers alone.

    Args:
        lesson: faces and labels.
        recipe: weight and temperature.
        teachers: folders of the stages that the recipe names, in its order.
        kept: folder where what each has said is kept, so that it is asked once.
        device: where the networks run.

    Raises:
        ConfigError: a teacher is not given, or tells other labels.
        ModelError: a teacher's weights are absent or damaged.
    """
    said = _asked(lesson, recipe, teachers, kept, device)
    return _mixed(lesson, recipe, said, np.ones(len(said), np.bool_), {"teachers": _digests(recipe, teachers)})


def taught_by_voices(lesson: Lesson, recipe: Pretrain, voices: Voices) -> Lesson:
    """The same from a file; a face with a label that it does not know is taught by its label alone.

    Raises:
        ConfigError: the file tells other labels, or other teachers, than the recipe.
        DataError: the file says nothing of a face without a label, or of none at all.
    """
    teaching = recipe.teaching
    if teaching is None:
        return lesson
    if voices.labels != lesson.classes:
        raise ConfigError(f"{teaching.voices}: tells {', '.join(voices.labels)}, not {', '.join(lesson.classes)}")
    if tuple(voices.teachers) != teaching.teachers or voices.temperature != teaching.temperature:
        raise ConfigError(
            f"{teaching.voices}: is of {', '.join(voices.teachers)} at temperature {voices.temperature:g}, "
            f"and {recipe.name} asks {', '.join(teaching.teachers)} at {teaching.temperature:g}"
        )
    said, told = voices.of(lesson.train)
    without = ~told & (lesson.targets.sum(axis=1) == 0)
    if without.any() or not told.any():
        count = without.sum() or len(told)
        raise DataError(f"{teaching.voices}: says nothing of {count} faces that have no other teacher")
    return _mixed(lesson, recipe, said, told, {"voices": voices.sha256})


def note_voices(
    path: Path, lesson: Lesson, recipe: Pretrain, teachers: Sequence[Path], kept: Path, device: torch.device
) -> None:
    """Ask the teachers of a recipe and write down what they say about all that it learns.

    Raises:
        ConfigError: the recipe has no teachers, one is not given, or tells other labels.
        ModelError: a teacher's weights are absent or damaged.
        DataError: the file cannot be written.
    """
    if recipe.teaching is None:
        raise ConfigError(f"{recipe.name}: has no teachers; give it a table [teaching]")
    origin = origin_of(None, teachers)
    write_voices(
        path,
        lesson.train,
        _asked(lesson, recipe, teachers, kept, device),
        labels=lesson.classes,
        teachers=_digests(recipe, teachers),
        temperature=recipe.teaching.temperature,
        licence=origin.licence,
        sets=origin.sets,
        people=origin.people,
    )


def soft_targets(logits: Sequence[FloatArray] | FloatArray, temperature: float) -> FloatArray:
    """Mean over the teachers of softmax(logits / T): M times (N, K) -> (N, K) float32."""
    return np.asarray(np.mean([softmax(one, temperature) for one in logits], axis=0), np.float32)


def _asked(lesson: Lesson, recipe: Pretrain, teachers: Sequence[Path], kept: Path, device: torch.device) -> FloatArray:
    if recipe.teaching is None or len(teachers) != len(recipe.teaching.teachers):
        names = recipe.teaching.teachers if recipe.teaching else ()
        raise ConfigError(f"{recipe.name}: is taught by {', '.join(names)}, which are not given")
    for folder in teachers:
        if tuple(labels := read_stored(folder).about.get("labels", ())) != lesson.classes:
            raise ConfigError(f"{folder}: tells {', '.join(labels) or 'no labels'}, not {', '.join(lesson.classes)}")
    return soft_targets([_said(folder, lesson, kept, device) for folder in teachers], recipe.teaching.temperature)


def _mixed(
    lesson: Lesson,
    recipe: Pretrain,
    said: FloatArray,
    told: np.ndarray[Any, np.dtype[np.bool_]],
    made_of: dict[str, Any],
) -> Lesson:
    share = recipe.teaching.weight if recipe.teaching else 0.0
    labelled = lesson.targets.sum(axis=1) > 0
    weight = np.where(told, np.where(labelled, share * _spoken_of(lesson, recipe), 1.0), 0.0)[:, None]
    said = doubted(said, np.where(labelled, 0.0, shares_of_doubt(recipe, lesson.counts)))
    targets = np.asarray((1 - weight) * lesson.targets + weight * said, np.float32)
    return replace(lesson, targets=targets, made_of={**lesson.made_of, **made_of})


def _spoken_of(lesson: Lesson, recipe: Pretrain) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(N,) whether a face is of a set that the teachers speak of."""
    about = recipe.teaching.about if recipe.teaching else ()
    return np.repeat([not about or name in about for name in recipe.learned], lesson.counts)


def _digests(recipe: Pretrain, teachers: Sequence[Path]) -> dict[str, str]:
    names = recipe.teaching.teachers if recipe.teaching else ()
    return {name: weights_digest(folder) for name, folder in zip(names, teachers, strict=True)}


def _said(folder: Path, lesson: Lesson, kept: Path, device: torch.device) -> FloatArray:
    """Logits (N, K) of a teacher, the mean over each face and its mirror image."""
    path = kept / f"{weights_digest(folder)[:16]}-{lesson.train.digest[:16]}.npy"
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    logits = logits_of(load_expression_network(folder).to(device), lesson.train, device, flip=True)
    kept.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial.npy")  # several stages may ask at a time
    np.save(partial, logits, allow_pickle=False)
    partial.replace(path)
    return logits
