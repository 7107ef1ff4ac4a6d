"""A resting face that reads as anger is told against its own rest; what is short, strong or all day long is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ffe_edge.baseline import CLIP_NATS, MIN_NEGATIVE_SHARE, Baseline, Baselines, Resting
from ffe_edge.config_people import BaselineSettings
from ffe_edge.emotions import LABELS
from ffe_edge.types import FloatArray

SETTINGS = BaselineSettings(enabled=True)
REST = LABELS.index("neutral")


def probs(**given: float) -> FloatArray:
    """The labels given, the others share what is left."""
    left = (1 - sum(given.values())) / (len(LABELS) - len(given))
    return np.array([given.get(label, left) for label in LABELS], np.float32)


GRIM = probs(neutral=0.40, anger=0.45)
ANGRY = probs(neutral=0.10, anger=0.80)
CALM = probs(neutral=0.85, anger=0.02)


def top(values: FloatArray) -> str:
    return LABELS[int(values.argmax())]


def seen(
    *looks: FloatArray, minutes: float = 10, each_seconds: float = 30, settings: BaselineSettings = SETTINGS
) -> Baseline:
    baseline = Baseline(LABELS, settings)
    for half_second in range(int(minutes * 120)):
        baseline.look(looks[int(half_second / 2 / each_seconds) % len(looks)], half_second / 2)
    return baseline


def test_a_grim_face_at_rest_reads_neutral_and_its_anger_stays_anger() -> None:
    grim = seen(GRIM)
    assert top(GRIM) == "anger"
    assert top(grim.correct(GRIM)) == "neutral"
    assert top(grim.correct(ANGRY)) == "anger"


def test_a_face_that_is_calm_at_rest_is_not_corrected() -> None:
    calm = seen(CALM)
    np.testing.assert_array_equal(calm.correction(), 0)
    np.testing.assert_allclose(calm.correct(ANGRY), ANGRY, atol=1e-6)


def test_only_negative_labels_are_lowered_and_by_no_more_than_the_limit() -> None:
    smiling = seen(probs(neutral=0.25, joy=0.35, anger=0.36), settings=BaselineSettings(enabled=True, limit=1.0))
    lowered = {label for label, value in zip(LABELS, smiling.correction(), strict=True) if value > 0}
    assert lowered <= {"sadness", "fear", "anger", "disgust"}
    assert smiling.correction().max() == pytest.approx(1.0)


def test_nothing_is_corrected_before_enough_quiet_time() -> None:
    settings = BaselineSettings(enabled=True, min_quiet_seconds=120)
    assert not seen(GRIM, minutes=1.9, settings=settings).correction().any()
    assert seen(GRIM, minutes=2.1, settings=settings).correction().any()


def test_who_is_sad_all_day_is_not_made_neutral() -> None:
    sad = probs(neutral=0.05, sadness=0.90)
    assert not seen(sad, minutes=60).correction().any()


def test_who_shows_everything_in_turn_has_no_rest() -> None:
    acted = [probs(**{label: 0.9}) for label in LABELS]
    assert not seen(*acted, minutes=30, each_seconds=4).correction().any()


def test_a_quarrel_does_not_make_a_calm_face_a_grim_one() -> None:
    quarrel = seen(*[CALM] * 19, ANGRY, minutes=30)
    assert not quarrel.correction().any()


def test_a_single_look_pulls_the_mean_no_harder_than_its_share_of_the_time() -> None:
    baseline = seen(CALM, minutes=5)
    before = np.array(baseline.resting.log_probs) if baseline.resting else np.zeros(9)
    baseline.look(probs(neutral=0.80, anger=0.0001), 300.0)
    after = np.array(baseline.resting.log_probs) if baseline.resting else np.zeros(9)
    assert np.abs(after - before).max() <= CLIP_NATS * 0.5 / 299 * 1.01


def test_restless_time_does_not_count() -> None:
    restless = Baseline(LABELS, SETTINGS)
    for second in range(300):
        restless.look((CALM, probs(joy=0.9))[second % 2], float(second))
    assert restless.resting is None or restless.resting.quiet_seconds < 60


def test_a_gap_in_time_counts_as_a_second_and_a_clock_that_goes_back_as_none() -> None:
    baseline = Baseline(LABELS, SETTINGS)
    for seconds in (0.0, 3600.0, 10.0, 10.5):
        baseline.look(CALM, seconds)
    assert baseline.resting is not None
    assert baseline.resting.quiet_seconds == pytest.approx(1.5)


def test_what_was_seen_before_goes_on() -> None:
    kept = seen(GRIM).resting
    again = Baseline(LABELS, SETTINGS, kept)
    assert top(again.correct(GRIM)) == "neutral"
    assert kept is not None
    assert kept.negative_share > MIN_NEGATIVE_SHARE


@pytest.mark.parametrize(
    ("labels", "resting"),
    [
        pytest.param(("joy", "anger"), None, id="model-without-neutral"),
        pytest.param(LABELS, Resting((0.0, 0.0), 1.0, 1e6), id="kept-of-another-model"),
    ],
)
def test_without_a_fitting_rest_nothing_is_corrected(labels: Sequence[str], resting: Resting | None) -> None:
    baseline = Baseline(labels, SETTINGS, resting)
    for second in range(60):
        baseline.look(np.full(len(labels), 1 / len(labels), np.float32), float(second))
    assert not baseline.correction().any()


def test_probabilities_still_sum_to_one() -> None:
    corrected = seen(GRIM).correct(np.stack([GRIM, ANGRY, CALM]))
    assert corrected.dtype == np.float32
    np.testing.assert_allclose(corrected.sum(axis=1), 1, atol=1e-6)


def many(baselines: Baselines, track: int, resident: str | None, minutes: float = 5) -> FloatArray:
    for half_second in range(int(minutes * 120)):
        corrected = baselines.look(track, resident, GRIM, half_second / 2)
    return corrected


def test_a_resident_is_remembered_after_leaving_and_a_track_is_not() -> None:
    baselines = Baselines(LABELS, SETTINGS)
    assert top(many(baselines, 1, "resident-1")) == "neutral"
    assert top(many(baselines, 2, None)) == "neutral"
    baselines.leave(1)
    baselines.leave(2)
    assert top(baselines.look(3, "resident-1", GRIM, 900.0)) == "neutral"
    assert top(baselines.look(2, None, GRIM, 900.0)) == "anger"


def test_only_residents_are_kept_and_the_forgotten_are_not() -> None:
    baselines = Baselines(LABELS, SETTINGS)
    many(baselines, 1, "resident-1", minutes=1)
    many(baselines, 2, None, minutes=1)
    assert list(baselines.resting()) == ["resident-1"]
    again = Baselines(LABELS, SETTINGS)
    again.remember(baselines.resting())
    assert again.resting() == baselines.resting()
    again.forget("resident-1")
    assert again.resting() == {}
