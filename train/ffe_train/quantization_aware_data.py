"""What quantization-aware tuning is told, and on whom it learns and is measured."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from ffe_edge.errors import ConfigError, DataError
from ffe_edge.types import FloatArray
from ffe_train.manifest import check_rows
from ffe_train.people import People, people_of
from ffe_train.prepared import IntArray, PreparedSet, joined
from ffe_train.recipe_sections import Augment, Name, Positive, Section, Share, no_repeats
from ffe_train.tasks import Task

ONE_IN: Final = 10
"""Of the people of a set without a split ``val`` so many are measured, and one at least."""


class Aware(Section):
    """A tuning's recipe. What is learned is nearly known already: rates and changes to pictures are small."""

    stage: Literal["aware"] = "aware"
    name: Name
    data: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of prepared sets: their split ``train`` is learned from, ``val`` measured, ``test`` never seen."""
    bits: Annotated[int, Field(ge=4, le=8)] = 8
    """Of the weights."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    batch: Annotated[int, Field(ge=1)] = 32
    learning_rate: Positive = 0.002
    """The largest; it rises over half an epoch, then falls to zero along a cosine."""
    label_weight: Share = 0.0
    """Of the labels in the target; the rest is what the unquantized network says."""
    calibration: Annotated[int, Field(ge=1)] = 512
    """Faces that activations are measured on before every epoch."""
    clip: Positive = 5.0
    """Largest norm of the gradient."""
    augment: Augment = Augment(crop=0.0, low_resolution=0.0, photometric=0.2, jitter=0.5)
    seed: int = 0
    allow_seen_people: bool = False
    """Measure on people whom an earlier stage has learned; the result says so."""

    @model_validator(mode="after")
    def _check(self) -> Aware:
        no_repeats("data", self.data)
        return self


def aware_recipe(**values: Any) -> Aware:
    """A recipe of values that a user gave.

    Raises:
        ConfigError: one is out of range; it is named.
    """
    try:
        return Aware(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        told = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{key}: {told}" if key else told) from error


@dataclass(frozen=True, eq=False)
class Lesson:
    """Checked data of one tuning."""

    train: PreparedSet
    """Faces to learn from."""
    labels: FloatArray
    """(N, K) float32 one-hot, zeros where a face has no label of the network's."""
    measured: PreparedSet
    """Faces of people who are not learned from."""
    truth: IntArray
    """(M,) their class ids, -1 where there is none."""
    seen: Mapping[str, Any]
    """For the record, whether an earlier stage has learned some of them: as ``check_strangers`` gives it."""

    @property
    def people(self) -> People:
        """Whom the tuning learns from."""
        return people_of(self.train.identity()[1])

    def calibration(self, recipe: Aware) -> PreparedSet:
        """Faces to measure activations on, the same for a seed."""
        order = np.random.default_rng(recipe.seed % 2**63).permutation(len(self.train))
        return self.train.select(np.sort(order[: recipe.calibration]))


def lesson_of(recipe: Aware, sets: Sequence[PreparedSet], labels: tuple[str, ...], learned: People) -> Lesson:
    """Choose and check whom a tuning learns from, and whom it is measured on.

    Args:
        recipe: what to do.
        sets: the prepared sets of ``recipe.data``.
        labels: of the network, in the order of its outputs.
        learned: by the stages before.

    Raises:
        ConfigError: labels are to count, and no face has one.
        DataError: a person stands in two splits, nobody is left to learn from or to measure, or people are measured
            whom an earlier stage has learned.
    """
    check_rows(itertools.chain.from_iterable(one.rows for one in sets), None)
    faces = joined([_open(one) for one in sets])
    train, measured = _parted(faces, recipe)
    task = Task("network", labels, labels, *([(0.0,) * len(labels)] * 2))
    goals = train.targets(task, 0.0)
    if recipe.label_weight and not goals.any():
        raise ConfigError(
            f"{recipe.name}: label_weight is {recipe.label_weight:g}, and no face of {', '.join(recipe.data)} has a "
            f"label of {', '.join(labels)}; leave it out, so that the network itself teaches"
        )
    seen = _seen(recipe, people_of(measured.identity()[1]), learned)
    return Lesson(train, goals, measured, measured.class_id(task), seen)


def _open(one: PreparedSet) -> PreparedSet:
    """All but the split ``test``."""
    kept = np.flatnonzero(one.split != "test")
    if not len(kept):
        raise DataError(f"{one.name}: all its faces are in the split test, which nothing learns from; name another set")
    return one.select(kept)


def _parted(faces: PreparedSet, recipe: Aware) -> tuple[PreparedSet, PreparedSet]:
    """Faces to learn from and to measure; nobody is in both."""
    ids, names = faces.identity()
    judges = np.unique(ids[faces.split == "val"])
    if not len(judges):
        drawn = np.random.default_rng(recipe.seed % 2**63).permutation(len(names))
        judges = drawn[: max(round(len(names) / ONE_IN), 1)]
    is_measured = np.isin(ids, judges)
    if is_measured.all():
        raise DataError(
            f"{recipe.name}: all {len(names)} people of {', '.join(recipe.data)} would be measured, and nobody is left "
            "to learn from; add a set of others"
        )
    return faces.select(np.flatnonzero(~is_measured)), faces.select(np.flatnonzero(is_measured))


def _seen(recipe: Aware, measured: People, learned: People) -> dict[str, Any]:
    """As ``check_strangers``, in the words of this command."""
    count = len(measured.lines & learned.lines)
    if not count:
        return {"seen_people": 0 if learned.is_complete else None}
    told = f"{count} of the {len(measured.lines)} people measured were learned by an earlier stage"
    if not recipe.allow_seen_people:
        raise DataError(
            f"{recipe.name}: {told}; name a set of others in --data, or say --allow-seen-people: the network is surer "
            "of faces that it knows, so the agreement measured is too good"
        )
    return {"seen_people": count, "warning": f"{told}: this is no measurement on strangers"}
