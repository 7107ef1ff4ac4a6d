"""Tests of counts are held against SciPy, marks against cases where the answer is plain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ffe_train.predictions import Predictions
from ffe_train.significance import (
    binomial_tail,
    exact,
    holm,
    mcnemar,
    one_sample_z,
    tied_by_counts,
    tied_with_best,
    two_proportion_z,
    wilson,
)

SHARES = [(0, 10), (1, 10), (5, 9), (281, 768), (10, 10)]


@pytest.mark.parametrize(("right", "count"), SHARES)
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_intervals_of_shares_are_those_of_scipy(right: int, count: int, level: float) -> None:
    known = stats.binomtest(right, count)
    for method, ours in (("wilson", wilson), ("exact", exact)):
        expected = known.proportion_ci(1 - level, method)
        found = ours(right, count, level)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert found.value == right / count


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("least", [-1, 0, 3, 8, 9])
def test_the_binomial_tail_is_that_of_scipy(least: int, share: float) -> None:
    assert binomial_tail(least, 8, share) == pytest.approx(stats.binom.sf(least - 1, 8, share), abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 0), (10, 4), (40, 61), (5, 5)])
def test_mcnemar_is_the_binomial_test_of_the_pairs_that_differ(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1
    assert mcnemar(first, second) == pytest.approx(expected)


def test_z_tests_are_their_equations() -> None:
    found = two_proportion_z(60, 100, 90, 200)
    pooled = 150 / 300
    assert found.z == pytest.approx((0.6 - 0.45) / np.sqrt(pooled * (1 - pooled) * (1 / 100 + 1 / 200)))
    assert found.p == pytest.approx(stats.chi2_contingency([[60, 40], [90, 110]], correction=False).pvalue)
    one = one_sample_z(60, 100, 0.5)
    assert (one.z, one.p) == (pytest.approx(2.0), pytest.approx(2 * stats.norm.sf(2)))
    assert two_proportion_z(0, 5, 0, 5).p == 1


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.2))
def test_holm_rejects_what_its_steps_reject(p: list[float], level: float) -> None:
    rejected = set()
    for rank, k in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        if p[k] * (len(p) - rank) >= level:
            break
        rejected.add(k)
    assert {k for k, adjusted in enumerate(holm(p)) if adjusted < level} == rejected


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()


def test_cells_worse_than_the_best_are_told_from_counts() -> None:
    marks = tied_by_counts({"poor": 200, "best": 281, "close": 280}, 768)
    assert [marks[name].tied for name in ("poor", "best", "close")] == [False, True, True]
    assert [name for name, mark in marks.items() if mark.best] == ["best"]
    assert marks["poor"].difference == pytest.approx(81 / 768)


def test_holm_keeps_cells_that_a_plain_test_would_drop() -> None:
    right = {f"cell{k}": 241 for k in range(10)} | {"best": 281}
    assert not any(mark.tied for name, mark in tied_by_counts(right, 768, correction="none").items() if name != "best")
    assert all(mark.tied for mark in tied_by_counts(right, 768).values())


def predictions_of(right: float, *, repeats: int = 1, persons: int = 50) -> Predictions:
    """Every person is shown four times; the first images of a fixed order are answered rightly."""
    count = persons * 4
    image = np.tile(np.arange(count), repeats)
    truth = image % 2
    order = np.random.default_rng(0).permutation(count)[image]
    predicted = np.where(order < right * count, truth, 1 - truth)
    texts = [image.astype(str), (image // 4).astype(str), np.full(len(image), "set")]
    return Predictions(
        ("a", "b"), *texts, truth, np.eye(2, dtype=np.float32)[predicted], np.zeros_like(image),
        np.repeat(np.arange(repeats), count), np.zeros(len(image), np.float32), np.full(len(image), ""),
        np.zeros((len(image), 3), np.float32),
    )  # fmt: skip


def test_cells_worse_than_the_best_are_told_from_predictions() -> None:
    cells = {"poor": predictions_of(0.5), "best": predictions_of(0.7, repeats=3), "close": predictions_of(0.69)}
    marks = tied_with_best(cells, resamples=1000)
    assert [marks[name].tied for name in cells] == [False, True, True]
    assert marks["best"].best
    assert marks["close"].difference == pytest.approx(0.01)
    assert marks["poor"].adjusted == 2 * marks["poor"].p


def test_cells_tested_on_different_people_are_not_compared() -> None:
    one = predictions_of(0.5)
    with pytest.raises(ValueError, match="different people"):
        tied_with_best({"a": one, "b": replace(one, subject=np.char.add(one.subject, "x"))})


def test_no_cell_and_no_share_are_refused() -> None:
    with pytest.raises(ValueError, match="cells"):
        tied_by_counts({}, 768)
    for right, count in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match="share"):
            wilson(right, count)
