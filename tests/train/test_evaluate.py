"""Figures are held against the slides' counts, their equations and known answers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffe_edge.emotions import LABELS
from ffe_edge.types import FloatArray
from ffe_train.data import Samples
from ffe_train.evaluate import (
    Interval,
    bootstrap,
    confusion,
    evaluate,
    expected_calibration_error,
    fit_temperature,
    precision_recall_f1,
    softmax,
)

IntArray = npt.NDArray[np.int64]

# The slides' test set, worked out in protocol.md: the only integers that fit their per-class table.
IMAGES = np.array([130, 64, 64, 64, 128, 127, 64, 64, 63])
TRUE = np.array([59, 27, 18, 37, 32, 29, 27, 14, 38])
PREDICTED = np.array([114, 90, 67, 88, 61, 48, 94, 59, 147])
SLIDES = {
    "precision": [0.518, 0.300, 0.269, 0.420, 0.525, 0.604, 0.287, 0.237, 0.259],
    "recall": [0.454, 0.422, 0.281, 0.578, 0.250, 0.228, 0.422, 0.219, 0.603],
    "f1": [0.484, 0.351, 0.275, 0.487, 0.339, 0.331, 0.342, 0.228, 0.362],
}
SLIDES_MACRO = [0.380, 0.384, 0.355]


def slides_answers() -> tuple[IntArray, IntArray]:
    """Truth and prediction of 768 images with the slides' margins; which mistake was which is not known."""
    classes = np.arange(len(LABELS))
    missed, wrong = np.repeat(classes, IMAGES - TRUE), np.repeat(classes, PREDICTED - TRUE)
    wrong = next(rolled for shift in range(len(wrong)) if (missed != (rolled := np.roll(wrong, shift))).all())
    hits = np.repeat(classes, TRUE)
    return np.concatenate([hits, missed]), np.concatenate([hits, wrong])


def samples_of(truth: IntArray, subject: npt.NDArray[np.str_] | None = None) -> Samples:
    count = len(truth)
    return Samples(
        np.zeros((count, 1, 1), np.uint8),
        np.eye(len(LABELS), dtype=np.float32)[truth],
        np.arange(count).astype(str) if subject is None else subject,
        np.full(count, "test"),
        np.full(count, "slides"),
        np.ones(count, bool),
    )


def one_hot(predicted: IntArray) -> FloatArray:
    return np.eye(len(LABELS), dtype=np.float32)[predicted]


@pytest.mark.parametrize(("column", "name"), list(enumerate(SLIDES)))
def test_the_slides_table_comes_from_its_counts(column: int, name: str) -> None:
    table = precision_recall_f1(confusion(*slides_answers(), len(LABELS)))
    np.testing.assert_allclose(table[:, column], SLIDES[name], atol=6e-4)
    assert table[:, column].mean() == pytest.approx(SLIDES_MACRO[column], abs=6e-4)


def test_the_slides_summary_comes_from_its_counts() -> None:
    truth, predicted = slides_answers()
    result = evaluate(one_hot(predicted), samples_of(truth))
    assert (result["images"], result["subjects"]) == (768, 768)
    assert result["accuracy"]["value"] == pytest.approx(281 / 768, abs=1e-4)
    assert result["macro_f1"]["value"] == pytest.approx(0.355, abs=6e-4)
    assert result["macro_over"] == list(LABELS)
    assert np.diag(result["confusion"]).tolist() == TRUE.tolist()
    joy = result["classes"]["joy"]
    assert (joy["images"], joy["precision"], joy["recall"]) == (130, pytest.approx(0.518, abs=6e-4), 0.4538)
    assert joy["recall_95"][0] < joy["recall"] < joy["recall_95"][1]


def test_always_joy_is_right_one_time_in_six() -> None:
    truth, _ = slides_answers()
    result = evaluate(one_hot(np.zeros_like(truth)), samples_of(truth))
    assert result["accuracy"]["value"] == pytest.approx(0.169, abs=5e-4)
    assert result["classes"]["fear"] == {"images": 64, "precision": 0, "recall": 0, "recall_95": [0, 0], "f1": 0}
    assert result["macro_f1"]["value"] == pytest.approx(2 * 130 / (130 + 768) / 9, abs=1e-4)


def test_macro_averages_leave_out_labels_that_no_image_has() -> None:
    truth = np.array([0, 0, 8, 8] * 10)
    predicted = np.array([0, 1, 8, 8] * 10)
    result = evaluate(one_hot(predicted), samples_of(truth))
    assert result["macro_over"] == ["joy", "neutral"]
    assert list(result["classes"]) == ["joy", "neutral"]
    assert result["macro_f1"]["value"] == pytest.approx((2 / 3 + 1) / 2, abs=1e-4)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_the_confusion_matrix_counts_truth_in_rows(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    expected = np.zeros((3, 3), int)
    for row, column in pairs:
        expected[row, column] += 1
    np.testing.assert_array_equal(confusion(truth, predicted, 3), expected)


def naive_ece(probs: FloatArray, truth: IntArray, bins: int) -> float:
    total = 0.0
    for b in range(bins):
        edge = np.inf if b == bins - 1 else (b + 1) / bins
        inside = [k for k in range(len(probs)) if b / bins <= probs[k].max() < edge]
        if inside:
            accuracy = sum(probs[k].argmax() == truth[k] for k in inside) / len(inside)
            confidence = sum(float(probs[k].max()) for k in inside) / len(inside)
            total += len(inside) / len(probs) * abs(accuracy - confidence)
    return total


@pytest.mark.parametrize("bins", [1, 8, 16])
def test_the_calibration_error_is_that_of_a_plain_loop(bins: int) -> None:
    rng = np.random.default_rng(1)
    probs = softmax(rng.normal(0, 2, (400, 5)).astype(np.float32))
    probs[:3] = np.eye(5)[:3]
    truth = rng.integers(0, 5, 400)
    assert expected_calibration_error(probs, truth, bins) == pytest.approx(naive_ece(probs, truth, bins), abs=1e-6)


def test_a_sure_and_right_model_is_calibrated_and_a_sure_and_wrong_one_is_not() -> None:
    truth = np.arange(9)
    assert expected_calibration_error(one_hot(truth), truth) == 0
    assert expected_calibration_error(one_hot(truth), (truth + 1) % 9) == 1


@given(st.lists(st.floats(-80, 80), min_size=2, max_size=9), st.floats(0.2, 5))
def test_softmax_is_its_equation(logits: list[float], temperature: float) -> None:
    powers = [np.exp(value / temperature - max(logits) / temperature) for value in logits]
    expected = np.array(powers) / sum(powers)
    np.testing.assert_allclose(softmax(np.array([logits], np.float32), temperature)[0], expected, atol=1e-5)


def test_large_logits_do_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([[1000, 1000, -1000]], np.float32)), [[0.5, 0.5, 0]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (20_000, 5)).astype(np.float32)
    drawn = (softmax(logits).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature(logits * np.float32(temperature), drawn) == pytest.approx(temperature, rel=0.05)


def test_the_interval_of_the_slides_accuracy() -> None:
    right = np.arange(768) < 281
    interval = bootstrap(lambda index: float(right[index].mean()), np.arange(768).astype(str))
    assert interval.value == pytest.approx(281 / 768)
    assert (interval.low, interval.high) == (pytest.approx(0.333, abs=0.004), pytest.approx(0.401, abs=0.004))


def test_the_same_people_shown_often_do_not_narrow_the_interval() -> None:
    right = np.repeat(np.arange(60) % 3 == 0, 9)

    def width(subject: npt.NDArray[np.str_]) -> float:
        found = bootstrap(lambda index: float(right[index].mean()), subject, draws=500)
        return found.high - found.low

    over_people, over_images = width(np.repeat(np.arange(60), 9).astype(str)), width(np.arange(540).astype(str))
    assert over_people == pytest.approx(3 * over_images, rel=0.25)


def test_people_are_drawn_with_all_their_images_wherever_those_stand() -> None:
    subject = np.array(["b", "a", "b", "c", "a", "b"])
    drawn: list[list[str]] = []

    def count(index: IntArray) -> float:
        drawn.append(subject[index].tolist())
        return float(len(index))

    bootstrap(count, subject, draws=50)
    counts = [(names.count("a"), names.count("b"), names.count("c")) for names in drawn]
    assert all(a % 2 == 0 and b % 3 == 0 and a // 2 + b // 3 + c == 3 for a, b, c in counts)
    assert len(set(counts)) > 3


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(3).normal(size=50)
    intervals = [
        bootstrap(lambda index: float(values[index].mean()), np.arange(50).astype(str), draws=50, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert intervals[0] == intervals[1] != intervals[2]


def test_an_interval_is_said_with_its_bounds() -> None:
    assert str(Interval(0.3659, 0.3329, 0.4011)) == "0.366 (0.333-0.401)"
