"""Finished stages tell a new one what its faces show, those without a label as well.

Source: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ffe_edge.errors import ConfigError
from ffe_edge.types import FloatArray
from ffe_train.calibration import softmax
from ffe_train.checkpoint import load_expression_network, read_stored, weights_digest
from ffe_train.logits import logits_of
from ffe_train.pretrain_data import Lesson
from ffe_train.recipes import Pretrain


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
    if recipe.teaching is None:
        return lesson
    if len(teachers) != len(recipe.teaching.teachers):
        raise ConfigError(f"{recipe.name}: is taught by {', '.join(recipe.teaching.teachers)}, which are not given")
    for folder in teachers:
        if tuple(labels := read_stored(folder).about.get("labels", ())) != lesson.classes:
            raise ConfigError(f"{folder}: tells {', '.join(labels) or 'no labels'}, not {', '.join(lesson.classes)}")
    voices = soft_targets([_said(folder, lesson, kept, device) for folder in teachers], recipe.teaching.temperature)
    weight = np.where(lesson.targets.sum(axis=1, keepdims=True) > 0, recipe.teaching.weight, 1.0)
    targets = np.asarray((1 - weight) * lesson.targets + weight * voices, np.float32)
    digests = {name: weights_digest(folder) for name, folder in zip(recipe.teaching.teachers, teachers, strict=True)}
    return replace(lesson, targets=targets, made_of={**lesson.made_of, "teachers": digests})


def soft_targets(logits: Sequence[FloatArray] | FloatArray, temperature: float) -> FloatArray:
    """Mean over the teachers of softmax(logits / T): M times (N, K) -> (N, K) float32."""
    return np.asarray(np.mean([softmax(one, temperature) for one in logits], axis=0), np.float32)


def _said(folder: Path, lesson: Lesson, kept: Path, device: torch.device) -> FloatArray:
    """Logits (N, K) of a teacher, the mean over each face and its mirror image."""
    path = kept / f"{weights_digest(folder)[:16]}-{lesson.train.digest[:16]}.npy"
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    logits = logits_of(load_expression_network(folder).to(device), lesson.train, device, flip=True)
    kept.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npy")
    np.save(partial, logits, allow_pickle=False)
    partial.replace(path)
    return logits
