"""Figures of a classifier from counts: each says which labels it averages over.

Matrices are (..., K, C) counts with the truth in rows and the answer in columns, C = K, or K + 1 where raters could
answer "other". Leading axes are resamples. Counts may be fractions: answers weigh less than images, for example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ffe_train.predictions import OTHER, IntArray

CountArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Macro:
    """Unweighted means over classes, with the labels they are taken over."""

    precision: float
    recall: float
    f1: float
    over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Precision, recall and F1 of each label, and the counts they come from. What is undefined is 0 and named."""

    labels: tuple[str, ...]
    """(C,)"""
    images: CountArray
    """(C,) images (or answers) whose truth is the label."""
    true: CountArray
    """(C,) of these, answered with the label."""
    predicted: CountArray
    """(C,) images (or answers) answered with the label."""
    precision: CountArray
    recall: CountArray
    f1: CountArray

    @property
    def never_predicted(self) -> tuple[str, ...]:
        """Labels whose precision is undefined and counts as 0."""
        return tuple(label for label, n in zip(self.labels, self.predicted, strict=True) if n == 0)

    @property
    def without_images(self) -> tuple[str, ...]:
        """Labels whose recall is undefined and counts as 0."""
        return tuple(label for label, n in zip(self.labels, self.images, strict=True) if n == 0)

    def macro(self, over: Sequence[str] | None = None) -> Macro:
        """Means over the given labels, by default those that have an image.

        Raises:
            ValueError: a label is not of the table, or there is none.
        """
        chosen = tuple(over) if over is not None else tuple(x for x in self.labels if x not in self.without_images)
        place = [self.labels.index(label) for label in chosen]
        if not place:
            raise ValueError("a macro average needs a label")
        precision, recall, f1 = (float(x[place].mean()) for x in (self.precision, self.recall, self.f1))
        return Macro(precision, recall, f1, chosen)

    def rows(self) -> list[dict[str, Any]]:
        """One JSON-able dict a label."""
        names = ("images", "true", "predicted", "precision", "recall", "f1")
        columns = {name: getattr(self, name).tolist() for name in names}
        return [{"label": self.labels[k]} | {n: columns[n][k] for n in names} for k in range(len(self.labels))]


def from_counts(
    labels: Sequence[str], images: npt.ArrayLike, true: npt.ArrayLike, predicted: npt.ArrayLike
) -> ClassTable:
    """The table of a classifier of which only the margins are known.

    Args:
        labels: (C,) names.
        images: (C,) images of each label.
        true: (C,) of these, predicted as it.
        predicted: (C,) images predicted as the label.

    Raises:
        ValueError: lengths differ or a label has more true positives than images or predictions.
    """
    shown, right, told = (np.asarray(x, np.float64) for x in (images, true, predicted))
    if not len(labels) == len(shown) == len(right) == len(told):
        raise ValueError(f"{len(labels)} labels do not fit counts {shown.shape}, {right.shape}, {told.shape}")
    if (right < 0).any() or (right > shown + 1e-9).any() or (right > told + 1e-9).any():
        raise ValueError("more true positives than images or predictions of a label")
    f1 = _ratio(2 * right, shown + told, 0.0)
    return ClassTable(tuple(labels), shown, right, told, _ratio(right, told, 0.0), _ratio(right, shown, 0.0), f1)


def table_of(labels: Sequence[str], matrix: npt.ArrayLike) -> ClassTable:
    """The table of a confusion matrix (K, K) or (K, K+1); the latter has ``other`` as its last, empty label."""
    counts = np.asarray(matrix, np.float64)
    extra = counts.shape[1] - counts.shape[0]
    names = (*labels, OTHER) if extra else tuple(labels)
    padded = np.pad(counts, ((0, extra), (0, 0)))
    return from_counts(names, padded.sum(axis=1), np.diag(padded), padded.sum(axis=0))


def confusion(truth: IntArray, predicted: IntArray, classes: int) -> IntArray:
    """(K, K) counts, truth in rows."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def accuracy(matrix: CountArray) -> CountArray:
    """(..., K, C) -> (...) share that is right; nan where there is nothing."""
    return _ratio(_hits(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)), np.nan)


def balanced_accuracy(matrix: CountArray) -> CountArray:
    """(..., K, C) -> (...) mean recall over the classes that have an image."""
    return _mean_of_known(precision_recall_f1(matrix)[..., 1])


def macro_f1(matrix: CountArray) -> CountArray:
    """(..., K, C) -> (...) mean F1 over the classes that have an image."""
    return _mean_of_known(precision_recall_f1(matrix)[..., 2])


def precision_recall_f1(matrix: CountArray) -> CountArray:
    """(..., K, C) -> (..., K, 3); 0 for the precision of a label never predicted, nan for classes with no image."""
    hits, shown = _hits(matrix), matrix.sum(axis=-1)
    told = matrix.sum(axis=-2)[..., : matrix.shape[-2]]
    table = np.stack([_ratio(hits, told, 0.0), _ratio(hits, shown, np.nan), _ratio(2 * hits, shown + told, 0.0)], -1)
    return np.where(shown[..., None] > 0, table, np.nan)


def _hits(matrix: CountArray) -> CountArray:
    return np.asarray(np.diagonal(matrix, axis1=-2, axis2=-1), np.float64)


def _ratio(part: CountArray, whole: CountArray, otherwise: float) -> CountArray:
    return np.divide(part, whole, out=np.full(np.shape(whole), otherwise, np.float64), where=whole > 0)


def _mean_of_known(values: CountArray) -> CountArray:
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(np.float64), np.nan)
