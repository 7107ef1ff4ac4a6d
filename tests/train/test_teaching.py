"""Finished stages tell a new one what its faces show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_faces import LABELS, expressions, identities, recipe_of

from ffe_edge.errors import ConfigError
from ffe_train.devices import Options
from ffe_train.prepared import PreparedSet
from ffe_train.pretrain import StageResult, pretrain
from ffe_train.recipes import Pretrain
from ffe_train.tasks import Task

TWO = Task("two", LABELS, LABELS, (1.0, -1.0), (0.0, 0.0))


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PreparedSet]:
    folder = tmp_path_factory.mktemp("sets")
    return {"toy": identities(folder / "toy"), "faces": expressions(folder / "faces")}


@pytest.fixture(scope="module")
def teacher(sets: dict[str, PreparedSet], tmp_path_factory: pytest.TempPathFactory) -> StageResult:
    recipe = recipe_of("expression", name="teacher", schedule={"epochs": 5})
    return run(sets, tmp_path_factory.mktemp("stages"), recipe)


def run(sets: dict[str, PreparedSet], out: Path, recipe: Pretrain, **more: Any) -> StageResult:
    return pretrain(recipe, sets, out, task=TWO, options=Options(accelerator="cpu"), **more)


def student(**teaching: Any) -> Pretrain:
    return recipe_of("expression", name="student", teaching={"teachers": ["teacher"], **teaching})


def test_what_a_teacher_says_is_learned_from_faces_without_a_label(
    sets: dict[str, PreparedSet], teacher: StageResult, tmp_path: Path
) -> None:
    result = run(sets, tmp_path, student(unlabelled=["toy"], weight=0.5), teachers=[teacher.folder])
    assert result.record["images"] == {"faces": 32, "toy": 40}
    assert result.record["made_of"]["teachers"].keys() == {"teacher"}
    assert result.record["sets"] == ["faces", "toy"]
    (said,) = (tmp_path / "told").glob("*.npy")
    assert np.load(said).shape == (72, 2)


def test_the_weight_moves_the_targets_from_labels_to_teachers(
    sets: dict[str, PreparedSet], teacher: StageResult, tmp_path: Path
) -> None:
    weights = {}
    for weight in (0.0, 1.0):
        result = run(sets, tmp_path / str(weight), student(weight=weight), teachers=[teacher.folder])
        weights[weight] = result.record["history"][0]["loss"]
    plain = run(sets, tmp_path / "plain", recipe_of("expression", name="student")).record["history"][0]["loss"]
    assert weights[0.0] == plain != weights[1.0]


def test_a_teacher_that_is_not_given_is_named(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="student: is taught by teacher, which are not given"):
        run(sets, tmp_path, student())


def test_a_teacher_of_identities_is_refused(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    first = run(sets, tmp_path, recipe_of(name="teacher"))
    with pytest.raises(ConfigError, match="tells no labels, not joy, sadness"):
        run(sets, tmp_path, student(), teachers=[first.folder])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"learn": "identity"}, "identities have none", id="identities"),
        pytest.param({"teaching": {"teachers": ["a", "a"]}}, "a comes twice", id="twice"),
        pytest.param({"teaching": {"teachers": ["a"], "unlabelled": ["faces"]}}, "faces comes twice", id="both"),
        pytest.param({"teaching": {"teachers": []}}, "at least 1 item", id="nobody"),
    ],
)
def test_teaching_that_makes_no_sense_is_refused(changes: dict[str, Any], reason: str) -> None:
    values = {"teaching": {"teachers": ["a"]}, **changes}
    learn = values.pop("learn", "expression")
    with pytest.raises(ValueError, match=reason):
        recipe_of(learn, **values)
