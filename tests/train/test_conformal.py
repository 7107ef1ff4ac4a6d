"""Sets hold what they promise for new persons; with one image a person they are common split conformal sets."""

from __future__ import annotations

import numpy as np
import pytest

from ffe_train.calibration import softmax
from ffe_train.conformal import Kind, cross_conformal, cross_sets, judged, scores, sets, threshold
from ffe_train.predictions import Predictions


def predictions_of(persons: int, *, folds: int = 4, seed: int = 0, unequal: bool = True) -> Predictions:
    """Persons differ in how readable they are, and those who are hardly readable are shown most often."""
    rng = np.random.default_rng(seed)
    clear = rng.uniform(0, 3, persons)
    shown = np.where(clear < 1, 12, 2) if unequal else np.ones(persons, int)
    person = np.repeat(np.arange(persons), shown)
    truth = rng.integers(0, 4, len(person))
    logits = rng.normal(0, 1, (len(person), 4))
    logits[np.arange(len(person)), truth] += clear[person]
    return Predictions(
        ("a", "b", "c", "d"), np.arange(len(person)).astype(str), person.astype(str), np.full(len(person), "set"),
        truth, softmax(logits.astype(np.float32)), person % folds, np.zeros(len(person), np.int64),
        (55 + person % 30).astype(np.float32), np.array(["f", "m"])[person % 2], np.zeros((len(person), 5), np.float32),
    )  # fmt: skip


def test_scores_are_their_definitions() -> None:
    probs = np.array([[0.5, 0.2, 0.3]], np.float32)
    np.testing.assert_allclose(scores(probs, "lac"), [[0.5, 0.8, 0.7]], atol=1e-7)
    np.testing.assert_allclose(scores(probs, "aps"), [[0.5, 1.0, 0.8]], atol=1e-7)


@pytest.mark.parametrize(("alpha", "rank"), [(0.1, 18), (0.25, 15), (0.5, 10)])
def test_with_one_image_a_person_the_threshold_is_the_split_conformal_one(alpha: float, rank: int) -> None:
    score = np.random.default_rng(0).random(19)
    assert rank == int(np.ceil(20 * (1 - alpha)))
    assert threshold(score, np.arange(19), alpha) == np.sort(score)[rank - 1]


def test_a_person_weighs_the_same_however_often_it_is_shown() -> None:
    score = np.random.default_rng(1).random(30)
    often = np.repeat(score, np.arange(30) % 5 + 1)
    person = np.repeat(np.arange(30), np.arange(30) % 5 + 1)
    assert threshold(often, person, 0.2) == threshold(score, np.arange(30), 0.2)


def test_too_few_persons_promise_nothing() -> None:
    assert threshold(np.zeros(80), np.arange(80) % 8, 0.1) == np.inf
    assert threshold(np.zeros(90), np.arange(90) % 9, 0.1) == 0
    assert threshold(np.zeros(0), np.zeros(0, np.int64), 0.1) == np.inf
    with pytest.raises(ValueError, match="alpha"):
        threshold(np.zeros(2), np.arange(2), 1.0)


@pytest.mark.parametrize("kind", ["lac", "aps"])
def test_new_persons_are_covered_as_promised(kind: Kind) -> None:
    found = []
    for seed in range(150):
        both = predictions_of(60, seed=seed)
        score = scores(both.probs, kind)[np.arange(len(both)), both.truth]
        old = both.person < 30
        limit = threshold(score[old], both.person[old], 0.2)
        new = both.select(~old)
        found.append(judged(new, sets(new.probs, kind, limit), kind, 0.2).coverage)
    assert 0.79 <= np.mean(found) <= (0.86 if kind == "lac" else 0.93)


def test_images_as_the_unit_would_cover_other_people_than_promised() -> None:
    """Here hard persons are shown most, so that a calibration by images is too careful for a person at random."""
    both = predictions_of(4000)
    score = scores(both.probs, "lac")[np.arange(len(both)), both.truth]
    by_person, by_image = threshold(score, both.person, 0.1), threshold(score, np.arange(len(both)), 0.1)
    assert by_person < by_image
    assert judged(both, sets(both.probs, "lac", by_person), "lac", 0.1).coverage == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("folds", [1, 4])
def test_folds_calibrate_one_another(folds: int) -> None:
    found = cross_conformal(predictions_of(200, folds=folds), "lac", 0.1)
    assert found.coverage == pytest.approx(0.9, abs=0.04)
    assert sum(found.sizes) == len(predictions_of(200))


def test_no_person_calibrates_its_own_sets() -> None:
    whole = predictions_of(40)
    before = cross_sets(whole, "lac", 0.2)
    other = whole.probs.copy()
    tested = whole.fold == 0
    other[tested] = np.roll(other[tested], 1, axis=1)
    changed = Predictions(**{**{f: getattr(whole, f) for f in whole.__dataclass_fields__}, "probs": other})
    np.testing.assert_array_equal(np.roll(before[tested], 1, axis=1), cross_sets(changed, "lac", 0.2)[tested])


def test_a_set_is_never_empty_and_what_nothing_was_learnt_from_is_counted() -> None:
    few = predictions_of(8, folds=2)
    assert sets(few.probs, "lac", -1.0).sum(axis=1).tolist() == [1] * len(few)
    found = cross_conformal(few, "aps", 0.1)
    assert (found.everything, found.coverage, found.mean_size) == (1, 1, 4)
    assert np.isnan(found.singleton_accuracy)


def test_sets_are_those_of_mapie() -> None:
    mapie = pytest.importorskip("mapie.classification", reason="MAPIE is an oracle for tests only")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Recorded(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """Gives back the probabilities that it is asked about."""

        classes_ = np.arange(4)
        fitted_ = True

        def fit(self, x: object, y: object) -> object:
            return self

        def predict_proba(self, x: object) -> object:
            return x

        def predict(self, x: object) -> object:
            return np.asarray(x).argmax(axis=1)

    both = predictions_of(300, unequal=False)
    exact = both.probs.astype(np.float64)
    oracle = mapie.SplitConformalClassifier(Recorded(), confidence_level=0.9, conformity_score="lac", prefit=True)
    oracle.conformalize(exact[:200], both.truth[:200])
    theirs = oracle.predict_set(exact[200:])[1][:, :, 0]
    score = scores(both.probs[:200], "lac")[np.arange(200), both.truth[:200]]
    ours = scores(both.probs[200:], "lac") <= threshold(score, np.arange(200), 0.1)
    np.testing.assert_array_equal(ours, theirs)
