"""Groups have their own figures, and those of a few people none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ffe_train.groups import age_groups, groups
from ffe_train.predictions import Predictions


def predictions_of(persons: int) -> Predictions:
    """Everybody is shown three times; ages 55 ... 84, every other a woman."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(persons), 3)
    none = np.zeros(len(person), np.int64)
    return Predictions(
        ("a", "b", "c"), np.arange(len(person)).astype(str), person.astype(str), np.full(len(person), "set"),
        rng.integers(0, 3, len(person)), rng.dirichlet(np.ones(3), len(person)).astype(np.float32), none, none,
        (55 + person % 30).astype(np.float32), np.array(["f", "m"])[person % 2], np.zeros((len(person), 4), np.float32),
    )  # fmt: skip


def test_groups_have_their_own_figures_and_small_ones_none() -> None:
    whole = predictions_of(60)
    found = {(group.kind, group.name): group for group in groups(whole, resamples=100)}
    assert sorted(found) == [("age", n) for n in ("60-69", "70-79", "80+", "under 60")] + [
        ("sex", n) for n in ("men", "women")
    ]
    women = whole.select(whole.sex == "f")
    mine = found["sex", "women"]
    assert mine.accuracy is not None
    assert mine.accuracy.value == pytest.approx((women.predicted == women.truth).mean())
    assert (mine.images, mine.subjects, mine.too_small) == (len(women), 30, False)
    few = groups(whole.select(whole.person < 8), resamples=50)
    assert {group.accuracy for group in few if group.subjects < 5} == {None}


def test_ages_fall_into_decades_and_may_be_unknown() -> None:
    one = predictions_of(5).select(np.arange(0, 15, 3))
    ages = np.array([59.9, 60, 79.9, 80, np.nan], np.float32)
    assert age_groups(replace(one, age=ages)).tolist() == ["under 60", "60-69", "70-79", "80+", "age not known"]
    assert groups(replace(one, age=ages * np.nan, sex=np.full(5, ""))) == ()


def test_data_sets_are_groups_where_there_are_several() -> None:
    one = predictions_of(20)
    two = replace(one, source=np.where(one.person < 10, "lab", "home"))
    assert [g.name for g in groups(two, resamples=50) if g.kind == "source"] == ["home", "lab"]
