"""Whether a difference is more than chance: intervals and tests of counts, Holm's correction, the marks of a grid.

Tests of counts take images for independent witnesses, which images of one person are not: where predictions are at
hand, draw persons instead (``bootstrap.paired``). Counts are all that a published table leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from ffe_train.bootstrap import RESAMPLES, Interval, paired, person_sums
from ffe_train.metrics import CountArray
from ffe_train.predictions import Predictions, image_weight

LEVEL = 0.05
Correction = Literal["holm", "none"]

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class ZTest:
    """A statistic with its two-sided p value."""

    z: float
    p: float


@dataclass(frozen=True, slots=True)
class Mark:
    """How one cell of a grid stands to the best one."""

    difference: float
    """Best minus this one; 0 for the best."""
    p: float
    """Two-sided, alone; 1 for the best."""
    adjusted: float
    """The same after correction for the number of cells."""
    best: bool
    tied: bool
    """The cell cannot be told from the best; true for the best itself."""


def wilson(right: float, count: float, level: float = LEVEL) -> Interval:
    """Interval of a share. Source: Wilson, J. Am. Stat. Assoc. 22, 1927.

    Raises:
        ValueError: not 0 <= right <= count, or count is 0.
    """
    _check_share(right, count)
    z, share = _NORMAL.inv_cdf(1 - level / 2), right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def exact(right: int, count: int, level: float = LEVEL) -> Interval:
    """Interval of a share that never covers too rarely. Source: Clopper and Pearson, Biometrika 26, 1934.

    Raises:
        ValueError: not 0 <= right <= count, or count is 0.
    """
    _check_share(right, count)
    low = 0.0 if right == 0 else _root(lambda share: binomial_tail(right, count, share) - level / 2)
    high = 1.0 if right == count else _root(lambda share: binomial_tail(right + 1, count, share) - (1 - level / 2))
    return Interval(right / count, low, high)


def binomial_tail(least: int, count: int, share: float) -> float:
    """P(X >= least) of a binomial X."""
    if least <= 0 or share >= 1:
        return 1.0 if least <= count else 0.0
    if share <= 0:
        return 0.0
    logs = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        + k * math.log(share) + (count - k) * math.log1p(-share)
        for k in range(least, count + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(map(math.exp, logs)))


def one_sample_z(right: float, count: float, share: float) -> ZTest:
    """Whether a share differs from a known one, the variance being that of the known one."""
    _check_share(right, count)
    return _z_test((right / count - share) / math.sqrt(share * (1 - share) / count))


def two_proportion_z(first: float, first_count: float, second: float, second_count: float) -> ZTest:
    """Whether two shares of independent samples differ, the variance being pooled; z > 0 where the first is larger."""
    _check_share(first, first_count)
    _check_share(second, second_count)
    pooled = (first + second) / (first_count + second_count)
    error = math.sqrt(pooled * (1 - pooled) * (1 / first_count + 1 / second_count))
    return _z_test((first / first_count - second / second_count) / error if error else 0.0)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of two answers to the same images.

    Source: McNemar, Psychometrika 12, 1947; exact as the binomial test of the discordant pairs.

    Args:
        only_first: images that only the first answers rightly.
        only_second: images that only the second answers rightly.
    """
    discordant = only_first + only_second
    return min(1.0, 2 * binomial_tail(max(only_first, only_second), discordant, 0.5)) if discordant else 1.0


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """P values adjusted step-down for their number. Source: Holm, Scand. J. Stat. 6, 1979."""
    order = sorted(range(len(p)), key=lambda k: p[k])
    adjusted, least = [0.0] * len(p), 0.0
    for rank, k in enumerate(order):
        least = max(least, min(1.0, (len(p) - rank) * p[k]))
        adjusted[k] = least
    return tuple(adjusted)


def tied_by_counts(
    right: Mapping[str, int], images: int, *, correction: Correction = "holm", level: float = LEVEL
) -> dict[str, Mark]:
    """Marks of a grid of which only the number of right answers is known: two-proportion z against the best.

    Args:
        right: right answers by cell.
        images: size of the test set, the same for every cell.
        correction: over the other cells, or none.
        level: below which a cell counts as worse.

    Raises:
        ValueError: there is no cell.
    """
    best = _best(right)
    tests = {name: two_proportion_z(right[best], images, k, images).p for name, k in right.items() if name != best}
    return _marks({name: (right[best] - k) / images for name, k in right.items()}, tests, best, correction, level)


def tied_with_best(
    cells: Mapping[str, Predictions],
    *,
    correction: Correction = "holm",
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Mark]:
    """Marks of a grid from its predictions: paired bootstrap of the accuracy over persons against the best.

    A cell's rows may be several repeats or seeds: an image's rows share its weight.

    Args:
        cells: predictions by cell, on the same persons.
        correction: over the other cells, or none.
        level: below which a cell counts as worse.
        resamples: how often persons are drawn.
        seed: of the draws.

    Raises:
        ValueError: there is no cell, or the cells' persons differ.
    """
    counts = _right_of_persons(cells)
    value = {name: float(_share(c.sum(axis=0)[None])[0]) for name, c in counts.items()}
    best = _best(value)
    tests = {
        name: paired(counts[best], c, _share, resamples=resamples, seed=seed).p
        for name, c in counts.items()
        if name != best
    }
    return _marks({name: value[best] - v for name, v in value.items()}, tests, best, correction, level)


def _right_of_persons(cells: Mapping[str, Predictions]) -> dict[str, CountArray]:
    """(S, 2) right answers and answers of each person, by cell."""
    counts, people = {}, []
    for name, cell in cells.items():
        weight = image_weight(cell)
        counts[name] = person_sums(cell.person, np.stack([weight * (cell.predicted == cell.truth), weight], axis=1))
        people.append(set(zip(cell.source.tolist(), cell.subject.tolist(), strict=True)))
    if any(who != people[0] for who in people):
        raise ValueError("the cells of a grid were tested on different people and cannot be compared")
    return counts


def _share(counts: CountArray) -> CountArray:
    return np.asarray(counts[:, 0] / counts[:, 1])


def _best(value: Mapping[str, float]) -> str:
    if not value:
        raise ValueError("a grid without cells has no best one")
    return max(value, key=lambda name: value[name])


def _marks(
    gap: Mapping[str, float], p: Mapping[str, float], best: str, correction: Correction, level: float
) -> dict[str, Mark]:
    adjusted = dict(zip(p, holm(list(p.values())) if correction == "holm" else p.values(), strict=True))
    return {
        name: Mark(0.0, 1.0, 1.0, best=True, tied=True)
        if name == best
        else Mark(gap[name], p[name], adjusted[name], best=False, tied=adjusted[name] >= level)
        for name in gap
    }


def _z_test(z: float) -> ZTest:
    return ZTest(z, 2 * _NORMAL.cdf(-abs(z)))


def _check_share(right: float, count: float) -> None:
    if not 0 <= right <= count or count <= 0:
        raise ValueError(f"{right} of {count} is no share")


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function of [0, 1] crosses 0, by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
