"""Nested folds that keep people apart: outer folds measure, inner folds choose and calibrate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from ffe_edge.errors import DataError

IntArray = npt.NDArray[np.int64]
StringArray = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Fold:
    """One cut of a set into people who teach and people who are asked."""

    repeat: int
    number: int
    train: IntArray
    """Indices into the whole set, ascending."""
    test: IntArray
    """Indices into the whole set, ascending; nobody in it is in ``train``."""


def outer_folds(
    class_id: IntArray, subject: StringArray, labels: tuple[str, ...], *, count: int, repeats: int = 1
) -> tuple[Fold, ...]:
    """Cut the set ``repeats`` times into ``count`` parts; in each repeat every image is tested once.

    The cut depends on people and labels alone, so that every recipe is measured on the same folds, and pairs can be
    compared. The order of the images does not matter.

    Args:
        class_id: (N,) int64, positions in ``labels``.
        subject: (N,) who each image shows.
        labels: (K,) names, for messages.
        count: parts of each repeat.
        repeats: cuts, each with a seed of its own.

    Raises:
        DataError: a class is shown by fewer people than ``count``, or no cut gives every part what it needs.
        ValueError: lengths differ, or somebody has no name.
    """
    everyone = np.arange(len(class_id))
    return tuple(
        fold
        for repeat in range(repeats)
        for fold in _cut(everyone, class_id, subject, labels, count, repeat=repeat, seed=repeat)
    )


def inner_folds(
    fold: Fold, class_id: IntArray, subject: StringArray, labels: tuple[str, ...], *, count: int
) -> tuple[Fold, ...]:
    """Cut the training part of an outer fold into ``count`` parts; its test part takes no part.

    Args:
        fold: the outer one.
        class_id: (N,) int64 of the whole set; only the training part's are looked at.
        subject: (N,) of the whole set.
        labels: (K,) names, for messages.
        count: parts.

    Raises:
        DataError: a class is shown by fewer people of the training part than ``count``.
    """
    seed = 1000 * (fold.repeat + 1) + fold.number
    return _cut(fold.train, class_id, subject, labels, count, repeat=fold.repeat, seed=seed)


def _cut(
    among: IntArray,
    class_id: IntArray,
    subject: StringArray,
    labels: tuple[str, ...],
    count: int,
    *,
    repeat: int,
    seed: int,
) -> tuple[Fold, ...]:
    if class_id.shape != subject.shape or len(among) == 0:
        raise ValueError(f"{class_id.shape} labels do not fit {subject.shape} people, of whom {len(among)} are cut")
    shown, who = class_id[among], subject[among]
    if np.any(who == "") or shown.min() < 0:
        raise ValueError("people are kept apart by name and mixed by label: an image without either cannot be cut")
    _check_enough(shown, who, labels, count)
    splitter = StratifiedGroupKFold(count)
    parts = [np.asarray(test, np.int64) for _, test in splitter.split(shown, shown, _shuffled(who, seed))]
    for part in parts:
        rest = np.delete(shown, part)
        if len(part) == 0 or len(np.unique(rest)) < len(np.unique(shown)):
            raise DataError(
                f"{len(np.unique(who))} people cannot be cut into {count} parts that all show something and leave "
                "every class to learn from: ask for fewer folds, or add people"
            )
    return tuple(
        Fold(repeat, number, among[np.delete(np.arange(len(among)), part)], among[part])
        for number, part in enumerate(parts)
    )


def _shuffled(who: StringArray, seed: int) -> IntArray:
    """People by number, in an order that chance gives: the one that scikit-learn 1.9 gives by itself.

    1.7, the last for Python 3.10, shuffles what people show and leaves the people where they are.
    """
    names, person = np.unique(who, return_inverse=True)
    order = np.arange(len(names))
    np.random.RandomState(seed).shuffle(order)
    return np.asarray(np.argsort(order)[person], np.int64)


def _check_enough(class_id: IntArray, subject: StringArray, labels: tuple[str, ...], count: int) -> None:
    people = {int(k): len(np.unique(subject[class_id == k])) for k in np.unique(class_id)}
    rare = [f"{labels[k]} ({number})" for k, number in people.items() if number < count]
    if rare:
        raise DataError(
            f"{count} folds that keep people apart need at least {count} people for every class; too few show "
            f"{', '.join(rare)}: ask for fewer folds, add people, or leave the class out of the labels"
        )
