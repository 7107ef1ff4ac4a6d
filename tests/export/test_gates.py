"""Gates let through what is shown, refuse what is shown to be worse, and say when nothing is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verify_parts import some_probs

from ffe_edge.types import Reading
from ffe_export.accuracy import Comparison, compare_accuracy
from ffe_export.agreement import Agreement, compare
from ffe_export.gates import (
    AccuracyGate,
    LatencyGate,
    Verdict,
    judge_accuracy,
    judge_agreement,
    judge_golden,
    judge_latency,
)
from ffe_export.interval import Interval
from ffe_export.latency import Timings

PROBS = some_probs(40)
SAME = compare(Reading(PROBS, None), Reading(PROBS, None))
EQUAL = compare_accuracy(PROBS, PROBS, PROBS.argmax(axis=1), resamples=10)


def losing(points: float, high: float) -> Comparison:
    return replace(EQUAL, accuracy_lost=Interval(points / 100, -0.02, high / 100), images=500, people=80)


def agreeing(share: float, low: float) -> Agreement:
    return replace(SAME, top1=Interval(share, low, 1.0), images=2000)


@pytest.mark.parametrize(
    ("points", "high", "strict", "outcome"),
    [
        pytest.param(0.2, 0.9, False, "passed", id="shown"),
        pytest.param(1.0, 1.0, False, "passed", id="at-the-limit"),
        pytest.param(-0.4, 0.3, True, "passed", id="gained"),
        pytest.param(0.2, 1.4, False, "not proven", id="too-few"),
        pytest.param(0.2, 1.4, True, "refused", id="too-few-and-strict"),
        pytest.param(1.2, 1.5, False, "refused", id="worse"),
        pytest.param(1.2, 4.0, False, "refused", id="worse-perhaps"),
    ],
)
def test_accuracy_may_be_lost_up_to_the_limit(points: float, high: float, strict: bool, outcome: str) -> None:
    verdict = judge_accuracy(AccuracyGate(strict=strict), losing(points, high))
    assert (verdict.gate, verdict.outcome) == ("accuracy", outcome)
    assert f"points lost {points:.2f} (-2.00 to {high:.2f}) on 500 crops of 80 people, limit 1" in verdict.reason
    assert verdict.figures == pytest.approx({"limit": 1, "images": 500, "value": points, "low": -2, "high": high})
    assert ("too few to be sure" in verdict.reason) == (outcome == "not proven")


def test_where_nobody_is_known_crops_are_told() -> None:
    assert "on 40 crops, limit 1" in judge_accuracy(AccuracyGate(), EQUAL).reason


@pytest.mark.parametrize(
    ("share", "low", "strict", "outcome"),
    [
        pytest.param(0.996, 0.992, False, "passed", id="shown"),
        pytest.param(0.99, 0.99, True, "passed", id="at-the-limit"),
        pytest.param(0.996, 0.97, False, "not proven", id="too-few"),
        pytest.param(0.996, 0.97, True, "refused", id="too-few-and-strict"),
        pytest.param(0.98, 0.97, False, "refused", id="worse"),
    ],
)
def test_without_labels_the_same_answer_counts(share: float, low: float, strict: bool, outcome: str) -> None:
    verdict = judge_agreement(AccuracyGate(strict=strict), agreeing(share, low))
    assert (verdict.gate, verdict.outcome) == ("agreement", outcome)
    assert verdict.reason.startswith("no labelled crops, so the same likeliest class counts")


def timings(ratio: float, noise: float) -> Timings:
    times = np.random.default_rng(0).lognormal(0, noise, (60, 2)) * [10.0, 10 * ratio]
    return Timings(1, ("FP32", "INT8"), times)


@pytest.mark.parametrize(
    ("ratio", "noise", "outcome", "why"),
    [
        pytest.param(0.5, 0.1, "passed", "", id="faster"),
        pytest.param(1.3, 0.1, "refused", "slower here", id="slower"),
        pytest.param(1.0, 0.1, "refused", "not faster here beyond the noise", id="tie"),
        pytest.param(0.97, 0.4, "refused", "not faster here beyond the noise", id="lost-in-noise"),
    ],
)
def test_a_smaller_file_must_be_faster_beyond_the_noise(ratio: float, noise: float, outcome: str, why: str) -> None:
    verdict = judge_latency(LatencyGate(), timings(ratio, noise), "INT8", "FP32")
    assert (verdict.outcome, verdict.is_accepted) == (outcome, outcome == "passed")
    assert verdict.reason.startswith(why)
    assert "FP32" in verdict.reason
    assert set(verdict.figures) == {"ms", "larger_ms", "rounds", "value", "low", "high"}


def test_a_slower_file_is_taken_only_where_that_was_asked_for_and_the_verdict_says_so() -> None:
    verdict = judge_latency(LatencyGate(allow_slower=True), timings(1.3, 0.1), "INT8", "FP32")
    assert (verdict.outcome, verdict.is_accepted) == ("overridden", True)
    assert "taken because that was asked for" in verdict.reason
    assert judge_latency(LatencyGate(allow_slower=True), timings(0.5, 0.1), "INT8", "FP32").outcome == "passed"


@pytest.mark.parametrize(
    ("precision", "moved", "outcome"),
    [
        pytest.param("fp32", 0.009, "passed", id="tf32"),
        pytest.param("fp32", 0.011, "refused", id="fp32-off"),
        pytest.param("fp16", 0.02, "passed", id="fp16"),
        pytest.param("int8", 0.1, "passed", id="int8"),
        pytest.param("int8", 0.2, "refused", id="int8-off"),
    ],
)
def test_golden_crops_may_differ_by_what_the_precision_allows(precision: str, moved: float, outcome: str) -> None:
    found = PROBS.copy()
    found[0, PROBS[0].argmax()] -= moved
    verdict = judge_golden(precision, PROBS, found, "the file")
    assert (verdict.gate, verdict.outcome) == ("golden", outcome)
    assert verdict.figures["largest"] == pytest.approx(moved, abs=1e-6)


def test_golden_crops_must_keep_their_class() -> None:
    standard = np.tile(np.array([[0.58, 0.42]], np.float32), (10, 1))
    found = standard.copy()
    found[:2] = [0.44, 0.56]
    verdict = judge_golden("int8", standard, found, "the file")
    assert (verdict.outcome, verdict.figures["same"]) == ("refused", pytest.approx(0.8))
    close = np.tile(np.array([[0.52, 0.48]], np.float32), (10, 1))
    assert judge_golden("int8", close, close[:, ::-1], "the file").outcome == "passed"


@pytest.mark.parametrize(
    ("outcome", "accepted"),
    [("passed", True), ("not proven", True), ("overridden", True), ("refused", False), ("not run", False)],
)
def test_what_was_refused_or_not_run_is_not_accepted(outcome: str, accepted: bool) -> None:
    assert Verdict("run", outcome, "").is_accepted is accepted  # type: ignore[arg-type]


def test_a_gate_without_sense_is_none() -> None:
    with pytest.raises(ValueError, match="out of range"):
        AccuracyGate(points=-1)
    with pytest.raises(ValueError, match="out of range"):
        AccuracyGate(agreement=99)
