"""Figures of agreement are those of their equations, written out crop by crop."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from verify_parts import some_probs

from ffe_edge.types import FloatArray, Reading
from ffe_export.agreement import EDGES, by_crop, compare, cosine_distance, is_finite, kl_divergence
from ffe_export.interval import wilson
from ffe_train import significance

P, Q = some_probs(50, seed=1), some_probs(50, seed=2)


def embeddings(seed: int) -> FloatArray:
    found = np.random.default_rng(seed).normal(size=(50, 8))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def test_differences_are_the_largest_over_classes() -> None:
    naive = [max(abs(float(p) - float(q)) for p, q in zip(*rows, strict=True)) for rows in zip(P, Q, strict=True)]
    found = compare(Reading(P, None), Reading(Q, None))
    np.testing.assert_allclose(by_crop(P, Q), naive)
    assert (found.largest, found.mean) == pytest.approx((max(naive), sum(naive) / 50))
    assert found.quantiles == ((0.5, sorted(naive)[24]), (0.9, sorted(naive)[44]), (0.99, sorted(naive)[49]))
    assert found.worst[0] == naive.index(max(naive))
    assert [naive[k] for k in found.worst] == sorted(naive, reverse=True)[:10]


def test_the_histogram_holds_every_crop() -> None:
    found = compare(Reading(P, None), Reading(Q, None))
    assert sum(found.histogram) == 50
    differences = by_crop(P, Q)
    naive = [sum(low <= d < high for d in differences) for low, high in pairwise(EDGES)]
    assert list(found.histogram) == naive
    assert compare(Reading(P, None), Reading(P, None)).histogram[0] == 50


def test_divergence_is_its_sum() -> None:
    naive = [
        sum(float(p) * math.log(max(float(p), 1e-12) / max(float(q), 1e-12)) for p, q in zip(*rows, strict=True))
        for rows in zip(P, Q, strict=True)
    ]
    np.testing.assert_allclose(kl_divergence(P, Q), naive, atol=1e-6)
    assert kl_divergence(P, P).max() == 0


def test_a_class_of_probability_nought_costs_nothing_in_the_reference_and_much_in_the_candidate() -> None:
    sure, even = np.array([[1, 0]], np.float32), np.array([[0.5, 0.5]], np.float32)
    assert kl_divergence(sure, even)[0] == pytest.approx(math.log(2))
    assert 10 < kl_divergence(even, sure)[0] < 20


def test_cosine_distance_is_of_directions_alone() -> None:
    first, second = embeddings(1), embeddings(2)
    naive = [1 - float(np.dot(a, b)) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(cosine_distance(first, 3 * second), naive, atol=1e-6)
    found = compare(Reading(P, first), Reading(P, second))
    assert found.cosine_largest == pytest.approx(max(naive), abs=1e-6)
    assert found.cosine_mean == pytest.approx(sum(naive) / 50, abs=1e-6)


def test_a_file_without_embeddings_has_no_distance() -> None:
    found = compare(Reading(P, embeddings(1)), Reading(P, None))
    assert (found.cosine_mean, found.cosine_largest) == (None, None)


def test_the_same_answer_is_a_share_with_wilsons_interval() -> None:
    found = compare(Reading(P, None), Reading(Q, None))
    same = sum(int(p.argmax() == q.argmax()) for p, q in zip(P, Q, strict=True))
    assert (found.same, found.images) == (same, 50)
    theirs = significance.wilson(same, 50)
    assert (found.top1.value, found.top1.low, found.top1.high) == pytest.approx((theirs.value, theirs.low, theirs.high))


@pytest.mark.parametrize(("right", "count"), [(0, 5), (5, 5), (1990, 2000)])
def test_wilson_is_the_trainings(right: int, count: int) -> None:
    ours, theirs = wilson(right, count), significance.wilson(right, count)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("right", "count"), [(-1, 5), (6, 5), (0, 0)])
def test_what_is_no_share_has_no_interval(right: int, count: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        wilson(right, count)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(P, Q[:-1], id="other-crops"),
        pytest.param(P, Q[:, :-1], id="other-classes"),
        pytest.param(P[:0], Q[:0], id="no-crop"),
        pytest.param(P, np.where(Q.max() == Q, np.nan, Q), id="nan"),
    ],
)
def test_what_cannot_be_compared_is_no_agreement(first: FloatArray, second: FloatArray) -> None:
    with pytest.raises(ValueError, match=r"cannot be compared|not finite"):
        compare(Reading(first, None), Reading(second, None))


def test_an_infinite_embedding_is_found() -> None:
    embedding = embeddings(1)
    embedding[3, 2] = np.inf
    assert np.flatnonzero(~is_finite(Reading(P, embedding))).tolist() == [3]
