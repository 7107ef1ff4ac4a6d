"""People never cross, everybody is asked once, and classes that too few show are told before anything is trained."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffe_edge.errors import DataError
from ffe_train.folds import IntArray, StringArray, inner_folds, outer_folds

LABELS = ("joy", "anger", "neutral")
People = tuple[IntArray, StringArray]


def people_of(counts: list[list[int]]) -> People:
    """Each person shows each class as often as told."""
    rows = [
        (k, f"p{who:03d}") for who, shown in enumerate(counts) for k, times in enumerate(shown) for _ in range(times)
    ]
    return np.array([k for k, _ in rows], np.int64), np.array([who for _, who in rows])


@st.composite
def people(draw: st.DrawFn) -> People:
    person = st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any)
    class_id, subject = people_of(draw(st.lists(person, min_size=6, max_size=30)))
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(class_id))
    return class_id[order], subject[order]


@settings(max_examples=60, deadline=None)
@given(people(), st.integers(2, 5), st.integers(1, 3))
def test_people_never_cross_and_every_image_is_asked_once_a_repeat(whom: People, count: int, repeats: int) -> None:
    class_id, subject = whom
    try:
        folds = outer_folds(class_id, subject, LABELS, count=count, repeats=repeats)
    except DataError:
        return
    assert [(fold.repeat, fold.number) for fold in folds] == list(itertools.product(range(repeats), range(count)))
    for fold in folds:
        assert not set(subject[fold.train]) & set(subject[fold.test])
        assert sorted([*fold.train, *fold.test]) == list(range(len(class_id)))
        assert set(class_id[fold.train]) == set(class_id)
        assert len(fold.test)
    for repeat in range(repeats):
        tested = np.concatenate([fold.test for fold in folds if fold.repeat == repeat])
        assert sorted(tested) == list(range(len(class_id)))


@settings(max_examples=40, deadline=None)
@given(people(), st.integers(2, 4), st.integers(2, 3))
def test_inner_folds_cut_the_training_part_alone(whom: People, count: int, inner: int) -> None:
    class_id, subject = whom
    try:
        folds = outer_folds(class_id, subject, LABELS, count=count)
        nested = [(fold, inner_folds(fold, class_id, subject, LABELS, count=inner)) for fold in folds]
    except DataError:
        return
    for fold, parts in nested:
        assert sorted(np.concatenate([part.test for part in parts])) == sorted(fold.train)
        for part in parts:
            assert not set(part.train) & set(fold.test)
            assert not set(subject[part.train]) & set(subject[part.test])
            assert sorted([*part.train, *part.test]) == sorted(fold.train)


def test_many_people_are_cut_evenly() -> None:
    class_id, subject = people_of([[2, 1, 1]] * 111)
    folds = outer_folds(class_id, subject, LABELS, count=5, repeats=3)
    for fold in folds:
        assert 20 <= len(set(subject[fold.test])) <= 24
        assert abs(np.mean(class_id[fold.test] == 0) - 0.5) < 0.02


def test_folds_come_back_and_repeats_differ() -> None:
    class_id, subject = people_of([[1, 1, 1]] * 12)
    first, again = (outer_folds(class_id, subject, LABELS, count=3, repeats=2) for _ in range(2))
    assert [fold.test.tolist() for fold in first] == [fold.test.tolist() for fold in again]
    assert first[0].test.tolist() != first[3].test.tolist()


def test_the_order_of_the_images_does_not_matter() -> None:
    class_id, subject = people_of([[1, 2, 0], [0, 1, 2], [2, 1, 1]] * 5)
    order = np.random.default_rng(0).permutation(len(class_id))
    straight = outer_folds(class_id, subject, LABELS, count=3)
    shuffled = outer_folds(class_id[order], subject[order], LABELS, count=3)
    for one, other in zip(straight, shuffled, strict=True):
        assert set(subject[one.test]) == set(subject[order][other.test])


def test_labels_of_the_test_part_do_not_move_inner_folds() -> None:
    class_id, subject = people_of([[1, 1, 1]] * 12)
    fold = outer_folds(class_id, subject, LABELS, count=3)[0]
    poisoned = class_id.copy()
    poisoned[fold.test] = -1
    with pytest.raises(ValueError, match="cannot be cut"):
        outer_folds(poisoned, subject, LABELS, count=3)
    clean, same = (inner_folds(fold, of, subject, LABELS, count=2) for of in (class_id, poisoned))
    assert [part.test.tolist() for part in clean] == [part.test.tolist() for part in same]


def test_a_class_that_too_few_people_show_is_named() -> None:
    class_id, subject = people_of([[2, 1, 0]] * 8 + [[1, 0, 9]] * 2)
    with pytest.raises(DataError, match=r"3 folds .* at least 3 people .* too few show neutral \(2\): ask for fewer"):
        outer_folds(class_id, subject, LABELS, count=3)


def test_fewer_people_than_folds_are_refused() -> None:
    class_id, subject = people_of([[2, 2, 2]] * 4)
    with pytest.raises(DataError, match=r"5 folds .* joy \(4\), anger \(4\), neutral \(4\)"):
        outer_folds(class_id, subject, LABELS, count=5)


@pytest.mark.parametrize(
    ("class_id", "subject", "message"),
    [
        pytest.param([0, 1, 2], ["a", "", "c"], "by name and", id="nameless"),
        pytest.param([0, 1, 2], ["a", "b"], "do not fit", id="lengths"),
        pytest.param([], [], "do not fit", id="nobody"),
    ],
)
def test_wrong_arguments_are_refused(class_id: list[int], subject: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outer_folds(np.array(class_id, np.int64), np.array(subject, np.str_), LABELS, count=2)
