"""Results that are honest about their error bars."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ffe_edge.emotions import LABELS
from ffe_edge.types import FloatArray
from ffe_train.data import Samples

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval by bootstrap."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def confusion(truth: IntArray, predicted: IntArray, classes: int) -> IntArray:
    """(K, K) counts, truth in rows."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def precision_recall_f1(matrix: IntArray) -> FloatArray:
    """(K, 3) precision, recall, F1 from a confusion matrix; nan where a class has no image."""
    true = np.diag(matrix).astype(float)
    predicted, present = matrix.sum(axis=0), matrix.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(predicted > 0, true / predicted, 0.0)
        recall = true / present
        f1 = 2 * true / (predicted + present)
    return np.stack([np.where(present > 0, column, np.nan) for column in (precision, recall, f1)], 1).astype(np.float32)


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """(N, K) logits -> probabilities."""
    shifted = logits / temperature
    powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def expected_calibration_error(probs: FloatArray, truth: IntArray, bins: int = 15) -> float:
    """ECE of the top class. Source: Guo et al., On calibration of modern neural networks, ICML 2017, eq. 3."""
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(right[place == b].mean() - confidence[place == b].mean()) * (place == b).mean() for b in np.unique(place)
    ]
    return float(sum(gaps))


def fit_temperature(logits: FloatArray, truth: IntArray) -> float:
    """Temperature of least negative log-likelihood on validation data, by golden-section search on its logarithm."""

    def loss(log_temperature: float) -> float:
        probs = softmax(logits, float(np.exp(log_temperature)))
        return float(-np.log(probs[np.arange(len(truth)), truth] + 1e-12).mean())

    low, high, ratio = np.log(0.2), np.log(5.0), (np.sqrt(5) - 1) / 2
    while high - low > 1e-3:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def bootstrap(
    statistic: Callable[[IntArray], float], subject: npt.NDArray[np.str_], *, draws: int = 2000, seed: int = 0
) -> Interval:
    """95 % percentile interval over subjects: whole people are drawn, with all their images.

    Args:
        statistic: from the indices of the images drawn to a figure.
        subject: (N,) who each image shows.
        draws: how often people are drawn.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    _, person = np.unique(subject, return_inverse=True)
    order = np.argsort(person, kind="stable")
    starts = np.searchsorted(person[order], np.arange(person.max() + 2))
    images = [order[begin:end] for begin, end in itertools.pairwise(starts)]
    values = []
    for _ in range(draws):
        drawn = rng.integers(0, len(images), len(images))
        values.append(statistic(np.concatenate([images[index] for index in drawn])))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Interval(statistic(np.arange(len(subject))), float(low), float(high))


def evaluate(probs: FloatArray, samples: Samples) -> dict[str, Any]:
    """Everything that the model card says about one test set.

    Args:
        probs: (N, K) calibrated probabilities.
        samples: the N images they belong to.

    Returns:
        n, subjects, accuracy and macro-F1 with intervals, the labels averaged over, ECE, and per class n, precision,
        recall and F1 with the recall's interval. Macro averages are over the classes that have an image.
    """
    truth, predicted = samples.class_id, np.asarray(probs.argmax(axis=1), np.int64)
    matrix = confusion(truth, predicted, len(LABELS))
    present = matrix.sum(axis=1) > 0

    def macro_f1(index: IntArray) -> float:
        drawn = confusion(truth[index], predicted[index], len(LABELS))
        return float(np.nanmean(precision_recall_f1(drawn)[present, 2]))

    right = predicted == truth
    return {
        "images": len(samples),
        "subjects": len(np.unique(samples.subject)),
        "accuracy": _rounded(bootstrap(lambda index: float(right[index].mean()), samples.subject)),
        "macro_f1": _rounded(bootstrap(macro_f1, samples.subject, draws=500)),
        "macro_over": [label for label, has in zip(LABELS, present, strict=True) if has],
        "ece": round(expected_calibration_error(probs, truth), 4),
        "classes": {LABELS[k]: _class_row(matrix, int(k), right, samples) for k in np.flatnonzero(present)},
        "confusion": matrix.tolist(),
    }


def _class_row(matrix: IntArray, k: int, right: npt.NDArray[np.bool_], samples: Samples) -> dict[str, Any]:
    precision, recall, f1 = precision_recall_f1(matrix)[k]
    of_class = np.flatnonzero(samples.class_id == k)
    interval = bootstrap(lambda index: float(right[of_class][index].mean()), samples.subject[of_class], draws=1000)
    return {
        "images": len(of_class),
        "precision": round(float(precision), 4),
        "recall": round(float(recall), 4),
        "recall_95": [round(interval.low, 4), round(interval.high, 4)],
        "f1": round(float(f1), 4),
    }


def _rounded(interval: Interval) -> dict[str, float]:
    return {"value": round(interval.value, 4), "low": round(interval.low, 4), "high": round(interval.high, 4)}
