"""Calibration errors are held against plain loops, the temperature against the one that was put in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffe_edge.types import FloatArray
from ffe_train.calibration import (
    adaptive_calibration_error,
    brier,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    risk_coverage,
    softmax,
)

IntArray = npt.NDArray[np.int64]


def drawn(count: int = 400, classes: int = 5, seed: int = 1) -> tuple[FloatArray, IntArray]:
    """Probabilities with one-hot and equal rows among them, and a truth that is drawn from them."""
    rng = np.random.default_rng(seed)
    probs = softmax(rng.normal(0, 2, (count, classes)).astype(np.float32))
    probs[:3], probs[3:6] = np.eye(classes)[:3], 1 / classes
    return probs, (probs.cumsum(axis=1) > rng.random((count, 1)) * 0.999).argmax(axis=1)


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
    probs, truth = drawn()
    assert expected_calibration_error(probs, truth, bins) == pytest.approx(naive_ece(probs, truth, bins), abs=1e-6)


def test_adaptive_bins_hold_equal_numbers_of_images() -> None:
    probs, truth = drawn(400)
    order = np.argsort(probs.max(axis=1), kind="stable").reshape(10, 40)
    gaps = [abs((probs[o].argmax(1) == truth[o]).mean() - probs[o].max(1).mean()) for o in order]
    assert adaptive_calibration_error(probs, truth, 10) == pytest.approx(np.mean(gaps), abs=1e-6)
    assert adaptive_calibration_error(probs[:2], truth[:2], 10) <= 1


def test_a_sure_and_right_model_is_calibrated_and_a_sure_and_wrong_one_is_not() -> None:
    truth = np.arange(9)
    sure = np.eye(9, dtype=np.float32)
    for error in (expected_calibration_error, adaptive_calibration_error):
        assert error(sure, truth) == 0
        assert error(sure, (truth + 1) % 9) == 1
    assert (brier(sure, truth), brier(sure, (truth + 1) % 9)) == (0, 2)


def test_proper_scores_are_their_equations() -> None:
    probs, truth = drawn(50)
    loss = [-np.log(max(float(p[t]), 1e-12)) for p, t in zip(probs, truth, strict=True)]
    assert negative_log_likelihood(probs, truth) == pytest.approx(np.mean(loss))
    squares = [sum((p[k] - (k == t)) ** 2 for k in range(5)) for p, t in zip(probs, truth, strict=True)]
    assert brier(probs, truth) == pytest.approx(np.mean(squares))


def test_bins_say_how_many_images_and_how_sure_they_are() -> None:
    probs = np.array([[0.55, 0.45], [0.6, 0.4], [0.95, 0.05]], np.float32)
    low, high = reliability(probs, np.array([0, 1, 0]), 10)[0], reliability(probs, np.array([0, 1, 0]), 10)[-1]
    assert (low.images, low.accuracy, high.images, high.accuracy) == (1, 1, 1, 1)
    assert high.low == pytest.approx(0.9)
    assert high.confidence == pytest.approx(0.95)
    assert sum(b.images for b in reliability(*drawn())) == 400


@settings(deadline=None)
@given(st.lists(st.floats(-80, 80), min_size=2, max_size=9), st.floats(0.2, 5))
def test_softmax_is_its_equation(logits: list[float], temperature: float) -> None:
    powers = [np.exp(value / temperature - max(logits) / temperature) for value in logits]
    expected = np.array(powers) / sum(powers)
    np.testing.assert_allclose(softmax(np.array([logits], np.float32), temperature)[0], expected, atol=1e-5)


def test_large_logits_do_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([[1000, 1000, -1000]], np.float32)), [[0.5, 0.5, 0]])


@pytest.mark.parametrize("temperature", [0.2, 1.0, 8.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (20_000, 5)).astype(np.float32)
    truth = (softmax(logits).cumsum(axis=1) > rng.random((20_000, 1)) * 0.999).argmax(axis=1)
    assert fit_temperature(logits * np.float32(temperature), truth) == pytest.approx(temperature, rel=0.05)


def test_logits_that_are_no_numbers_have_no_temperature() -> None:
    with pytest.raises(ValueError, match="finite"):
        fit_temperature(np.full((2, 3), np.nan, np.float32), np.array([0, 1]))


def test_the_risk_at_each_coverage_is_that_of_the_surest_images() -> None:
    probs, truth = drawn(200)
    curve = risk_coverage(probs, truth)
    confidence, wrong = probs.max(axis=1), probs.argmax(axis=1) != truth
    for coverage, risk, threshold in zip(curve.coverage, curve.risk, curve.threshold, strict=True):
        answered = confidence >= threshold
        assert (answered.mean(), wrong[answered].mean()) == (pytest.approx(coverage), pytest.approx(risk))
    assert curve.accuracy_at(1.0) == pytest.approx(1 - wrong.mean())


def test_the_area_under_the_risk_is_the_mean_over_images() -> None:
    probs, truth = drawn(30)
    keep = np.unique(probs.max(axis=1), return_index=True)[1]
    probs, truth = probs[keep], truth[keep]
    wrong = (probs.argmax(axis=1) != truth)[np.argsort(-probs.max(axis=1))]
    expected = np.mean([wrong[: k + 1].mean() for k in range(len(wrong))])
    assert risk_coverage(probs, truth).aurc == pytest.approx(expected)


def test_equal_confidences_do_not_depend_on_the_order_of_the_images() -> None:
    probs = np.tile(np.array([[0.6, 0.4]], np.float32), (10, 1))
    truth = np.array([0] * 7 + [1] * 3)
    forward, backward = risk_coverage(probs, truth), risk_coverage(probs, truth[::-1])
    assert forward.aurc == backward.aurc == pytest.approx(0.3)
    assert (forward.coverage.tolist(), forward.accuracy_at(0.5)) == ([1.0], pytest.approx(0.7))


def test_no_image_no_curve() -> None:
    with pytest.raises(ValueError, match="no image"):
        risk_coverage(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
