"""One outer fold: inner folds choose and calibrate on its training part, then its test part is answered.

The labels of the test part are not looked at here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ffe_edge.types import FloatArray
from ffe_train.calibration import fit_temperature, softmax
from ffe_train.folds import Fold
from ffe_train.recipes import Transfer
from ffe_train.target_set import Labelled
from ffe_train.trainings import Training, Trainings

Values = dict[str, float | int]
"""Values of a recipe by name: ``rater_weight``, ``learning_rate``, ``epochs``."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """What the inner folds decided."""

    number: int
    """Of the candidate."""
    recipe: Transfer
    """With the chosen values in place."""
    values: Values
    inner_accuracy: tuple[float, ...]
    """Of every candidate, mean over the inner folds that were run."""
    temperature: float
    """Fitted to the chosen candidate's answers to inner test parts."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What an outer fold's networks say about its test part."""

    fold: Fold
    chosen: Chosen
    logits: FloatArray
    """(S, n, K), one network a seed."""

    @property
    def probs(self) -> FloatArray:
        """(n, K) float32, the mean of the seeds' calibrated probabilities.

        The temperature is a single network's: the mean of several is less sure than each, so that an ensemble may be
        right more often than it says. One temperature for the mean would need every seed's network in the inner folds.
        """
        each = [softmax(logits, self.chosen.temperature) for logits in self.logits]
        return np.asarray(np.mean(each, axis=0), np.float32)


def answered(fold: Fold, recipe: Transfer, labelled: Labelled, trainings: Trainings) -> Answer:
    """Choose, calibrate, train a network for every seed, and ask it about the test part.

    Raises:
        DataError: too few people for inner folds, or a loss is no longer a number.
    """
    chosen = chosen_for(fold, recipe, labelled, trainings)
    return Answer(fold, chosen, outer_logits(fold, chosen, recipe, trainings))


def outer_logits(fold: Fold, chosen: Chosen, recipe: Transfer, trainings: Trainings) -> FloatArray:
    """(S, n, K) logits about the test part, of one network a seed."""
    outer = name_of(fold)
    asked = [Training(f"{outer}-s{seed}", outer, chosen.recipe, seed, fold.train, fold.test) for seed in recipe.seeds]
    return np.stack([trainings.logits(training) for training in asked])


def chosen_for(fold: Fold, recipe: Transfer, labelled: Labelled, trainings: Trainings) -> Chosen:
    """The candidate with the best mean accuracy over the inner folds, by networks of the first seed.

    Where the recipe leaves nothing to choose, one inner fold is enough for the temperature, and the others are saved.
    Of equally good candidates the recipe's own values win, then the one named first.
    """
    options = candidates(recipe)
    inner = labelled.inner(fold, recipe)[: None if len(options) > 1 else 1]
    asked = np.concatenate([part.test for part in inner])
    truth = labelled.class_id[asked]
    logits, accuracy = [], []
    for number, (_, option) in enumerate(options):
        parts = [inner_logits(fold, part, number, option, recipe.seeds[0], trainings) for part in inner]
        right = [said.argmax(1) == labelled.class_id[part.test] for said, part in zip(parts, inner, strict=True)]
        logits.append(np.concatenate(parts))
        accuracy.append(float(np.mean([part.mean() for part in right])))
    best = int(np.argmax(accuracy))
    values, option = options[best]
    return Chosen(best, option, values, tuple(accuracy), fit_temperature(logits[best], truth))


def inner_logits(fold: Fold, part: Fold, number: int, recipe: Transfer, seed: int, trainings: Trainings) -> FloatArray:
    """What a network of one inner fold says about that fold's test part.

    Args:
        fold: the outer one.
        part: the inner one.
        number: of the candidate.
        recipe: of the candidate.
        seed: of the network.
        trainings: where it is trained, or kept.
    """
    outer = name_of(fold)
    name = f"{outer}-inner{part.number}-choice{number}-s{seed}"
    return trainings.logits(Training(name, outer, recipe, seed, part.train, part.test))


def candidates(recipe: Transfer) -> list[tuple[Values, Transfer]]:
    """Every combination of the values to choose from, the recipe's own values first where they are among them."""
    own: Values = {
        "rater_weight": recipe.targets.rater_weight,
        "learning_rate": recipe.fine_tune.learning_rate,
        "epochs": recipe.fine_tune.epochs,
    }
    lists = {name: _own_first(getattr(recipe.choice, name), value) for name, value in own.items()}
    named = [name for name in own if getattr(recipe.choice, name)]
    return [
        ({name: values[name] for name in named}, _with(recipe, values))
        for values in (dict(zip(own, row, strict=True)) for row in itertools.product(*lists.values()))
    ]


def trainings_of(recipe: Transfer) -> int:
    """How many networks the folds of a recipe take."""
    options, folds = len(candidates(recipe)), recipe.folds
    inner = options * folds.inner if options > 1 else 1
    return folds.outer * folds.repeats * (inner + len(recipe.seeds))


def name_of(fold: Fold) -> str:
    """Of an outer fold, for files."""
    return f"repeat{fold.repeat}-fold{fold.number}"


def _own_first(listed: tuple[float, ...] | tuple[int, ...], own: float) -> list[float]:
    values = list(dict.fromkeys(listed or (own,)))
    return sorted(values, key=lambda value: value != own)


def _with(recipe: Transfer, values: Values) -> Transfer:
    targets = recipe.targets.model_copy(update={"rater_weight": values["rater_weight"]})
    rest = {name: values[name] for name in ("learning_rate", "epochs")}
    return recipe.model_copy(update={"targets": targets, "fine_tune": recipe.fine_tune.model_copy(update=rest)})


def shared_values(answers: list[Answer], recipe: Transfer) -> tuple[Values, Transfer]:
    """The candidate with the best inner accuracy over all outer folds: what a network for everybody is trained with."""
    means = np.mean([answer.chosen.inner_accuracy for answer in answers], axis=0)
    return candidates(recipe)[int(np.argmax(means))]
