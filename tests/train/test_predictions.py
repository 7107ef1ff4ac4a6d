"""The csv of predictions holds everything, and tells where it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffe_edge.errors import DataError
from ffe_train.predictions import (
    Predictions,
    averaged,
    joined,
    numbered,
    read_predictions,
    shared_between_folds,
    write_predictions,
)

LABELS = ("joy", "anger", "neutral")


def predictions_of(count: int, *, repeats: int = 1, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    image = np.tile(np.arange(count), repeats)
    person = image % 4
    probs = rng.dirichlet(np.ones(3), count * repeats).astype(np.float32)
    votes = rng.integers(0, 4, (count, 4)).astype(np.float32)
    return Predictions(
        LABELS,
        np.array([f'写真/{n}, "a".png' for n in image]),
        np.array([f"p{n}" for n in person]),
        np.full(len(image), "set"),
        rng.integers(0, 3, count)[image],
        probs,
        person % 2,
        np.repeat(np.arange(repeats), count),
        np.where(person == 0, np.nan, 60.5 + person).astype(np.float32),
        np.array(["", "f", "m", "f"])[person],
        votes[image],
    )


def same(one: Predictions, two: Predictions) -> None:
    assert one.labels == two.labels
    for field in fields(Predictions)[1:]:
        np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name), err_msg=field.name)


def test_what_is_written_is_read_to_the_last_bit(tmp_path: Path) -> None:
    written = predictions_of(10, repeats=3)
    write_predictions(written, tmp_path / "predictions.csv")
    same(read_predictions(tmp_path / "predictions.csv"), written)


def test_columns_of_votes_may_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("path,subject,source,truth,fold,repeat,age,sex,prob_a,prob_b\nx.png,p,s,b,0,0,,f,.25,.75\n")
    read = read_predictions(path)
    assert (read.labels, read.truth.tolist(), read.votes.tolist()) == (("a", "b"), [1], [[0, 0, 0]])


HEADER = "path,subject,source,truth,fold,repeat,age,sex,prob_a,prob_b"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("", "line 1", id="empty"),
        pytest.param("path,subject\n", "line 1: column source", id="missing-column"),
        pytest.param(HEADER + ",mood\n", "line 1: column mood", id="unknown-column"),
        pytest.param(HEADER + ",votes_a\n", "line 1: column votes_b", id="half-the-votes"),
        pytest.param(HEADER + "\nx,p,s,a,0,0,,f,.5\n", "line 2: has 9", id="short-line"),
        pytest.param(HEADER + "\n\nx,p,s,joy,0,0,,f,.5,.5\n", "line 3: column truth", id="unknown-label"),
        pytest.param(HEADER + "\nx,p,s,a,0,0,,f,.5,nan\n", "line 2: column prob_b", id="nan"),
        pytest.param(HEADER + "\nx,p,s,a,0,0,,f,.5,.6\n", "line 2: column prob_a", id="sum"),
        pytest.param(HEADER + "\nx,p,s,a,0.5,0,,f,.5,.5\n", "line 2: column fold", id="fold"),
        pytest.param(HEADER + "\nx,p,s,a,0,0,old,f,.5,.5\n", "line 2: column age", id="age"),
        pytest.param(HEADER + "\nx,p,s,a,0,0,70,woman,.5,.5\n", "line 2: column sex", id="sex"),
        pytest.param(HEADER + "\nx,,s,a,0,0,70,f,.5,.5\n", "line 2: column subject", id="no-subject"),
        pytest.param(HEADER + "\nx,p,s,a,0,0,,f,.5,.5\nx,p,s,a,0,0,,f,.5,.5\n", "line 3: column path", id="twice"),
        pytest.param(HEADER + "\nx,p,s,a,0,0,,f,.5,.5\ny,p,s,a,1,0,,f,.5,.5\n", "column subject: 'p'", id="two-folds"),
        pytest.param(HEADER + '\nx,p,s,a,0,0,,f,.5,".5\n', "not csv", id="quote"),
    ],
)
def test_a_bad_file_is_told_with_line_and_column(tmp_path: Path, text: str, where: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"predictions\.csv") as caught:
        read_predictions(path)
    assert where in str(caught.value)


@pytest.mark.parametrize(
    ("column", "value", "where"),
    [
        pytest.param("truth", lambda whole: (whole.truth + (whole.repeat == 1)) % 3, "column truth", id="truth"),
        pytest.param(
            "subject",
            lambda whole: np.where(whole.repeat == 1, "another", whole.subject),
            "column subject",
            id="subject",
        ),
        pytest.param("votes", lambda whole: whole.votes + whole.repeat[:, None], "column votes_joy", id="votes"),
    ],
)
def test_an_image_that_is_another_one_in_another_repeat_is_told(
    tmp_path: Path, column: str, value: Callable[[Predictions], Any], where: str
) -> None:
    whole = predictions_of(1, repeats=2)
    write_predictions(replace(whole, **{column: value(whole)}), tmp_path / "predictions.csv")
    with pytest.raises(DataError, match=rf"line 3: {where}: .* has another {column} in line 2"):
        read_predictions(tmp_path / "predictions.csv")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: cannot be read"):
        read_predictions(tmp_path / "none.csv")


def test_the_mean_over_repeats_has_one_row_an_image() -> None:
    whole = predictions_of(6, repeats=3)
    mean = averaged(whole)
    np.testing.assert_allclose(mean.probs, whole.probs.reshape(3, 6, 3).mean(axis=0), atol=1e-7)
    np.testing.assert_array_equal(mean.path, whole.path[:6])


def test_rows_that_contradict_each_other_have_no_mean() -> None:
    whole = predictions_of(6, repeats=2)
    with pytest.raises(ValueError, match="truth"):
        averaged(replace(whole, truth=(whole.truth + (whole.repeat == 1)) % 3))


def test_a_name_counts_within_its_source() -> None:
    two = joined([predictions_of(8), replace(predictions_of(8), source=np.full(8, "another"))])
    assert len(set(two.person.tolist())) == 8
    assert len(averaged(two)) == 16


def test_a_subject_in_two_folds_of_one_repeat_is_found_but_not_in_two_repeats() -> None:
    whole = predictions_of(8, repeats=2)
    assert shared_between_folds(replace(whole, fold=whole.fold ^ whole.repeat)) == ()
    assert shared_between_folds(replace(whole, fold=np.arange(16) // 4 % 2)) == ("p0", "p1", "p2", "p3")


@pytest.mark.parametrize("name", ["path", "probs", "votes", "age"])
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    whole = predictions_of(6)
    with pytest.raises(ValueError, match=name):
        replace(whole, **{name: getattr(whole, name)[:5]})


def test_labels_and_truth_are_checked() -> None:
    with pytest.raises(ValueError, match="truth"):
        replace(predictions_of(6), truth=np.full(6, 3))
    with pytest.raises(ValueError, match="labels"):
        replace(predictions_of(6), labels=("joy", "anger", "other"))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 3)), min_size=1, max_size=20))
def test_rows_are_numbered_by_their_combination(pairs: list[tuple[str, int]]) -> None:
    order = sorted(set(pairs))
    number = numbered(np.array([x for x, _ in pairs]), np.array([y for _, y in pairs]))
    assert number.tolist() == [order.index(pair) for pair in pairs]
