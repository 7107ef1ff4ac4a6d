"""How far two files of one model are apart on the same crops, whatever the truth is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ffe_edge.types import FloatArray, Reading
from ffe_export.crop_sources import IntArray
from ffe_export.interval import DoubleArray, Interval, wilson

EDGES: Final[tuple[float, ...]] = (0.0, *np.logspace(-6, 0, 25).tolist())
"""Of the histogram of largest differences: all below 1e-6, four bins a decade, up to 1."""
QUANTILES: Final = (0.5, 0.9, 0.99)
WORST: Final = 10
_LEAST: Final = 1e-12
"""Probability that a logarithm is taken of at least."""


@dataclass(frozen=True)
class Agreement:
    """Reference against candidate on N crops. A crop's difference is the largest over its classes."""

    images: int
    largest: float
    """Largest difference of a probability, over crops and classes."""
    mean: float
    """Mean of the crops' differences."""
    quantiles: tuple[tuple[float, float], ...]
    """(share of crops, difference that so many do not exceed)."""
    histogram: tuple[int, ...]
    """Crops by their difference, in the bins of ``EDGES``."""
    same: int
    """Crops with the same likeliest class."""
    top1: Interval
    """Share of these, with Wilson's interval."""
    kl_mean: float
    """Mean Kullback-Leibler divergence from the reference to the candidate, in nats."""
    kl_largest: float
    cosine_mean: float | None
    """Mean cosine distance of the embeddings; None where one of the files has none."""
    cosine_largest: float | None
    worst: tuple[int, ...]
    """Positions of the crops that differ most, the worst first."""


def compare(reference: Reading, candidate: Reading) -> Agreement:
    """Compare what two files read in the same crops.

    Args:
        reference: probs (N, K) and embedding (N, D) or None.
        candidate: the same crops in the same order.

    Raises:
        ValueError: there is no crop, shapes differ, or a number is not finite.
    """
    _check(reference, candidate)
    differences = by_crop(reference.probs, candidate.probs)
    same = int((reference.probs.argmax(axis=1) == candidate.probs.argmax(axis=1)).sum())
    divergence = kl_divergence(reference.probs, candidate.probs)
    distance = cosine_distance(reference.embedding, candidate.embedding)
    quantiles = np.quantile(differences, QUANTILES, method="inverted_cdf").tolist()
    return Agreement(
        images=len(differences),
        largest=float(differences.max()),
        mean=float(differences.mean()),
        quantiles=tuple(zip(QUANTILES, quantiles, strict=True)),
        histogram=tuple(np.histogram(differences.clip(0, 1), EDGES)[0].tolist()),
        same=same,
        top1=wilson(same, len(differences)),
        kl_mean=float(divergence.mean()),
        kl_largest=float(divergence.max()),
        cosine_mean=None if distance is None else float(distance.mean()),
        cosine_largest=None if distance is None else float(distance.max()),
        worst=tuple(worst_first(differences)[:WORST].tolist()),
    )


def by_crop(reference: FloatArray, candidate: FloatArray) -> DoubleArray:
    """(N, K) twice -> (N,) largest difference of a probability."""
    return np.asarray(np.abs(reference.astype(np.float64) - candidate).max(axis=1))


def kl_divergence(reference: FloatArray, candidate: FloatArray) -> DoubleArray:
    """(N, K) twice -> (N,) sum of p log(p / q), in nats. Source: Kullback and Leibler, Ann. Math. Stat. 22, 1951."""
    p, q = (np.maximum(probs.astype(np.float64), _LEAST) for probs in (reference, candidate))
    return np.asarray((reference * (np.log(p) - np.log(q))).sum(axis=1))


def cosine_distance(reference: FloatArray | None, candidate: FloatArray | None) -> DoubleArray | None:
    """(N, D) twice -> (N,) 1 - cosine of the angle between them; None where one is absent."""
    if reference is None or candidate is None:
        return None
    first, second = _unit(reference), _unit(candidate)
    return np.asarray(1 - (first * second).sum(axis=1))


def worst_first(differences: DoubleArray) -> IntArray:
    """(N,) positions of the crops by falling difference; equals stay in their order."""
    return np.argsort(-differences, kind="stable").astype(np.int64)


def _unit(vectors: FloatArray) -> npt.NDArray[np.float64]:
    exact = vectors.astype(np.float64)
    return np.asarray(exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), _LEAST))


def _check(reference: Reading, candidate: Reading) -> None:
    if reference.probs.shape != candidate.probs.shape or not len(reference.probs):
        raise ValueError(f"probabilities {reference.probs.shape} and {candidate.probs.shape} cannot be compared")
    if not (is_finite(reference).all() and is_finite(candidate).all()):
        raise ValueError("a number is not finite")


def is_finite(reading: Reading) -> npt.NDArray[np.bool_]:
    """(N,) whether every number of the crop is finite."""
    numbers = [reading.probs] if reading.embedding is None else [reading.probs, reading.embedding]
    return np.asarray(np.isfinite(np.concatenate(numbers, axis=1)).all(axis=1), np.bool_)
