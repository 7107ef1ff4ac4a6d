"""Raters' figures are held against published examples, plain loops and the same numbers counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ffe_edge.errors import DataError
from ffe_edge.jsonable import jsonable
from ffe_train.agreement import krippendorff_alpha, leave_one_out, majority, sole_majority
from ffe_train.answers import read_answers, with_answers
from ffe_train.metrics import CountArray
from ffe_train.predictions import Predictions
from ffe_train.raters import both_rows, compare, human_confusion
from ffe_train.tasks import NINE, Task

PAIN = Task("pain", ("none", "mild", "strong"), ("なし", "軽い", "強い"), (0, 0, 0), (0, 0, 0))


def counts_of(observers: list[str]) -> CountArray:
    """Answers of each observer, a character an image, a dot where there is none -> (N, V) counts."""
    kinds = sorted(set("".join(observers)) - {"."})
    return np.array([[sum(row[n] == kind for row in observers) for kind in kinds] for n in range(len(observers[0]))])


@pytest.mark.parametrize(
    ("observers", "alpha"),
    [
        pytest.param(["0100000010", "1110010000"], 0.095, id="A-two-values"),
        pytest.param(["aabbdcccedda", "babbbccceddd"], 0.692, id="B-nominal"),
        pytest.param(["123321412...", "1233224125.3", ".3332342251.", "12332441251."], 0.743, id="C-missing"),
    ],
)
def test_alpha_of_published_examples(observers: list[str], alpha: float) -> None:
    """Source: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, sec. A to C."""
    assert krippendorff_alpha(counts_of(observers)) == pytest.approx(alpha, abs=5e-4)


def test_alpha_is_one_by_agreement_and_undefined_without_pairs_or_variety() -> None:
    assert krippendorff_alpha([[3, 0], [0, 2]]) == 1
    assert np.isnan(krippendorff_alpha([[1, 0], [0, 1]]))
    assert np.isnan(krippendorff_alpha([[3, 0], [2, 0]]))


def naive_leave_one_out(votes: CountArray, truth: int) -> tuple[float, float]:
    answers = [kind for kind, count in enumerate(votes) for _ in range(int(count))]
    right, agrees = [], []
    for n, left_out in enumerate(answers):
        rest = answers[:n] + answers[n + 1 :]
        most = max(rest.count(kind) for kind in rest)
        first = [kind for kind in set(rest) if rest.count(kind) == most]
        right.append((truth in first) / len(first))
        agrees.append((left_out in first) / len(first))
    return float(np.mean(right)), float(np.mean(agrees))


def test_leaving_each_rater_out_is_done_as_in_a_plain_loop() -> None:
    votes = np.random.default_rng(0).integers(0, 4, (40, 4)).astype(float)
    truth = np.arange(40) % 4
    right, agrees = leave_one_out(votes, truth)
    for n in range(40):
        if votes[n].sum() >= 2:
            assert (right[n], agrees[n]) == pytest.approx(naive_leave_one_out(votes[n], truth[n]))
        else:
            assert np.isnan(right[n])


def test_equally_frequent_answers_share_the_majority() -> None:
    votes = np.array([[2, 2, 0], [3, 1, 0], [0, 0, 0]], float)
    assert majority(votes, np.array([1, 0, 0])).tolist() == [0.5, 1, 0]
    assert sole_majority(votes).tolist() == [-1, 0, -1]


def predictions_of(votes: CountArray, predicted: list[int], truth: list[int], persons: list[str]) -> Predictions:
    count = len(truth)
    none = np.zeros(count, np.int64)
    return Predictions(
        PAIN.labels, np.array([f"{n}.png" for n in range(count)]), np.array(persons), np.full(count, "set"),
        np.array(truth), np.eye(3, dtype=np.float32)[predicted], none, none, np.full(count, np.nan, np.float32),
        np.full(count, ""), np.asarray(votes, np.float32),
    )  # fmt: skip


def example() -> Predictions:
    """Six images of three people; the last was rated by nobody."""
    votes = np.array([[3, 1, 0, 1], [2, 2, 0, 0], [0, 1, 3, 0], [0, 0, 0, 2], [1, 3, 0, 0], [0, 0, 0, 0]])
    return predictions_of(votes, [0, 1, 2, 0, 0, 1], [0, 0, 2, 2, 1, 1], list("aabbcc"))


def test_human_figures_weigh_answers_and_other_is_wrong() -> None:
    found = compare(example(), resamples=100)
    assert (found.images, found.subjects, found.answers, found.other) == (5, 3, 19, 3)
    assert found.human_accuracy.value == pytest.approx((3 + 2 + 3 + 0 + 3) / 19)
    assert found.human_accuracy_without_other == pytest.approx(11 / 16)
    assert found.human.recall.tolist() == pytest.approx([5 / 9, 3 / 4, 3 / 6, 0])
    assert found.human.precision.tolist() == pytest.approx([5 / 6, 3 / 7, 3 / 3, 0])
    assert found.model_accuracy.value == pytest.approx(2 / 5)


def test_averages_are_given_over_the_labels_and_with_other() -> None:
    found = compare(example(), resamples=50)
    rows = both_rows(found.model, found.human)
    assert [(row["who"], row["figure"]) for row in rows][2:4] == [("model", "f1"), ("human", "precision")]
    human = rows[4]
    assert human["macro"] == pytest.approx((5 / 9 + 3 / 4 + 1 / 2) / 3)
    assert human["macro_with_other"] == pytest.approx(human["macro"] * 3 / 4)
    assert rows[0]["macro_with_other"] is None


def test_the_crowd_and_the_pairs_that_differ_are_counted_by_hand() -> None:
    found = compare(example(), resamples=50)
    assert found.crowd.majority_accuracy.value == pytest.approx((1 + 0.5 + 1 + 0 + 1) / 5)
    assert (found.gaps.only_model, found.gaps.only_majority, found.gaps.mcnemar_p) == (0, 1, 1)
    assert found.gaps.accuracy.interval.value == pytest.approx(2 / 5 - 11 / 19)
    assert found.gaps.majority.interval.value == pytest.approx(2 / 5 - 3.5 / 5)
    votes = example().votes[:5]
    assert found.crowd.alpha.value == pytest.approx(krippendorff_alpha(votes))
    assert found.crowd.alpha_without_other.value == pytest.approx(krippendorff_alpha(votes[:, :3]))


def test_each_person_has_the_answers_about_it() -> None:
    human = human_confusion(example())
    assert human[0].tolist() == [[5, 3, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert human.sum() == 19


def test_a_model_that_is_clearly_better_is_told_and_one_that_answers_as_one_rater_is_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    one_rater = np.where(rng.random((300, 6)) < 0.4, truth[:, None], rng.integers(0, 4, (300, 6)))
    votes = np.stack([(one_rater[:, 1:] == kind).sum(axis=1) for kind in range(4)], axis=1)
    persons = [str(n % 60) for n in range(300)]
    good = predictions_of(votes, np.where(rng.random(300) < 0.8, truth, 0).tolist(), truth.tolist(), persons)
    as_one = np.where(one_rater[:, 0] == 3, (truth + 1) % 3, one_rater[:, 0])
    human = predictions_of(votes, as_one.tolist(), truth.tolist(), persons)
    assert compare(good, resamples=500).gaps.accuracy.p < 0.01
    assert compare(human, resamples=500).gaps.accuracy.p > 0.05


def test_repeats_do_not_count_raters_twice() -> None:
    once = example()
    index = np.tile(np.arange(6), 2)
    twice = replace(once.select(index), repeat=np.repeat([0, 1], 6))
    assert compare(twice, resamples=50).answers == 19


def test_a_comparison_is_json_even_where_figures_are_undefined() -> None:
    one_each = predictions_of(np.eye(4)[[0, 1]], [0, 1], [0, 1], ["a", "b"])
    told = json.loads(json.dumps(jsonable(compare(one_each, resamples=20)), allow_nan=False))
    assert told["crowd"]["alpha"] == {"value": None, "low": None, "high": None}
    assert told["gaps"]["accuracy"]["interval"]["value"] == 0


def test_nobody_rated_nothing_to_compare() -> None:
    with pytest.raises(DataError, match="no votes"):
        compare(replace(example(), votes=np.zeros((6, 4), np.float32)))


def test_answers_are_read_in_either_language_and_become_votes(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("path,rater,answer\n0.png,r1,mild\n0.png,r2,軽い\n2.png,r1,その他\n9.png,r1,none\n")
    answers = read_answers(path, PAIN)
    votes = with_answers(example(), answers).votes
    assert votes[[0, 2]].tolist() == [[0, 2, 0, 0], [0, 0, 0, 1]]
    assert votes.sum() == 3


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("path,rater\n", "line 1: column answer", id="missing-column"),
        pytest.param("path,rater,answer\n0.png,r,angst\n", "line 2: column answer: 'angst'", id="unknown-answer"),
        pytest.param("path,rater,answer\n0.png,r,joy\n0.png,r,fear\n", "line 3: column rater", id="twice"),
        pytest.param("path,rater,answer\n,r,joy\n", "line 2: column path", id="no-path"),
    ],
)
def test_bad_answers_are_told_with_line_and_column(tmp_path: Path, text: str, where: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"answers\.csv") as caught:
        read_answers(path, NINE)
    assert where in str(caught.value)


def test_answers_about_other_images_are_told(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("path,rater,answer\nx.png,r1,mild\n")
    with pytest.raises(DataError, match="column path"):
        with_answers(example(), read_answers(path, PAIN))
