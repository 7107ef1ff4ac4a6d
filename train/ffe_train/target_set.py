"""The set that a transfer is measured on: who shows what, and what is left out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray
from ffe_train.folds import Fold, IntArray, StringArray, inner_folds, outer_folds
from ffe_train.manifest import NOT_ASKED, Row
from ffe_train.prepared import PreparedSet
from ffe_train.recipes import Transfer
from ffe_train.tasks import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Who shows what, by indices into the target."""

    class_id: IntArray
    """(N,) positions in ``labels``."""
    person: StringArray
    """(N,) ``source/subject``."""
    labels: tuple[str, ...]

    def outer(self, recipe: Transfer) -> tuple[Fold, ...]:
        """Outer folds of all repeats.

        Raises:
            DataError: too few people show a class.
        """
        folds = recipe.folds
        return outer_folds(self.class_id, self.person, self.labels, count=folds.outer, repeats=folds.repeats)

    def inner(self, fold: Fold, recipe: Transfer) -> tuple[Fold, ...]:
        """Inner folds of an outer one's training part.

        Raises:
            DataError: too few people show a class.
        """
        return inner_folds(fold, self.class_id, self.person, self.labels, count=recipe.folds.inner)


def asked_for(target: PreparedSet, task: Task, kept: Task) -> PreparedSet:
    """The images whose label is one of ``kept``; those of other labels of the task, or without one, are left out.

    Raises:
        DataError: a label or a vote that the task does not know, an image that stands there twice, or a label of
            ``kept`` that nobody shows.
    """
    known = {*task.labels, *NOT_ASKED, ""}
    for number, row in enumerate(target.rows):
        if unknown := [word for word in (row.label, *row.votes) if word not in known]:
            what = "label" if unknown[0] == row.label else "vote"
            raise DataError(
                f"{target.name}: row {number} of its manifest, {row.path}: the {what} {unknown[0]!r} is no label of "
                f"{task.name}; see labels.toml"
            )
    check_once(target.rows, target.name)
    class_id = target.class_id(kept)
    missing = [label for k, label in enumerate(kept.labels) if not (class_id == k).any()]
    if missing:
        raise DataError(
            f"{target.name}: nobody shows {', '.join(missing)}; add images, or name in the recipe's labels those shown"
        )
    if (class_id < 0).any():
        left_out = Counter(target.rows[index].label or "none" for index in np.flatnonzero(class_id < 0))
        logger.info("%s: left out by label: %s", target.name, dict(left_out))
        return target.select(np.flatnonzero(class_id >= 0))
    return target


def check_once(rows: Iterable[Row], name: str) -> None:
    """Every image of a source has one row: two may contradict each other.

    Raises:
        DataError: names the image that stands there again.
    """
    seen = set()
    for number, row in enumerate(rows):
        if (row.source, row.path) in seen:
            source = f" of {row.source}" if row.source else ""
            raise DataError(f"{name}: {row.path}{source} stands there again in row {number}; take one of its rows away")
        seen.add((row.source, row.path))


def labelled_of(target: PreparedSet, task: Task) -> Labelled:
    """Who shows what."""
    ids, names = target.identity()
    return Labelled(target.class_id(task), np.array(names, np.str_)[ids], task.labels)


def votes_of(target: PreparedSet, task: Task) -> FloatArray:
    """(N, K+1) float32 raters' counts; the last column holds every answer that is none of the task's labels."""
    votes = target.votes(task)
    total = np.array([sum(row.votes.values()) for row in target.rows], np.float32)
    return np.concatenate([votes, (total - votes.sum(axis=1))[:, None]], axis=1)
