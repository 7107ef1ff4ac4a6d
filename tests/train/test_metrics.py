"""Figures are held against the slides' counts, against scikit-learn and against their equations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from ffe_train.metrics import (
    accuracy,
    balanced_accuracy,
    confusion,
    from_counts,
    macro_f1,
    precision_recall_f1,
    table_of,
)

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@settings(deadline=None)
@given(PAIRS)
def test_the_confusion_matrix_counts_truth_in_rows(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    expected = np.zeros((4, 4), int)
    for row, column in pairs:
        expected[row, column] += 1
    np.testing.assert_array_equal(confusion(truth, predicted, 4), expected)


@settings(deadline=None)
@given(PAIRS)
def test_the_table_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    expected = precision_recall_fscore_support(truth, predicted, labels=range(4), zero_division=0.0)
    table = table_of("abcd", confusion(truth, predicted, 4))
    for ours, theirs in zip((table.precision, table.recall, table.f1, table.images), expected, strict=True):
        np.testing.assert_allclose(ours, theirs)


@settings(deadline=None)
@given(PAIRS)
def test_averages_are_over_the_classes_that_have_an_image(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    matrix = confusion(truth, predicted, 4).astype(float)
    present = sorted(set(truth.tolist()))
    recalls = [np.mean(predicted[truth == k] == k) for k in present]
    assert balanced_accuracy(matrix) == pytest.approx(np.mean(recalls))
    table = table_of("abcd", matrix)
    assert macro_f1(matrix) == pytest.approx(table.macro().f1)
    assert table.macro().over == tuple("abcd"[k] for k in present)
    assert accuracy(matrix) == pytest.approx(np.mean(truth == predicted))


def test_many_matrices_at_once_are_each_alone() -> None:
    matrices = np.random.default_rng(0).integers(0, 5, (7, 4, 5)).astype(float)
    matrices[0, 2] = 0
    for figure in (accuracy, balanced_accuracy, macro_f1, precision_recall_f1):
        np.testing.assert_array_equal(figure(matrices), np.stack([figure(matrix) for matrix in matrices]))


def test_what_is_undefined_is_zero_and_named() -> None:
    table = table_of("abc", [[2, 1, 0], [0, 2, 0], [0, 0, 0]])
    assert (table.never_predicted, table.without_images) == (("c",), ("c",))
    assert (table.precision[2], table.recall[2], table.f1[2]) == (0, 0, 0)


def test_an_empty_label_joins_the_average_only_when_it_is_asked_for() -> None:
    table = table_of("ab", [[3, 0, 1], [0, 4, 0]])
    assert (table.labels, table.without_images) == (("a", "b", "other"), ("other",))
    assert table.macro().over == ("a", "b")
    assert table.macro(table.labels).f1 == pytest.approx(table.macro().f1 * 2 / 3)


def test_a_row_names_its_counts() -> None:
    row = from_counts(["a", "b"], [4, 4], [2, 4], [2, 6]).rows()[0]
    expected = {"label": "a", "images": 4, "true": 2, "predicted": 2, "precision": 1, "recall": 0.5, "f1": 2 / 3}
    assert row == expected


@pytest.mark.parametrize(
    ("images", "true", "predicted"),
    [
        pytest.param([1, 2], [2, 1], [2, 1], id="more-hits-than-images"),
        pytest.param([3, 2], [2, 1], [1, 1], id="more-hits-than-predictions"),
        pytest.param([3], [2], [2], id="one-label-short"),
        pytest.param([3, 2], [-1, 2], [2, 2], id="negative"),
    ],
)
def test_impossible_counts_are_refused(images: list[int], true: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match=r"counts|positives"):
        from_counts(["a", "b"], images, true, predicted)


def test_an_average_over_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="label"):
        table_of("ab", np.zeros((2, 2))).macro()
