"""Figures with their 95 % interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

DoubleArray = npt.NDArray[np.float64]

_Z: Final = 1.959963984540054
"""Of the normal distribution: 2.5 % lie above."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """JSON-able: value, low, high."""
        return {"value": self.value, "low": self.low, "high": self.high}


def wilson(right: float, count: float) -> Interval:
    """Interval of a share, its witnesses taken as independent. Source: Wilson, J. Am. Stat. Assoc. 22, 1927.

    Raises:
        ValueError: not 0 <= right <= count, or count is 0.
    """
    if not 0 <= right <= count or count <= 0:
        raise ValueError(f"{right} of {count} is no share")
    share, squared = right / count, _Z * _Z / count
    middle = (share + squared / 2) / (1 + squared)
    half = _Z / (1 + squared) * math.sqrt(share * (1 - share) / count + squared / (4 * count))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def percentiles(value: float, drawn: DoubleArray) -> Interval:
    """A figure with the middle 95 % of its resamples (R,); those in which it is undefined (nan) are left out.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13.
    """
    known = drawn[~np.isnan(drawn)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (math.nan, math.nan)
    return Interval(value, float(low), float(high))
