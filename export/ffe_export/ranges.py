"""What range each tensor of a network takes on calibration crops, and where to cut it.

One pass over the crops fills a histogram of absolute values for every tensor; every method reads its cut from it. What
layers read is averaged by channel as well, for the correction of their biases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from ffe_edge.types import FloatArray

Method = Literal["min-max", "99.99%", "99.999%", "entropy", "error"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
BINS: Final = 4096
LEVELS: Final = 128
"""Steps of a symmetric INT8 number from zero to its end."""
_SMALLEST: Final = 2.0**-20
"""Range that a histogram begins with."""


class Histogram:
    """How often each magnitude comes; the range doubles when a larger one appears, two bins becoming one."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.range = _SMALLEST
        self.highest = 0.0
        self.lowest = 0.0

    def add(self, values: FloatArray) -> None:
        """Count a tensor's numbers.

        Raises:
            ValueError: one is not finite.
        """
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            raise ValueError("a tensor holds numbers that are not finite")
        self.lowest, self.highest = min(self.lowest, low), max(self.highest, high)
        while self.largest > self.range:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(axis=1), np.zeros(BINS // 2, np.int64)])
            self.range *= 2
        places = np.abs(values).ravel()
        places *= BINS / self.range
        self.counts += np.bincount(np.minimum(places.astype(np.int32), BINS - 1), minlength=BINS)

    @property
    def largest(self) -> float:
        """Largest magnitude that came."""
        return max(self.highest, -self.lowest)

    def cut(self, method: Method) -> float:
        """Magnitude from which on numbers are clipped, above 0 and at most the largest."""
        if self.largest == 0:
            return 1.0
        if method == "min-max":
            return self.largest
        if method == "entropy":
            return min(self.largest, _least(self, _divergence))
        if method == "error":
            return min(self.largest, _least(self, _square_error))
        return min(self.largest, self._quantile(float(method.rstrip("%")) / 100))

    def _quantile(self, share: float) -> float:
        reached = np.searchsorted(np.cumsum(self.counts), share * self.counts.sum())
        return float((min(int(reached), BINS - 1) + 1) * self.range / BINS)


@dataclass(frozen=True)
class Ranges:
    """What a calibration has seen."""

    histograms: Mapping[str, Histogram]
    """By tensor."""
    crops: int
    means: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """(C,) mean of each channel, by tensor, where it was asked for."""

    def cuts(self, method: Method) -> dict[str, float]:
        """The cut of every tensor."""
        return {name: histogram.cut(method) for name, histogram in self.histograms.items()}


def collect(outputs: Iterable[Sequence[FloatArray]], names: Sequence[str], averaged: Collection[str] = ()) -> Ranges:
    """Fill the histograms.

    Args:
        outputs: for each batch the tensors (B, C, ...) in the order of ``names``.
        names: of the tensors.
        averaged: those of them whose channels' means are asked for.

    Raises:
        ValueError: a number is not finite.
    """
    histograms = {name: Histogram() for name in names}
    sums: dict[str, npt.NDArray[np.float64]] = {}
    crops = 0
    for batch in outputs:
        crops += len(batch[0])
        for name, values in zip(names, batch, strict=True):
            if name in averaged:
                sums[name] = sums.get(name, 0) + _channels(values)
            histograms[name].add(values)
    return Ranges(histograms, crops, {name: total / crops for name, total in sums.items()})


def _channels(values: FloatArray) -> npt.NDArray[np.float64]:
    """(B, C, ...) -> (C,) sum over the batch of each channel's mean."""
    return np.asarray(values.reshape(*values.shape[:2], -1).mean(axis=2, dtype=np.float64).sum(axis=0))


def _least(histogram: Histogram, loss: Any) -> float:
    """The cut of least loss: a coarse look at all, a fine one round the best."""
    last = int(np.flatnonzero(histogram.counts)[-1]) + 1
    candidates = np.unique(np.linspace(max(LEVELS, last // 16), max(last, LEVELS), 60).astype(int))
    losses = [loss(histogram.counts, int(bins)) for bins in candidates]
    best = int(np.argmin(losses))
    around = candidates[[max(best - 1, 0), min(best + 1, len(candidates) - 1)]]
    fine = np.unique(np.linspace(around[0], around[1], 12).astype(int))
    chosen = fine[int(np.argmin([loss(histogram.counts, int(bins)) for bins in fine]))]
    return float(chosen * histogram.range / BINS)


def _divergence(counts: npt.NDArray[np.int64], bins: int) -> float:
    """KL divergence of the clipped histogram from itself in ``LEVELS`` steps.

    Source: Migacz, 8-bit inference with TensorRT, GTC 2017: the tail is added to the last bin of what is kept, and a
    step's mass is spread evenly over its bins that are not empty.
    """
    kept = counts[:bins].astype(np.float64)
    kept[0] = 0.0  # what is zero stays zero at every scale
    wanted = kept.copy()
    wanted[-1] += counts[bins:].sum()
    step = np.minimum((np.arange(bins) * LEVELS) // bins, LEVELS - 1)
    filled = kept > 0
    mass, places = np.bincount(step, kept, LEVELS), np.bincount(step, filled, LEVELS)
    told = np.where(filled, (mass / np.maximum(places, 1))[step], 0.0)
    if not wanted.sum() or not told.sum():
        return float("inf")
    wanted, told = wanted / wanted.sum(), told / told.sum()
    present = wanted > 0
    return float((wanted[present] * np.log(wanted[present] / np.maximum(told[present], 1e-12))).sum())


def _square_error(counts: npt.NDArray[np.int64], bins: int) -> float:
    """Mean squared error of rounding what is kept and clipping the rest, in bins squared."""
    centres = np.arange(BINS) + 0.5
    step = bins / (LEVELS - 1)
    told = np.minimum(np.round(centres / step), LEVELS - 1) * step
    return float((counts * (centres - told) ** 2).sum())
