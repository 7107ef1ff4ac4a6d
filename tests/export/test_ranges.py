"""Histograms count exactly, and every way to cut a range against what it promises, written out naively."""

from __future__ import annotations

import numpy as np
import pytest

from ffe_edge.types import FloatArray
from ffe_export.ranges import BINS, LEVELS, METHODS, Histogram, Method, collect


def filled(*parts: FloatArray) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.add(part)
    return histogram


def heavy_tailed(seed: int = 0, count: int = 40_000) -> FloatArray:
    """Most numbers near zero, a few many times as large."""
    return np.random.default_rng(seed).standard_t(3, count).astype(np.float32)


def rounded(values: FloatArray, cut: float) -> FloatArray:
    """Symmetric INT8, naively."""
    scale = cut / 127
    return np.asarray(np.clip(np.round(values / scale), -127, 127) * scale, np.float32)


@pytest.mark.parametrize("order", [(0.001, 1.0, 300.0), (300.0, 1.0, 0.001), (1.0, 1.0, 1.0)])
def test_a_range_that_doubles_counts_as_if_it_had_been_known(order: tuple[float, ...]) -> None:
    parts = [factor * heavy_tailed(seed, 5000) for seed, factor in enumerate(order)]
    histogram = filled(*parts)
    values = np.abs(np.concatenate(parts))
    expected, _ = np.histogram(values, BINS, (0, histogram.range))
    np.testing.assert_array_equal(histogram.counts, expected)
    assert histogram.largest == values.max() <= histogram.range < 2 * values.max()


@pytest.mark.parametrize("values", [[np.nan, 1.0], [np.inf, 1.0], [-np.inf, 0.0]])
def test_numbers_that_are_none_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="not finite"):
        filled(np.array(values, np.float32))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.zeros(100), id="dead"),
        pytest.param(np.full(100, -3.0), id="one-number"),
        pytest.param(np.full(100, 1e-12), id="tiny"),
        pytest.param(np.array([0.0] * 999 + [5.0]), id="one-outlier"),
        pytest.param(np.array([1e30, -1e-30]), id="huge"),
        pytest.param(np.array([1.0]), id="a-single-one"),
    ],
)
def test_every_cut_is_above_zero_and_at_most_the_largest(method: Method, values: FloatArray) -> None:
    histogram = filled(values.astype(np.float32))
    cut = histogram.cut(method)
    assert 0 < cut <= max(histogram.largest, 1.0 * (histogram.largest == 0))


def test_min_max_is_the_largest_magnitude() -> None:
    assert filled(np.array([0.5, -2.5, 1.0], np.float32)).cut("min-max") == 2.5


@pytest.mark.parametrize(("method", "share"), [("99.99%", 0.9999), ("99.999%", 0.99999)])
def test_a_percentile_is_that_of_the_magnitudes_within_a_bin(method: Method, share: float) -> None:
    values = heavy_tailed(3)
    histogram = filled(values)
    exact = np.quantile(np.abs(values), share, method="inverted_cdf")
    assert 0 <= histogram.cut(method) - exact <= histogram.range / BINS


def test_the_cut_of_least_error_is_as_good_as_any_other() -> None:
    values = heavy_tailed(5)
    histogram = filled(values)
    cuts = np.linspace(0.02, 1, 100) * histogram.largest
    errors = [float(((values - rounded(values, cut)) ** 2).mean()) for cut in cuts]
    found = float(((values - rounded(values, histogram.cut("error"))) ** 2).mean())
    assert found <= 1.02 * min(errors)
    assert found < 0.9 * errors[-1]


def test_entropy_cuts_a_long_tail_and_keeps_an_even_range() -> None:
    assert filled(heavy_tailed(7)).cut("entropy") < 0.7 * np.abs(heavy_tailed(7)).max()
    even = np.random.default_rng(0).uniform(-1, 1, 40_000).astype(np.float32)
    assert filled(even).cut("entropy") > 0.95


def naive_divergence(counts: list[int], bins: int) -> float:
    """KL(P, Q) of a histogram cut at ``bins``. Source: Migacz, 8-bit inference with TensorRT, GTC 2017."""
    kept = [0.0, *map(float, counts[1:bins])]
    p = [*kept[:-1], kept[-1] + sum(counts[bins:])]
    q = [0.0] * bins
    for level in range(LEVELS):
        first, end = -(-level * bins // LEVELS), -(-(level + 1) * bins // LEVELS)
        inside = [b for b in range(first, end) if kept[b]]
        for b in inside:
            q[b] = sum(kept[i] for i in inside) / len(inside)
    pairs = [(a / sum(p), max(b / sum(q), 1e-12)) for a, b in zip(p, q, strict=True) if a]
    return float(sum(a * np.log(a / b) for a, b in pairs))


def test_the_entropy_cut_is_of_nearly_the_least_divergence() -> None:
    histogram = filled(heavy_tailed(9, 200_000))
    counts = histogram.counts.tolist()
    chosen = round(histogram.cut("entropy") * BINS / histogram.range)
    last = int(np.flatnonzero(histogram.counts)[-1]) + 1
    others = [naive_divergence(counts, bins) for bins in np.linspace(LEVELS, last, 12).astype(int)]
    assert naive_divergence(counts, chosen) <= 1.02 * min(others)


def test_tensors_are_collected_by_name_over_batches() -> None:
    batches = [[np.full((2, 3), 1.0, np.float32), np.full((2, 1), -4.0, np.float32)]] * 3
    ranges = collect(batches, ["a", "b"])
    assert ranges.crops == 6
    assert ranges.cuts("min-max") == {"a": 1.0, "b": 4.0}
    assert dict(ranges.means) == {}


@pytest.mark.parametrize("shape", [(5, 3, 7, 2), (5, 3)])
def test_what_is_asked_for_is_averaged_by_channel(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(1, 1, (4, *shape)).astype(np.float32)
    ranges = collect([[part, part] for part in values], ["a", "b"], ["b"])
    expected = [values[:, :, channel].astype(np.float64).mean() for channel in range(3)]
    assert list(ranges.means) == ["b"]
    np.testing.assert_allclose(ranges.means["b"], expected, rtol=1e-5)
