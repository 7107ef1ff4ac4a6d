"""Whole persons are drawn: intervals against a plain loop, against theory and against copies of one image."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from ffe_train.bootstrap import Interval, interval, intervals, paired, person_confusion, person_sums
from ffe_train.metrics import CountArray, accuracy, confusion, macro_f1, precision_recall_f1
from ffe_train.predictions import Predictions

ROWS = 240


def predictions_of(right: float, persons: int = 40, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    truth = np.arange(ROWS) % 3
    predicted = np.where(rng.random(ROWS) < right, truth, (truth + 1) % 3)
    return Predictions(
        ("a", "b", "c"),
        np.arange(ROWS).astype(str),
        (np.arange(ROWS) * 7 % persons).astype(str),
        np.full(ROWS, "set"),
        truth,
        np.eye(3, dtype=np.float32)[predicted],
        np.zeros(ROWS, np.int64),
        np.zeros(ROWS, np.int64),
        np.full(ROWS, np.nan, np.float32),
        np.full(ROWS, ""),
        np.zeros((ROWS, 4), np.float32),
    )


def test_each_person_has_its_confusion_matrix() -> None:
    one = predictions_of(0.6)
    counts = person_confusion(one)
    for person in (0, 17, 39):
        mine = one.select(one.person == person)
        np.testing.assert_array_equal(counts[person], confusion(mine.truth, mine.predicted, 3))


@pytest.mark.parametrize("figure", [accuracy, macro_f1])
def test_an_interval_is_that_of_a_plain_loop(figure: object) -> None:
    assert callable(figure)
    one = predictions_of(0.5)
    rng, persons = np.random.default_rng(5), 40
    members = [np.flatnonzero(one.person == person) for person in range(persons)]
    values = []
    for _ in range(2000):
        index = np.concatenate([members[k] for k in rng.integers(0, persons, persons)])
        values.append(float(figure(confusion(one.truth[index], one.predicted[index], 3).astype(float))))
    found = interval(person_confusion(one), figure, resamples=4000)
    np.testing.assert_allclose([found.low, found.high], np.percentile(values, [2.5, 97.5]), atol=0.012)
    assert found.value == pytest.approx(float(figure(confusion(one.truth, one.predicted, 3).astype(float))))


def test_one_image_a_person_gives_the_binomial_interval() -> None:
    one = predictions_of(0.4, persons=ROWS)
    found = interval(person_confusion(one), accuracy)
    half_width = 1.96 * np.sqrt(found.value * (1 - found.value) / ROWS)
    assert found.high - found.low == pytest.approx(2 * half_width, rel=0.05)


def test_the_same_people_shown_often_do_not_narrow_the_interval() -> None:
    right = (np.arange(60) % 3 == 0).astype(float)
    once = np.stack([right, np.ones(60)], axis=1)

    def share(drawn: CountArray) -> CountArray:
        return drawn[:, 0] / drawn[:, 1]

    assert interval(once, share, resamples=500) == interval(once * 9, share, resamples=500)


def test_the_seed_decides() -> None:
    counts = person_confusion(predictions_of(0.5))
    first, again, other = (interval(counts, accuracy, resamples=300, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_vectors_of_figures_come_from_the_same_draws() -> None:
    counts = person_confusion(predictions_of(0.5))
    found = intervals(
        counts, {"table": lambda m: precision_recall_f1(m).reshape(len(m), -1), "f1": lambda m: macro_f1(m)[:, None]}
    )
    assert (len(found["table"]), len(found["f1"])) == (9, 1)
    assert found["f1"][0] == interval(counts, macro_f1)


def test_a_class_that_many_draws_lack_still_has_its_interval() -> None:
    counts = np.zeros((5, 2, 2))
    counts[:, 0, 0], counts[0, 1, 1] = 3, 1
    found = intervals(counts, {"recall": lambda m: precision_recall_f1(m)[..., 1]}, resamples=200)
    assert found["recall"][1] == Interval(1.0, 1.0, 1.0)


def test_ten_thousand_resamples_of_a_hundred_people_take_under_a_second() -> None:
    counts = np.random.default_rng(0).integers(0, 2, (111, 9, 9)).astype(float)
    start = time.perf_counter()
    interval(counts, macro_f1)
    assert time.perf_counter() - start < 3


def test_a_model_does_not_differ_from_itself() -> None:
    counts = person_confusion(predictions_of(0.5))
    found = paired(counts, counts, accuracy, resamples=200)
    assert (found.p, found.interval) == (1.0, Interval(0.0, 0.0, 0.0))


def test_a_better_model_is_found_and_the_sides_mirror() -> None:
    good, poor = (person_confusion(predictions_of(right)) for right in (0.7, 0.4))
    better, worse = paired(good, poor, accuracy, resamples=1000), paired(poor, good, accuracy, resamples=1000)
    assert better.p == worse.p < 0.01
    assert better.interval.low > 0
    assert better.interval.low == pytest.approx(-worse.interval.high)


def test_equal_models_are_told_apart_one_time_in_twenty() -> None:
    found = [
        paired(*(person_confusion(predictions_of(0.5, seed=2 * n + k)) for k in (0, 1)), accuracy, resamples=200).p
        for n in range(120)
    ]
    assert 0.01 <= np.mean(np.array(found) < 0.05) <= 0.11


def test_pairs_may_be_of_different_kinds_but_not_of_different_people() -> None:
    counts = person_confusion(predictions_of(0.5))
    raters = np.pad(counts, ((0, 0), (0, 0), (0, 1)))
    assert paired(counts, raters, macro_f1, resamples=50).interval.value == 0
    with pytest.raises(ValueError, match="paired"):
        paired(counts, raters[1:], macro_f1)


def test_nobody_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="nobody"):
        interval(np.zeros((0, 2, 2)), accuracy)


def test_sums_are_those_of_each_person() -> None:
    sums = person_sums(np.array([1, 0, 1]), np.array([[1.0, 2], [3, 4], [5, 6]]))
    assert sums.tolist() == [[3, 4], [6, 8]]


def test_persons_are_told_apart_by_source_too() -> None:
    one = predictions_of(0.5)
    assert len(person_confusion(replace(one, source=np.repeat(["a", "b"], ROWS // 2)))) == 80


def test_an_interval_is_said_with_its_bounds() -> None:
    assert str(Interval(0.3659, 0.3329, 0.4011)) == "0.366 (0.333-0.401)"
