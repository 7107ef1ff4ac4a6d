"""What a transfer writes down of its folds: predictions, figures and choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ffe_train.bootstrap import interval, person_confusion
from ffe_train.calibration import expected_calibration_error
from ffe_train.metrics import accuracy
from ffe_train.nested import Answer
from ffe_train.predictions import Predictions
from ffe_train.prepared import PreparedSet
from ffe_train.target_set import Labelled, votes_of
from ffe_train.tasks import Task


def predictions_of(answers: Sequence[Answer], target: PreparedSet, task: Task) -> Predictions:
    """One row an image and repeat, in the target's order."""
    index = np.concatenate([answer.fold.test for answer in answers])
    sizes = [len(answer.fold.test) for answer in answers]
    fold = np.repeat([answer.fold.number for answer in answers], sizes)
    repeat = np.repeat([answer.fold.repeat for answer in answers], sizes)
    predictions = Predictions(
        task.labels,
        np.array([row.path for row in target.rows], np.str_)[index],
        target.subject[index],
        target.source[index],
        target.class_id(task)[index],
        np.concatenate([answer.probs for answer in answers]),
        fold,
        repeat,
        target.age[index],
        target.sex[index],
        votes_of(target, task)[index],
    )
    return predictions.select(np.lexsort((index, repeat)))


def figures_of(predictions: Predictions, answers: Sequence[Answer]) -> dict[str, Any]:
    """The headline: accuracy with its interval over people, beside what the commonest label alone would reach."""
    found = interval(person_confusion(predictions), accuracy)
    return {
        "accuracy": found.value,
        "accuracy_95": [found.low, found.high],
        "images": int((predictions.repeat == 0).sum()),
        "subjects": int(predictions.person.max()) + 1,
        "repeats": int(predictions.repeat.max()) + 1,
        "commonest_label": float(np.bincount(predictions.truth).max() / len(predictions)),
        "ece": expected_calibration_error(predictions.probs, predictions.truth),
        "inner_accuracy": float(np.mean([one.chosen.inner_accuracy[one.chosen.number] for one in answers])),
    }


def fold_record(answer: Answer, labelled: Labelled) -> dict[str, Any]:
    """What was chosen for one outer fold, from how many people, and how it went."""
    fold, chosen = answer.fold, answer.chosen
    truth = labelled.class_id[fold.test]
    return {
        "repeat": fold.repeat,
        "fold": fold.number,
        "train_images": len(fold.train),
        "train_subjects": len(np.unique(labelled.person[fold.train])),
        "test_images": len(fold.test),
        "test_subjects": len(np.unique(labelled.person[fold.test])),
        "chosen": chosen.values,
        "inner_accuracy": list(chosen.inner_accuracy),
        "temperature": chosen.temperature,
        "accuracy": float((answer.probs.argmax(1) == truth).mean()),
        "accuracy_by_seed": [float((logits.argmax(1) == truth).mean()) for logits in answer.logits],
    }
