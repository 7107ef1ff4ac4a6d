"""Intervals by drawing whole persons with all their images: images of one face are no independent witnesses.

A person's images are summed up once as counts (a confusion matrix, or right and all); a resample is then a weighted
sum of these, so that 10,000 resamples are one matrix product.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13 (percentile interval).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ffe_train.metrics import CountArray
from ffe_train.predictions import IntArray, Predictions, image_weight

RESAMPLES = 10_000
Statistic = Callable[[CountArray], CountArray]
"""(R, ...) counts of R resamples -> (R,) or (R, M) figures."""

_CELLS = 4_000_000
"""Most numbers of draws held at once: 32 MB."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"

    def as_dict(self) -> dict[str, float]:
        """JSON-able: value, low, high."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two answers to the same images are apart, the same persons being drawn for both."""

    interval: Interval
    """First minus second."""
    p: float
    """Two-sided."""


def person_confusion(predictions: Predictions) -> CountArray:
    """(S, K, K) confusion matrix of each person, truth in rows; an image's repeats share its weight of 1."""
    classes = len(predictions.labels)
    person, cells = predictions.person, classes * classes
    place = person * cells + predictions.truth * classes + predictions.predicted
    persons = int(person.max()) + 1 if len(person) else 0
    counts = np.asarray(np.bincount(place, image_weight(predictions), persons * cells), np.float64)
    return counts.reshape(persons, classes, classes)


def person_sums(person: IntArray, values: CountArray) -> CountArray:
    """(N,) numbers of persons 0 ... S-1 and (N, ...) values -> (S, ...) sums of each person."""
    sums = np.zeros((int(person.max()) + 1, *values.shape[1:]))
    np.add.at(sums, person, values)
    return sums


def interval(counts: CountArray, statistic: Statistic, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """95 % percentile interval of one figure over persons.

    Args:
        counts: (S, ...) counts of each person.
        statistic: figure of summed counts.
        resamples: how often persons are drawn.
        seed: of the draws; the same seed draws the same persons.
    """
    return intervals(counts, {"figure": lambda drawn: statistic(drawn)[:, None]}, resamples=resamples, seed=seed)[
        "figure"
    ][0]


def intervals(
    counts: CountArray, statistics: Mapping[str, Statistic], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, list[Interval]]:
    """Intervals of several vectors of figures from the same draws.

    Args:
        counts: (S, ...) counts of each person.
        statistics: by name, from (R, ...) summed counts to (R, M) figures.
        resamples: how often persons are drawn.
        seed: of the draws.

    Returns:
        By name, M intervals. Resamples in which a figure is undefined (nan) are left out of its interval.
    """
    drawn: dict[str, list[CountArray]] = {name: [] for name in statistics}
    for sums in _resampled(counts, resamples, seed):
        for name, statistic in statistics.items():
            drawn[name].append(statistic(sums))
    whole = counts.sum(axis=0)[None]
    return {n: _percentiles(statistic(whole)[0], np.concatenate(drawn[n])) for n, statistic in statistics.items()}


def paired(
    first: CountArray, second: CountArray, statistic: Statistic, *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """Paired bootstrap: whether two answers to the same persons differ.

    The p value is twice the smaller share of resamples on one side of 0, which is where the percentile interval of
    that level would touch 0; one is added to both counts so that it is never 0.
    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, ch. 4.

    Args:
        first: (S, ...) counts of each person, of one model.
        second: (S, ...) of the other model or of raters, the same persons in the same order.
        statistic: figure of summed counts.
        resamples: how often persons are drawn.
        seed: of the draws.

    Raises:
        ValueError: not the same number of persons.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} persons cannot be paired")
    ours, theirs = first.reshape(len(first), -1), second.reshape(len(second), -1)

    def gap(sums: CountArray) -> CountArray:
        mine = statistic(sums[:, : ours.shape[1]].reshape(-1, *first.shape[1:]))
        return mine - statistic(sums[:, ours.shape[1] :].reshape(-1, *second.shape[1:]))

    both = np.concatenate([ours, theirs], axis=1)
    gaps = np.concatenate([gap(sums) for sums in _resampled(both, resamples, seed)])
    gaps = gaps[~np.isnan(gaps)]
    side = min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))
    (found,) = _percentiles(gap(both.sum(axis=0)[None]), gaps[:, None])
    return Difference(found, min(1.0, 2 * (side + 1) / (len(gaps) + 1)))


def _resampled(counts: CountArray, resamples: int, seed: int) -> Iterator[CountArray]:
    """(R, ...) summed counts of drawn persons, a few thousand resamples at a time."""
    persons = len(counts)
    if not persons:
        raise ValueError("there is nobody to draw")
    rng = np.random.default_rng(seed)
    flat = counts.reshape(persons, -1)
    at_once = max(1, _CELLS // max(persons, flat.shape[1]))
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn = rng.integers(0, persons, (size, persons)) + np.arange(size)[:, None] * persons
        times = np.bincount(drawn.ravel(), minlength=size * persons).reshape(size, persons)
        yield (times.astype(np.float64) @ flat).reshape(size, *counts.shape[1:])


def _percentiles(values: CountArray, drawn: CountArray) -> list[Interval]:
    found = []
    for value, column in zip(values, drawn.T, strict=True):
        known = column[~np.isnan(column)]
        low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
        found.append(Interval(float(value), float(low), float(high)))
    return found
