"""Accuracy and what is lost of it: the equations, the training's figures, and intervals that hold."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from verify_parts import some_probs

from ffe_edge.types import FloatArray
from ffe_export.accuracy import (
    accuracy_of,
    calibration_error,
    compare_accuracy,
    macro_f1_of,
    mcnemar,
    reliability,
    unit_confusion,
)
from ffe_train import bootstrap, calibration, metrics, significance

Ints = npt.NDArray[np.int64]


def answers(count: int, right: float, seed: int, people: int = 0) -> tuple[FloatArray, Ints, npt.NDArray[np.str_]]:
    """Probabilities that are right in about this share, the truth, and who is shown."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 9, count)
    told = np.where(rng.random(count) < right, truth, rng.integers(0, 9, count))
    probs = some_probs(count, seed=seed) + 2 * np.eye(9, dtype=np.float32)[told]
    person = rng.integers(0, people or count, count).astype(np.str_)
    return np.asarray(probs / probs.sum(axis=1, keepdims=True), np.float32), truth, person


BEFORE, TRUTH, PERSON = answers(400, 0.8, 0, people=60)
AFTER = answers(400, 0.7, 1)[0]
AFTER = np.where((np.arange(400) % 3 == 0)[:, None], AFTER, BEFORE).astype(np.float32)


def test_accuracy_and_its_loss_are_counts() -> None:
    found = compare_accuracy(BEFORE, AFTER, TRUTH, resamples=100)
    right = [(probs.argmax(axis=1) == TRUTH) for probs in (BEFORE, AFTER)]
    assert found.reference.accuracy.value == pytest.approx(right[0].mean())
    assert found.accuracy_lost.value == pytest.approx(right[0].mean() - right[1].mean())
    assert found.only_reference == sum(bool(a and not b) for a, b in zip(*right, strict=True))
    assert found.only_candidate == sum(bool(b and not a) for a, b in zip(*right, strict=True))
    assert (found.images, found.people, found.over) == (400, None, tuple(range(9)))


def test_macro_f1_is_the_mean_over_labels_with_a_crop() -> None:
    truth, told = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 2])
    matrix = unit_confusion(told, truth, 4).sum(axis=0)
    first, second = 2 * 1 / (2 + 1), 2 * 2 / (3 + 3)
    assert macro_f1_of(matrix) == pytest.approx((first + second) / 2)
    assert accuracy_of(matrix) == pytest.approx(3 / 5)
    assert macro_f1_of(matrix) == pytest.approx(float(metrics.macro_f1(matrix)))


def test_ece_is_the_trainings() -> None:
    bins = reliability(BEFORE, TRUTH)
    assert calibration_error(bins) == pytest.approx(calibration.expected_calibration_error(BEFORE, TRUTH))
    theirs = calibration.reliability(BEFORE, TRUTH)
    ours = [(b.images, b.confidence, b.accuracy.value, b.accuracy.high) for b in bins]
    np.testing.assert_allclose(ours, [(b.images, b.confidence, b.accuracy, b.accuracy_high) for b in theirs])


@pytest.mark.parametrize("people", [pytest.param(True, id="people"), pytest.param(False, id="crops")])
def test_intervals_are_those_of_the_trainings_bootstrap(people: bool) -> None:
    person = PERSON if people else np.arange(400).astype(np.str_)
    found = compare_accuracy(BEFORE, AFTER, TRUTH, PERSON if people else None, seed=1)
    units = [unit_confusion(probs.argmax(axis=1), TRUTH, 9, person) for probs in (BEFORE, AFTER)]
    for statistic, ours in ((metrics.accuracy, found.accuracy_lost), (metrics.macro_f1, found.macro_f1_lost)):
        theirs = bootstrap.paired(units[0], units[1], statistic).interval
        assert ours.value == pytest.approx(theirs.value)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.005)
    of_one = bootstrap.interval(units[1], metrics.accuracy)
    assert (found.candidate.accuracy.low, found.candidate.accuracy.high) == pytest.approx(
        (of_one.low, of_one.high), abs=0.006
    )


def test_people_with_many_crops_make_intervals_wider() -> None:
    truth = np.zeros(400, np.int64)
    person = np.repeat(np.arange(20), 20).astype(np.str_)
    told = (np.arange(400) // 20 % 4 == 0).astype(np.int64)  # whole people are wrong
    before, after = np.eye(2, dtype=np.float32)[truth], np.eye(2, dtype=np.float32)[told]
    of_people, of_crops = (compare_accuracy(before, after, truth, who).accuracy_lost for who in (person, None))
    assert of_people.value == of_crops.value == 0.25
    assert of_people.high - of_people.low > 3 * (of_crops.high - of_crops.low)


def test_the_same_file_loses_nothing_whoever_is_drawn() -> None:
    lost = compare_accuracy(BEFORE, BEFORE, TRUTH, PERSON).accuracy_lost
    assert (lost.value, lost.low, lost.high) == (0, 0, 0)


def test_a_paired_interval_is_narrower_than_two_apart() -> None:
    found = compare_accuracy(BEFORE, AFTER, TRUTH, PERSON)
    lost, alone = found.accuracy_lost, found.reference.accuracy
    assert lost.high - lost.low < alone.high - alone.low


def test_the_seed_gives_the_same_interval_again() -> None:
    first, again, other = (compare_accuracy(BEFORE, AFTER, TRUTH, PERSON, seed=s).macro_f1_lost for s in (0, 0, 1))
    assert first == again != other


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        before, after = rng.random(150) < 0.8, rng.random(150) < 0.75
        probs = [np.eye(2, dtype=np.float32)[(~right).astype(np.int64)] for right in (before, after)]
        lost = compare_accuracy(*probs, np.zeros(150, np.int64), resamples=300).accuracy_lost
        held += lost.low <= 0.05 <= lost.high
    assert 0.89 < held / 200 < 0.99


@pytest.mark.parametrize("counts", [(0, 0), (3, 1), (1, 3), (5, 5), (40, 12), (700, 650)])
def test_mcnemar_is_the_trainings_and_the_binomials(counts: tuple[int, int]) -> None:
    assert mcnemar(*counts) == pytest.approx(significance.mcnemar(*counts))
    both, most = sum(counts), max(counts)
    tail = sum(math.comb(both, k) for k in range(most, both + 1))
    assert mcnemar(*counts) == pytest.approx(min(1.0, 2 * tail / 2**both) if both else 1.0)


@pytest.mark.parametrize(
    ("before", "after", "truth"),
    [
        pytest.param(BEFORE[:0], AFTER[:0], TRUTH[:0], id="no-crop"),
        pytest.param(BEFORE, AFTER[:-1], TRUTH, id="other-crops"),
        pytest.param(BEFORE, AFTER, TRUTH[:-1], id="other-truth"),
    ],
)
def test_other_crops_are_not_compared(before: FloatArray, after: FloatArray, truth: Ints) -> None:
    with pytest.raises(ValueError, match="not the same crops"):
        compare_accuracy(before, after, truth)
