"""Whom a model serves worse: figures by age, sex and data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ffe_train.bootstrap import RESAMPLES, Interval, intervals, person_confusion
from ffe_train.metrics import accuracy, macro_f1
from ffe_train.predictions import Predictions, StringArray

LEAST_SUBJECTS = 5
"""Of fewer people no figure is given: it would say something about these, not about their group."""

AGES = ("under 60", "60-69", "70-79", "80+")
SEXES = {"f": "women", "m": "men", "": "sex not known"}

Kind = Literal["age", "sex", "source"]


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of one group."""

    kind: Kind
    name: str
    images: int
    subjects: int
    accuracy: Interval | None
    """None where the group is too small."""
    macro_f1: Interval | None
    over: tuple[str, ...]
    """Labels that the macro average is over: those that the group has an image of."""

    @property
    def too_small(self) -> bool:
        """Fewer than ``LEAST_SUBJECTS`` people."""
        return self.subjects < LEAST_SUBJECTS


def groups(predictions: Predictions, *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[Group, ...]:
    """Groups by age and by sex where these are known of anybody, and by source where there are several.

    Args:
        predictions: of one or more repeats.
        resamples: how often persons are drawn.
        seed: of the draws.
    """
    found = []
    names: dict[Kind, StringArray] = {
        "age": age_groups(predictions),
        "sex": np.array([SEXES.get(sex, sex) for sex in predictions.sex.tolist()], np.str_),
        "source": predictions.source,
    }
    for kind, name in names.items():
        known = _order(kind, name)
        if len(known) > 1 or (kind != "source" and not known[0].endswith("not known")):
            found += [_group(predictions.select(name == value), kind, value, resamples, seed) for value in known]
    return tuple(found)


def age_groups(predictions: Predictions) -> StringArray:
    """(N,) name of each row's age group."""
    age = predictions.age
    names = np.array(AGES, np.str_)[np.digitize(np.nan_to_num(age), [60, 70, 80])]
    return np.where(np.isnan(age), "age not known", names)


def _order(kind: Kind, name: StringArray) -> list[str]:
    order: tuple[str, ...] = {"age": (*AGES, "age not known"), "sex": tuple(SEXES.values()), "source": ()}[kind]
    there = np.unique(name).tolist()
    return [value for value in order if value in there] or there


def _group(part: Predictions, kind: Kind, name: str, resamples: int, seed: int) -> Group:
    counts = person_confusion(part)
    over = tuple(part.labels[k] for k in np.unique(part.truth))
    images = round(float(counts.sum()))
    if len(counts) < LEAST_SUBJECTS:
        return Group(kind, name, images, len(counts), None, None, over)
    figures = intervals(
        counts,
        {"accuracy": lambda m: accuracy(m)[:, None], "macro_f1": lambda m: macro_f1(m)[:, None]},
        resamples=resamples,
        seed=seed,
    )
    return Group(kind, name, images, len(counts), figures["accuracy"][0], figures["macro_f1"][0], over)
