"""What a smaller file costs in accuracy: both files on the same labelled crops, people drawn for both at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ffe_edge.types import FloatArray
from ffe_export.crop_sources import IntArray
from ffe_export.interval import DoubleArray, Interval, percentiles, wilson
from ffe_export.labelled import StringArray

RESAMPLES: Final = 10_000
BINS: Final = 15
_CELLS: Final = 4_000_000
"""Most numbers of draws held at once: 32 MB."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Crops of like confidence."""

    images: int
    confidence: float
    """Mean of the crops in it."""
    accuracy: Interval
    """Wilson's interval."""


@dataclass(frozen=True)
class Score:
    """One file on the labelled crops."""

    accuracy: Interval
    macro_f1: Interval
    """Over the labels that have a crop."""
    ece: float
    """Expected calibration error of the likeliest class, 15 bins of equal width."""
    reliability: tuple[Bin, ...]


@dataclass(frozen=True)
class Comparison:
    """Reference against candidate on N labelled crops."""

    images: int
    people: int | None
    """How many the intervals draw from; None where crops are drawn because nobody is known."""
    over: tuple[int, ...]
    """Class ids that have a crop."""
    reference: Score
    candidate: Score
    accuracy_lost: Interval
    """Accuracy of the reference minus that of the candidate, paired."""
    macro_f1_lost: Interval
    only_reference: int
    """Crops that only the reference gets right."""
    only_candidate: int
    mcnemar_p: float
    """Exact, two-sided, crops taken as independent."""


def compare_accuracy(
    reference: FloatArray,
    candidate: FloatArray,
    class_id: IntArray,
    subject: StringArray | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Accuracy, macro F1 and calibration of two files, and what the second loses.

    Args:
        reference: (N, K) probabilities.
        candidate: (N, K), of the same crops.
        class_id: (N,) truth, 0 ... K-1.
        subject: (N,) who is shown; None draws crops instead of people.
        resamples: how often people are drawn.
        seed: of the draws.

    Raises:
        ValueError: no crop, or shapes do not fit.
    """
    if not len(class_id) or reference.shape != candidate.shape or len(reference) != len(class_id):
        raise ValueError(f"{reference.shape}, {candidate.shape} and {class_id.shape} are not the same crops")
    told = [probs.argmax(axis=1) for probs in (reference, candidate)]
    counts = np.stack([unit_confusion(answer, class_id, reference.shape[1], subject) for answer in told], axis=1)
    figures = _figures(counts, resamples, seed)
    only = _right_alone(told[0] == class_id, told[1] == class_id)
    return Comparison(
        images=len(class_id),
        people=None if subject is None else len(counts),
        over=tuple(np.unique(class_id).tolist()),
        reference=_score(reference, class_id, figures[:2]),
        candidate=_score(candidate, class_id, figures[2:4]),
        accuracy_lost=figures[4],
        macro_f1_lost=figures[5],
        only_reference=only[0],
        only_candidate=only[1],
        mcnemar_p=mcnemar(*only),
    )


def unit_confusion(answer: IntArray, truth: IntArray, classes: int, subject: StringArray | None = None) -> DoubleArray:
    """(S, K, K) confusion matrix, truth in rows, of each person, or of each crop where nobody is known."""
    if subject is None:
        unit, units = np.arange(len(truth)), len(truth)
    else:
        names, unit = np.unique(subject, return_inverse=True)
        unit, units = unit.reshape(-1), len(names)
    place = (unit * classes + truth) * classes + answer
    counts = np.bincount(place, minlength=units * classes * classes).astype(np.float64)
    return counts.reshape(units, classes, classes)


def accuracy_of(matrix: DoubleArray) -> DoubleArray:
    """(..., K, K) -> (...) share that is right."""
    return np.asarray(np.trace(matrix, axis1=-2, axis2=-1) / matrix.sum(axis=(-2, -1)))


def macro_f1_of(matrix: DoubleArray) -> DoubleArray:
    """(..., K, K) -> (...) mean F1 over the classes that have a crop."""
    hits, shown, told = np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-1), matrix.sum(axis=-2)
    f1 = 2 * hits / np.maximum(shown + told, 1)
    return np.asarray((f1 * (shown > 0)).sum(axis=-1) / (shown > 0).sum(axis=-1))


def reliability(probs: FloatArray, truth: IntArray, bins: int = BINS) -> tuple[Bin, ...]:
    """Accuracy against confidence in bins of equal width; empty ones are left out."""
    confidence, right = probs.max(axis=1).astype(np.float64), probs.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    found = []
    for number in np.unique(place):
        inside = place == number
        share = wilson(int(right[inside].sum()), int(inside.sum()))
        found.append(Bin(int(inside.sum()), float(confidence[inside].mean()), share))
    return tuple(found)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Expected calibration error. Source: Guo et al., ICML 2017, eq. 3."""
    images = sum(b.images for b in bins)
    return sum(b.images * abs(b.accuracy.value - b.confidence) for b in bins) / images


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of two answers to the same crops. Source: McNemar, Psychometrika 12, 1947."""
    discordant = only_first + only_second
    logs = (
        math.lgamma(discordant + 1) - math.lgamma(k + 1) - math.lgamma(discordant - k + 1) - discordant * math.log(2)
        for k in range(max(only_first, only_second), discordant + 1)
    )
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def _right_alone(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """How many only the first and only the second gets right."""
    return int((first & ~second).sum()), int((second & ~first).sum())


def _score(probs: FloatArray, class_id: IntArray, figures: list[Interval]) -> Score:
    bins = reliability(probs, class_id)
    return Score(figures[0], figures[1], calibration_error(bins), bins)


def _figures(counts: DoubleArray, resamples: int, seed: int) -> list[Interval]:
    """Accuracy and macro F1 of the reference, of the candidate, and the first minus the second.

    Args:
        counts: (S, 2, K, K) confusion of each unit, by either file.
        resamples: how often units are drawn.
        seed: of the draws.
    """

    def figures(sums: DoubleArray) -> DoubleArray:
        both = np.stack([accuracy_of(sums), macro_f1_of(sums)], axis=-1)  # (R, file, figure)
        return np.concatenate([both[:, 0], both[:, 1], both[:, 0] - both[:, 1]], axis=1)

    values = figures(counts.sum(axis=0)[None])[0]
    drawn = np.concatenate([figures(sums) for sums in _resampled(counts, resamples, seed)])
    return [percentiles(float(value), column) for value, column in zip(values, drawn.T, strict=True)]


def _resampled(counts: DoubleArray, resamples: int, seed: int) -> list[DoubleArray]:
    """Summed counts (R, ...) of units drawn with replacement, some resamples at a time.

    Units with the same counts are drawn together, by how many of them there are: the same draw in less time.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13.
    """
    kinds, times = np.unique(counts.reshape(len(counts), -1), axis=0, return_counts=True)
    rng, share = np.random.default_rng(seed), times / times.sum()
    at_once = max(1, _CELLS // max(kinds.shape))
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    drawn = (rng.multinomial(len(counts), share, size).astype(np.float64) @ kinds for size in sizes)
    return [sums.reshape(-1, *counts.shape[1:]) for sums in drawn]
