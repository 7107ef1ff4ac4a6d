"""Whether a probability can be taken at its word, and what is gained by keeping silent.

``truth`` is (N,) class ids and ``probs`` is (N, K) float32, rows sum to 1; confidence is the likeliest class's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ffe_edge.types import FloatArray
from ffe_train.metrics import CountArray
from ffe_train.predictions import IntArray
from ffe_train.significance import wilson

BINS = 15
_LEAST = 1e-12
"""Probability that a logarithm is taken of at least."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Images of like confidence."""

    low: float
    high: float
    images: int
    confidence: float
    """Mean of the images in it."""
    accuracy: float
    accuracy_low: float
    """Wilson interval of the accuracy, images taken as independent."""
    accuracy_high: float


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Error among the answers that are given, by how many are given, the surest first."""

    coverage: CountArray
    """(M,) share of images answered, rising to 1; one entry for each confidence that can be asked for."""
    risk: CountArray
    """(M,) share of these that is wrong."""
    threshold: CountArray
    """(M,) least confidence that is answered."""
    aurc: float
    """Mean risk over the images in their order: 0 is perfect."""

    def accuracy_at(self, coverage: float) -> float:
        """Accuracy when at least this share of images is answered, and no more than needed."""
        return float(1 - self.risk[np.searchsorted(self.coverage, coverage - 1e-9)])


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """(N, K) logits -> (N, K) float32 probabilities."""
    shifted = logits / temperature
    powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def fit_temperature(logits: FloatArray, truth: IntArray, *, low: float = 0.05, high: float = 20.0) -> float:
    """Temperature of least negative log-likelihood on validation data, by golden-section search on its logarithm.

    The loss is convex in 1/T, so it has one valley. Source: Guo et al., ICML 2017, sec. 4.2.

    Args:
        logits: (N, K) of images that the network was not trained on.
        truth: (N,) class ids.
        low: least temperature.
        high: highest temperature.

    Raises:
        ValueError: there is no image, or a logit is not finite.
    """
    if not len(truth) or not np.isfinite(logits).all():
        raise ValueError("a temperature is fitted to one or more rows of finite logits")
    begin, end, ratio = float(np.log(low)), float(np.log(high)), (np.sqrt(5) - 1) / 2

    def loss(log_temperature: float) -> float:
        return _log_loss(logits / np.exp(log_temperature), truth)

    while end - begin > 1e-4:
        left, right = end - ratio * (end - begin), begin + ratio * (end - begin)
        begin, end = (begin, right) if loss(left) < loss(right) else (left, end)
    return float(np.exp((begin + end) / 2))


def negative_log_likelihood(probs: FloatArray, truth: IntArray) -> float:
    """Mean of -log p of the truth, in nats."""
    return float(-np.log(np.maximum(probs[np.arange(len(truth)), truth].astype(np.float64), _LEAST)).mean())


def brier(probs: FloatArray, truth: IntArray) -> float:
    """Mean squared distance to the one-hot truth, 0 to 2. Source: Brier, Monthly Weather Review 78, 1950, eq. 2."""
    return float(((probs - np.eye(probs.shape[1])[truth]) ** 2).sum(axis=1).mean())


def expected_calibration_error(probs: FloatArray, truth: IntArray, bins: int = BINS) -> float:
    """ECE of the likeliest class over bins of equal width. Source: Guo et al., ICML 2017, eq. 3."""
    return _gap(reliability(probs, truth, bins))


def adaptive_calibration_error(probs: FloatArray, truth: IntArray, bins: int = BINS) -> float:
    """ECE of the likeliest class over bins of as equal a number of images as can be.

    Source: Nguyen and O'Connor, EMNLP 2015, sec. 3.2 (adaptive binning).
    """
    order = np.argsort(probs.max(axis=1), kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    return _gap([_bin(probs[part], truth[part], 0.0, 1.0) for part in parts])


def reliability(probs: FloatArray, truth: IntArray, bins: int = BINS) -> tuple[Bin, ...]:
    """Accuracy against confidence in bins of equal width; empty bins are left out."""
    place = np.minimum((probs.max(axis=1).astype(np.float64) * bins).astype(np.int64), bins - 1)
    return tuple(
        _bin(probs[place == b], truth[place == b], float(b) / bins, float(b + 1) / bins) for b in np.unique(place)
    )


def risk_coverage(probs: FloatArray, truth: IntArray) -> RiskCoverage:
    """Selective error against coverage when the least sure answers are withheld.

    Images of equal confidence are answered or withheld together; in the mean over images each of them counts with the
    error expected in random order. Source: Geifman and El-Yaniv, NeurIPS 2017 (risk-coverage curve); Geifman et al.,
    ICLR 2019, eq. 2 (AURC).

    Raises:
        ValueError: there is no image.
    """
    if not len(truth):
        raise ValueError("no image, no curve")
    confidence, wrong = probs.max(axis=1).astype(np.float64), probs.argmax(axis=1) != truth
    levels, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong_of_level = np.bincount(place, wrong)
    answered = np.cumsum(count)
    risk = np.cumsum(wrong_of_level) / answered
    expected = np.cumsum(np.repeat(wrong_of_level / count, count)) / np.arange(1, len(truth) + 1)
    return RiskCoverage(answered / len(truth), risk, -levels, float(expected.mean()))


def _log_loss(logits: npt.NDArray[Any], truth: IntArray) -> float:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return float((log_sum - shifted[np.arange(len(truth)), truth]).mean())


def _bin(probs: FloatArray, truth: IntArray, low: float, high: float) -> Bin:
    right = int((probs.argmax(axis=1) == truth).sum())
    share = wilson(right, len(truth))
    confidence = float(probs.max(axis=1).astype(np.float64).mean())
    return Bin(low, high, len(truth), confidence, share.value, share.low, share.high)


def _gap(bins: Sequence[Bin]) -> float:
    images = sum(b.images for b in bins)
    return float(sum(b.images * abs(b.accuracy - b.confidence) for b in bins) / images) if images else 0.0
