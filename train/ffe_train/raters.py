"""A model beside human raters, on the same images and over the same labels.

Raters answer with a label or with "other". Other counts as a wrong answer in accuracy and recall; it is no class of
the task, so macro averages over the K labels leave it out. Averages over K + 1, with other as a label that no image
has, are lower by K / (K + 1) for that reason alone: they are given too, since tables are published that way.

Human figures weigh every answer alike: they are what one rater taken at random gets, not what a crowd would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ffe_edge.errors import DataError
from ffe_train.agreement import alpha_of, leave_one_out, majority, pair_counts, sole_majority
from ffe_train.bootstrap import (
    RESAMPLES,
    Difference,
    Interval,
    Statistic,
    interval,
    paired,
    person_confusion,
    person_sums,
)
from ffe_train.metrics import ClassTable, CountArray, accuracy, macro_f1, table_of
from ffe_train.predictions import OTHER, Predictions, averaged
from ffe_train.significance import mcnemar

FIGURES = ("precision", "recall", "f1")


@dataclass(frozen=True, slots=True)
class Crowd:
    """How raters do together, and how far they agree."""

    majority_accuracy: Interval
    """Of the most frequent answer; of k that are equally frequent each counts 1 / k."""
    leave_one_out_accuracy: Interval
    """Of the most frequent answer of the others, each rater being left out in turn."""
    leave_one_out_agreement: Interval
    """How often the rater left out says what most of the others say."""
    alpha: Interval
    """Krippendorff's, other being an answer like any."""
    alpha_without_other: Interval
    """The same over the answers that are a label."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """How far the model is from the raters."""

    accuracy: Difference
    """Model minus one rater: a rater's accuracy is that expected of an answer drawn from all answers."""
    macro_f1: Difference
    """The same of macro-F1 over the K labels."""
    majority: Difference
    """Model minus majority, in accuracy."""
    only_model: int
    """Images that the model has right and the sole most frequent answer has not."""
    only_majority: int
    """The reverse."""
    mcnemar_p: float
    """Exact, of these two numbers; takes images for independent."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Model and raters on the images that somebody rated."""

    images: int
    subjects: int
    answers: float
    other: float
    """Answers that are none of the labels."""
    model: ClassTable
    human: ClassTable
    """Over K + 1 labels, ``other`` the last; counts are answers."""
    model_accuracy: Interval
    human_accuracy: Interval
    """Of one answer; other is wrong."""
    human_accuracy_without_other: float
    """Of the answers that are a label."""
    crowd: Crowd
    gaps: Gaps


@dataclass(frozen=True, slots=True)
class _Draws:
    """How persons are drawn for every figure of a comparison."""

    resamples: int
    seed: int

    def interval(self, counts: CountArray, statistic: Statistic) -> Interval:
        return interval(counts, statistic, resamples=self.resamples, seed=self.seed)

    def gap(self, first: CountArray, second: CountArray, statistic: Statistic) -> Difference:
        return paired(first, second, statistic, resamples=self.resamples, seed=self.seed)


def human_confusion(predictions: Predictions) -> CountArray:
    """(S, K, K+1) answers of each person's raters, truth in rows, other in the last column."""
    classes = len(predictions.labels)
    placed = np.zeros((len(predictions), classes, classes + 1))
    placed[np.arange(len(predictions)), predictions.truth] = predictions.votes
    return person_sums(predictions.person, placed)


def compare(predictions: Predictions, *, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Compare a model with the raters over the images that somebody rated.

    Where predictions hold several repeats, the model's figures are means over these. McNemar's test needs one answer an
    image and takes that of the probabilities' mean.

    Args:
        predictions: with votes.
        resamples: how often persons are drawn.
        seed: of the draws.

    Raises:
        DataError: nobody rated an image.
    """
    rows = predictions.select(predictions.votes.sum(axis=1) > 0)
    if not len(rows):
        raise DataError("the predictions hold no votes of raters; give their answers as path,rater,answer")
    draws, rated = _Draws(resamples, seed), averaged(rows)
    model, human = person_confusion(rows), human_confusion(rated)
    answered = human.sum(axis=0)
    return Comparison(
        images=len(rated),
        subjects=len(model),
        answers=float(answered.sum()),
        other=float(answered[:, -1].sum()),
        model=table_of(rated.labels, model.sum(axis=0)),
        human=table_of(rated.labels, answered),
        model_accuracy=draws.interval(model, accuracy),
        human_accuracy=draws.interval(human, accuracy),
        human_accuracy_without_other=float(accuracy(answered[:, :-1])),
        crowd=_crowd(rated, draws),
        gaps=_gaps(rated, model, human, draws),
    )


def both_rows(model: ClassTable, human: ClassTable) -> list[dict[str, Any]]:
    """The table of the slides: precision, recall and F1 of model and raters.

    Returns:
        Rows of ``who``, ``figure``, ``macro`` over the model's labels, ``macro_with_other`` (raters only, else None)
        and one entry for each label.
    """
    rows = []
    for who, table in (("model", model), ("human", human)):
        macro = table.macro(model.labels)
        wide = table.macro(table.labels) if OTHER in table.labels else None
        for figure in FIGURES:
            values = getattr(table, figure).tolist()
            row = {"who": who, "figure": figure, "macro": getattr(macro, figure)}
            row["macro_with_other"] = getattr(wide, figure) if wide else None
            rows.append(row | {label: values[table.labels.index(label)] for label in model.labels})
    return rows


def _crowd(rated: Predictions, draws: _Draws) -> Crowd:
    votes, person = rated.votes.astype(np.float64), rated.person
    alone, agrees = leave_one_out(votes, rated.truth)
    return Crowd(
        draws.interval(_shares(person, majority(votes, rated.truth)), _mean),
        draws.interval(_shares(person, alone), _mean),
        draws.interval(_shares(person, agrees), _mean),
        draws.interval(person_sums(person, pair_counts(votes)), alpha_of),
        draws.interval(person_sums(person, pair_counts(votes[:, :-1])), alpha_of),
    )


def _gaps(rated: Predictions, model: CountArray, human: CountArray, draws: _Draws) -> Gaps:
    votes, person = rated.votes.astype(np.float64), rated.person
    right, crowd_right = rated.predicted == rated.truth, sole_majority(votes) == rated.truth
    only_model, only_majority = int((right & ~crowd_right).sum()), int((crowd_right & ~right).sum())
    by_majority = _shares(person, majority(votes, rated.truth))
    by_model = np.stack([np.trace(model, axis1=1, axis2=2), model.sum(axis=(1, 2))], axis=1)
    return Gaps(
        draws.gap(model, human, accuracy),
        draws.gap(model, human, macro_f1),
        draws.gap(by_model, by_majority, _mean),
        only_model,
        only_majority,
        mcnemar(only_model, only_majority),
    )


def _shares(person: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> CountArray:
    """(S, 2) sum and number of each person's values, nan left out."""
    known = ~np.isnan(values)
    return person_sums(person, np.stack([np.where(known, values, 0.0), known], axis=1))


def _mean(counts: CountArray) -> CountArray:
    total, number = counts[:, 0], counts[:, 1]
    return np.asarray(np.divide(total, number, out=np.full(len(counts), np.nan), where=number > 0))
