"""What a pretraining learns from, looked over before anything starts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ffe_edge.errors import ConfigError, DataError
from ffe_edge.types import FloatArray
from ffe_train.manifest import check_rows
from ffe_train.prepared import IntArray, PreparedSet, joined
from ffe_train.recipes import Pretrain
from ffe_train.tasks import Task
from ffe_train.verification import checked_pairs


@dataclass(frozen=True)
class Lesson:
    """Checked data of one stage."""

    train: PreparedSet
    """Faces to learn, set after set."""
    targets: npt.NDArray[Any]
    """(N,) int64 identities, or (N, K) float32 distributions over the labels; zeros where teachers alone will tell."""
    classes: tuple[str, ...]
    """Names of identities or labels."""
    counts: tuple[int, ...]
    """Faces of each set."""
    weights: tuple[float, ...]
    """How often a face of each set is drawn in an epoch."""
    made_of: Mapping[str, Any]
    """Digests of the sets."""
    val: PreparedSet | None = None
    """Labelled faces that measure expressions."""
    val_class: IntArray | None = None
    """(V,) their class ids."""
    val_set: IntArray | None = None
    """(V,) which of the recipe's sets they are of."""
    pairs: PreparedSet | None = None
    """The set whose pairs measure identities."""

    @property
    def people(self) -> tuple[str, ...]:
        """Names ``source/subject`` of everybody who is learned."""
        return self.train.identity()[1]

    @property
    def drawn(self) -> int:
        """Faces in an epoch."""
        return sum(round(count * weight) for count, weight in zip(self.counts, self.weights, strict=True))


def lesson_of(recipe: Pretrain, sets: Mapping[str, PreparedSet], task: Task) -> Lesson:
    """Choose and check what a recipe learns.

    Args:
        recipe: what to learn.
        sets: prepared sets by the names of the recipe.
        task: labels of expressions.

    Raises:
        ConfigError: a set is not given.
        DataError: a person stands in two splits, a class has no sample, there is too little to learn from, or people
            are learned who then measure verification.
    """
    wanted = [*recipe.learned, *([recipe.pairs] if recipe.pairs and recipe.learn == "identity" else [])]
    if missing := [name for name in wanted if name not in sets]:
        raise ConfigError(
            f"{recipe.name}: no prepared set {missing[0]}; there are: {', '.join(sorted(sets)) or 'none'}"
        )
    chosen = [sets[name] for name in recipe.data]
    rows = itertools.chain.from_iterable(one.rows for one in chosen)
    check_rows(rows, task if recipe.learn == "expression" else None)
    if recipe.learn == "identity":
        lesson = _identities(recipe, chosen, sets)
    else:
        unlabelled = [sets[name] for name in recipe.learned[len(recipe.data) :]]
        lesson = _expressions(recipe, chosen, unlabelled, task.only(recipe.labels))
    if lesson.drawn < recipe.schedule.batch:
        raise DataError(
            f"{recipe.name}: an epoch of {lesson.drawn} faces does not fill one batch of {recipe.schedule.batch}; "
            "lower schedule.batch or add data"
        )
    return lesson


def _identities(recipe: Pretrain, chosen: Sequence[PreparedSet], sets: Mapping[str, PreparedSet]) -> Lesson:
    parts = [_learned(one, recipe) for one in chosen]
    train = joined(parts)
    targets, names = train.identity()
    if len(names) < 2 or len(names) == len(train):
        raise DataError(
            f"{recipe.name}: {len(train)} faces of {len(names)} people teach no identities; "
            "two people with several faces are the least"
        )
    pairs = sets[recipe.pairs] if recipe.pairs else None
    if pairs is not None:
        _check_strangers(recipe, pairs, names)
    measured = {} if pairs is None else {pairs.name: pairs.digest}
    made_of = {"data": _digests(recipe, chosen), "pairs": measured}
    return Lesson(train, targets, names, _counts(parts), _weights(recipe), made_of, pairs=pairs)


def _expressions(
    recipe: Pretrain, chosen: Sequence[PreparedSet], unlabelled: Sequence[PreparedSet], task: Task
) -> Lesson:
    parts = [_labelled(_learned(one, recipe), task, recipe) for one in chosen]
    targets = doubted(joined(parts).targets(task, recipe.rater_weight), shares_of_doubt(recipe, _counts(parts)))
    parts += [_learned(one, recipe) for one in unlabelled]
    train = joined(parts)
    targets = np.concatenate([targets, np.zeros((len(train) - len(targets), len(task)), np.float32)])
    if missing := [label for label, mass in zip(task.labels, targets.sum(axis=0), strict=True) if mass == 0]:
        raise DataError(
            f"{recipe.name}: no face to learn shows {', '.join(missing)}; add some, or name in the recipe's labels "
            "those that are shown"
        )
    watched = [one.select(np.flatnonzero(one.split == "val")) for one in chosen]
    judges, of_set = joined(watched), np.repeat(np.arange(len(watched)), [len(one) for one in watched])
    truth = judges.targets(task, 0.0)
    told = np.flatnonzero(truth.sum(axis=1) > 0)
    val = judges.select(told) if len(told) else None
    made_of = {"data": _digests(recipe, [*chosen, *unlabelled]), "labels": ", ".join(task.labels)}
    return Lesson(
        train,
        targets,
        task.labels,
        _counts(parts),
        _weights(recipe),
        made_of,
        val,
        truth[told].argmax(axis=1),
        of_set[told],
    )


def shares_of_doubt(recipe: Pretrain, counts: Sequence[int]) -> npt.NDArray[np.float64]:
    """(N,) what each face's target is doubted by, for the recipe's sets in their order or the first of them."""
    shares = [recipe.doubt.get(name, 0.0) for name in recipe.learned[: len(counts)]]
    return np.repeat(np.array(shares, np.float64), counts)


def doubted(targets: FloatArray, shares: npt.NDArray[np.float64]) -> FloatArray:
    """Spread a share (N,) of each target (N, K) evenly over all labels."""
    share = shares[:, None]
    return np.asarray((1 - share) * targets + share / targets.shape[1], np.float32)


def _learned(one: PreparedSet, recipe: Pretrain) -> PreparedSet:
    """The split ``train``; a set that has no splits at all is learned whole."""
    whole = not (one.split != "").any()
    part = one if whole else one.select(np.flatnonzero(one.split == "train"))
    if not len(part):
        raise DataError(f"{recipe.name}: the set {one.name} has no face in the split train")
    return part


def _labelled(part: PreparedSet, task: Task, recipe: Pretrain) -> PreparedSet:
    told = np.flatnonzero(part.targets(task, recipe.rater_weight).sum(axis=1) > 0)
    if not len(told):
        raise DataError(f"{recipe.name}: no face of the set {part.name} has a label of {', '.join(task.labels)}")
    return part.select(told)


def _check_strangers(recipe: Pretrain, pairs: PreparedSet, learned: Sequence[str]) -> None:
    """Verification is of people whom the network has never seen."""
    ids, names = pairs.identity()
    measured = {names[number] for number in np.unique(ids[checked_pairs(pairs)[:, :2]]).tolist()}
    if known := sorted(measured.intersection(learned)):
        raise DataError(
            f"{recipe.name}: the pairs of {pairs.name} show {len(known)} people who are learned, as {known[0]}; "
            "they must stand in another split"
        )


def _digests(recipe: Pretrain, chosen: Sequence[PreparedSet]) -> dict[str, str]:
    return {name: one.digest for name, one in zip(recipe.learned, chosen, strict=True)}


def _counts(parts: Sequence[PreparedSet]) -> tuple[int, ...]:
    return tuple(len(part) for part in parts)


def _weights(recipe: Pretrain) -> tuple[float, ...]:
    return tuple(recipe.weights.get(name, 1.0) for name in recipe.learned)
