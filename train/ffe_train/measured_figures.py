"""Figures of a model on one held-out set: of all faces, of the old and the young, of women and men."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ffe_edge.jsonable import jsonable
from ffe_train.bootstrap import RESAMPLES, intervals, paired, person_confusion, person_sums
from ffe_train.calibration import BINS
from ffe_train.groups import LEAST_SUBJECTS, SEXES
from ffe_train.measured import names_people
from ffe_train.measured_age import OLD, UNKNOWN_AGE, YOUNG, age_names, neutral_by_age, share
from ffe_train.metrics import CountArray, accuracy, macro_f1
from ffe_train.predictions import IntArray, Predictions
from ffe_train.report import calibrated, classified, selective

CHANCE_DRAWS: Final = 200
ORDER: Final = (OLD, YOUNG, UNKNOWN_AGE, *SEXES.values())
"""Of groups."""

Mask = npt.NDArray[np.bool_]


def figures_of_set(
    predictions: Predictions, *, threshold: float, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Every figure of one set.

    Args:
        predictions: one row an image.
        threshold: probability below which a device abstains.
        resamples: how often people are drawn, or images where the set names no people.
        seed: of the draws.

    Returns:
        JSON-able. Intervals are ``{"value", "low", "high"}``, 95 %.
    """
    default, named = at_threshold(predictions, threshold, resamples, seed), names_people(predictions)
    return {
        "drawn": "subjects" if named else "images",
        **_core(predictions, named, resamples, seed),
        "calibration": calibrated(predictions, resamples, seed),
        "abstaining": {**selective(predictions), "default": default},
        "groups": [
            {"kind": kind, "name": name, **_core(predictions.select(mask), named, resamples, seed)}
            for kind, name, mask in _groups(predictions)
        ],
        "neutral_by_age": neutral_by_age(predictions, resamples, seed),
    }


def against(
    first: Predictions, second: Predictions, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """How far two models are apart on the same faces, the same people being drawn for both.

    Returns:
        Of accuracy and macro F1: the second's value, first minus second with its interval, and the two-sided p.

    Raises:
        ValueError: not the same faces or labels.
    """
    if first.labels != second.labels or (first.path != second.path).any():
        raise ValueError("only answers to the same faces, in the same labels, can be compared")
    ours, theirs = person_confusion(first), person_confusion(second)
    found = {}
    for name, statistic in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        gap = paired(ours, theirs, statistic, resamples=resamples, seed=seed)
        other = float(statistic(theirs.sum(axis=0)[None])[0])
        found[name] = {"other": other, "difference": jsonable(gap.interval), "p": gap.p}
    return found


def at_threshold(predictions: Predictions, threshold: float, resamples: int, seed: int) -> dict[str, Any]:
    """How many faces are answered at a threshold, and how many of these answers are right."""
    answered = predictions.probs.max(axis=1) >= threshold
    right = answered & (predictions.predicted == predictions.truth)
    columns = np.stack([np.ones(len(predictions)), answered, right], axis=1)
    figures = {"coverage": share(1, 0), "accuracy": share(2, 1)}
    drawn = intervals(person_sums(predictions.person, columns), figures, resamples=resamples, seed=seed)
    return {"threshold": threshold, **{name: jsonable(found[0]) for name, found in drawn.items()}}


def calibration_error(predictions: Predictions, resamples: int, seed: int) -> dict[str, float]:
    """ECE with its interval, and what chance alone makes of it on as few images.

    Bins are filled unevenly by chance, so that a perfectly calibrated model has an ECE above 0, too: ``chance`` is its
    mean. The interval is moved up by the same, and says how far the figure may wander, not where the truth lies.

    Returns:
        value, low, high, chance.
    """
    confidence = predictions.probs.max(axis=1).astype(np.float64)
    right = (predictions.predicted == predictions.truth).astype(np.float64)
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    inside = np.eye(BINS)[place]
    counts = person_sums(predictions.person, np.stack([inside * (right - confidence)[:, None], inside], axis=1))
    found = intervals(counts, {"ece": lambda m: _ece(m)[:, None]}, resamples=resamples, seed=seed)["ece"][0]
    return {**found.as_dict(), "chance": _chance(confidence, place, seed)}


def _ece(counts: CountArray) -> CountArray:
    """(R, 2, BINS) sums of right minus confidence, and images -> (R,)."""
    return np.asarray(np.abs(counts[:, 0]).sum(axis=-1) / counts[:, 1].sum(axis=-1))


def _chance(confidence: CountArray, place: IntArray, seed: int) -> float:
    rng = np.random.default_rng(seed)
    gaps = [(rng.random(len(confidence)) < confidence) - confidence for _ in range(CHANCE_DRAWS)]
    return float(np.mean([np.abs(np.bincount(place, gap)).sum() for gap in gaps]) / len(confidence))


def _core(predictions: Predictions, named: bool, resamples: int, seed: int) -> dict[str, Any]:
    """Counts, accuracy, macro F1, the table of classes, ECE; counts alone where the people are too few."""
    people = len(np.unique(predictions.person))
    about = {"images": len(predictions), "subjects": people if named else None}
    if people < LEAST_SUBJECTS:
        return {**about, "too_few": True}
    found = classified(predictions, resamples, seed)
    kept = {name: found[name] for name in ("accuracy", "macro_f1", "macro", "classes", "confusion")}
    return {**about, "too_few": False, "labels": list(predictions.labels), **kept,
            "ece": calibration_error(predictions, resamples, seed)}  # fmt: skip


def _groups(predictions: Predictions) -> Iterator[tuple[str, str, Mask]]:
    """By age and by sex, where these are known of anybody."""
    sexes = np.array([SEXES.get(sex, sex) for sex in predictions.sex.tolist()], np.str_)
    for kind, names, nothing in (("age", age_names(predictions), UNKNOWN_AGE), ("sex", sexes, SEXES[""])):
        there = sorted(set(names.tolist()), key=ORDER.index)
        if there != [nothing]:
            yield from ((kind, name, names == name) for name in there)
