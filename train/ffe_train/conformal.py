"""Sets of labels that hold the truth as often as promised, for people who were not seen before.

Images of one person are not exchangeable with images of others, persons are with persons. So persons are the unit of
calibration: of S persons and the one to come each has the weight 1 / (S + 1), which a person's images share equally,
and the new person's weight lies at infinity. The threshold is the (1 - alpha) quantile of these weighted scores. Then
an image drawn from a new person's has the truth in its set with probability 1 - alpha or more, however many images
each person has; with one image a person it is common split conformal prediction.
Source: Lee, Barber and Willett, Distribution-free inference with hierarchical data, arXiv 2306.06342 (HCP).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ffe_edge.types import FloatArray
from ffe_train.metrics import CountArray
from ffe_train.predictions import IntArray, Predictions

Kind = Literal["lac", "aps"]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sets:
    """What conformal sets did on a test set."""

    kind: Kind
    alpha: float
    """Share of images whose set may lack the truth."""
    coverage: float
    """Mean over persons of the share of a person's images whose set holds the truth: what is promised."""
    coverage_of_images: float
    """The same over images."""
    worst_person: float
    """Coverage of the person with the least."""
    mean_size: float
    """Labels a set, over images."""
    singletons: float
    """Share of images with one label in the set."""
    singleton_accuracy: float
    """How often that one label is right; nan where there is none."""
    everything: float
    """Share of images whose set is all labels: nothing was learnt from them."""
    sizes: tuple[int, ...]
    """(K,) images whose set has 1 ... K labels."""


def scores(probs: FloatArray, kind: Kind) -> CountArray:
    """How badly each label fits each image: (N, K) probabilities -> (N, K) scores.

    ``lac``: 1 - p. Source: Sadinle, Lei and Wasserman, J. Am. Stat. Assoc. 114, 2019.
    ``aps``: the sum of p over the labels at least as likely, the label's own included, without randomisation: sets are
    somewhat larger than needed and the same each time. Source: Romano, Sesia and Candès, NeurIPS 2020.
    """
    exact = probs.astype(np.float64)
    if kind == "lac":
        return np.asarray(1 - exact)
    order = np.argsort(-exact, axis=1, kind="stable")
    summed = np.empty_like(exact)
    np.put_along_axis(summed, order, np.cumsum(np.take_along_axis(exact, order, axis=1), axis=1), axis=1)
    return summed


def threshold(score: CountArray, person: IntArray, alpha: float) -> float:
    """Score up to which labels belong to a set.

    Args:
        score: (N,) of the truth of each calibration image.
        person: (N,) who each image shows.
        alpha: share of images whose set may lack the truth.

    Returns:
        The threshold; inf where there are fewer than 1 / alpha - 1 persons, so that a set is all labels.

    Raises:
        ValueError: alpha is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}")
    if not len(score):
        return float("inf")
    _, code, count = np.unique(person, return_inverse=True, return_counts=True)
    order = np.argsort(score, kind="stable")
    weight = np.cumsum((1 / count[code] / (len(count) + 1))[order])
    place = int(np.searchsorted(weight, 1 - alpha - 1e-12))
    return float(score[order[place]]) if place < len(score) else float("inf")


def sets(probs: FloatArray, kind: Kind, limit: float) -> BoolArray:
    """(N, K) which labels belong to each image's set; the likeliest always does, which can only cover more."""
    inside = scores(probs, kind) <= limit + 1e-9
    inside[np.arange(len(probs)), probs.argmax(axis=1)] = True
    return inside


def cross_sets(predictions: Predictions, kind: Kind, alpha: float, *, seed: int = 0) -> BoolArray:
    """(N, K) sets of every image, calibrated on the other folds of its repeat.

    With a single fold its persons are halved at random, and each half is calibrated on the other. The folds' models
    differ, so over folds the promise holds as nearly as these are alike. Source: Vovk, Ann. Math. Artif. Intell. 74,
    2015 (cross-conformal prediction).
    """
    score = scores(predictions.probs, kind)[np.arange(len(predictions)), predictions.truth]
    inside = np.zeros(predictions.probs.shape, bool)
    for repeat in np.unique(predictions.repeat):
        rows = np.flatnonzero(predictions.repeat == repeat)
        part = _parts(predictions.select(rows), seed)
        for tested in np.unique(part):
            there, rest = rows[part == tested], rows[part != tested]
            limit = threshold(score[rest], predictions.person[rest], alpha)
            inside[there] = sets(predictions.probs[there], kind, limit)
    return inside


def judged(predictions: Predictions, inside: BoolArray, kind: Kind, alpha: float) -> Sets:
    """What the sets (N, K) did."""
    covered = inside[np.arange(len(predictions)), predictions.truth]
    person, size = predictions.person, inside.sum(axis=1)
    of_person = np.bincount(person, covered) / np.bincount(person)
    single, classes = size == 1, inside.shape[1]
    return Sets(
        kind,
        alpha,
        coverage=float(of_person.mean()),
        coverage_of_images=float(covered.mean()),
        worst_person=float(of_person.min()),
        mean_size=float(size.mean()),
        singletons=float(single.mean()),
        singleton_accuracy=float(covered[single].mean()) if single.any() else float("nan"),
        everything=float((size == classes).mean()),
        sizes=tuple(np.bincount(size, minlength=classes + 1)[1:].tolist()),
    )


def cross_conformal(predictions: Predictions, kind: Kind = "lac", alpha: float = 0.1, *, seed: int = 0) -> Sets:
    """Conformal sets of every image from the persons of the other folds, and what they did.

    Args:
        predictions: of one or more repeats.
        kind: of the score.
        alpha: share of images whose set may lack the truth.
        seed: of the halving where there is one fold only.
    """
    return judged(predictions, cross_sets(predictions, kind, alpha, seed=seed), kind, alpha)


def _parts(predictions: Predictions, seed: int) -> IntArray:
    """(N,) what is calibrated on the rest: the folds, or two halves of the persons."""
    if len(np.unique(predictions.fold)) > 1:
        return predictions.fold
    person = predictions.person
    half = np.random.default_rng(seed).permutation(int(person.max()) + 1) % 2
    return np.asarray(half[person], np.int64)
