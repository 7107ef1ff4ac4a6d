"""What human raters said about the images, one line an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ffe_edge.errors import DataError
from ffe_train.csv_columns import read_table
from ffe_train.predictions import OTHER, IntArray, Predictions, StringArray
from ffe_train.tasks import Task

OTHER_JAPANESE = "その他"


@dataclass(frozen=True)
class Answers:
    """What each rater said, as parallel arrays."""

    path: StringArray
    """(A,) which image."""
    rater: StringArray
    """(A,) who."""
    answer: IntArray
    """(A,) class id among the labels asked for, K for other."""


def read_answers(path: Path, task: Task, labels: tuple[str, ...] = ()) -> Answers:
    """Read ``path,rater,answer``: an answer is a label, its Japanese name, ``other`` or その他.

    Args:
        path: the csv.
        task: all that raters could answer.
        labels: those of the task that are compared. An answer that is another label of the task counts as other, as
            the counts of a manifest do. Empty: all.

    Raises:
        DataError: the file cannot be read, a column is missing, an answer is none of these, or a rater answers twice
            about one image.
    """
    table = read_table(path)
    for name in ("path", "rater", "answer"):
        if name not in table.cells:
            raise DataError(f"{path}: line 1: column {name} is missing; needed are path, rater, answer")
    asked = labels or task.labels
    ids = [asked.index(label) if label in asked else len(asked) for label in (*task.labels, OTHER)]
    words = dict(zip((*task.labels, OTHER), ids, strict=True))
    words |= dict(zip((*task.japanese, OTHER_JAPANESE), ids, strict=True))
    images, raters = table.texts("path"), table.texts("rater")
    seen: set[tuple[str, str]] = set()
    for row, key in enumerate(zip(images, raters, strict=True)):
        if key in seen:
            raise table.error(row, "rater", f"'{key[1]}' answers twice about {key[0]}")
        seen.add(key)
    answer = np.array(table.choices("answer", words), np.int64)
    return Answers(np.array(images, np.str_), np.array(raters, np.str_), answer)


def with_answers(predictions: Predictions, answers: Answers) -> Predictions:
    """The predictions with the answers as votes, in place of any that they had; answers about no row are left out.

    Raises:
        DataError: no answer is about an image of the predictions.
    """
    paths, place = np.unique(predictions.path, return_inverse=True)
    found = np.minimum(np.searchsorted(paths, answers.path), max(len(paths) - 1, 0))
    known = np.flatnonzero(paths[found] == answers.path) if len(paths) else np.zeros(0, np.int64)
    if not len(known):
        raise DataError("no answer is about an image of the predictions; compare the column path of both files")
    votes = np.zeros((len(paths), len(predictions.labels) + 1), np.float32)
    np.add.at(votes, (found[known], answers.answer[known]), 1)
    return replace(predictions, votes=votes[place])
