"""What teachers said lies in a file, and a network is taught by it where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_faces import LABELS, expressions, identities, recipe_of

from ffe_edge.errors import ConfigError, DataError
from ffe_train.devices import Options
from ffe_train.people import people_of, read_people
from ffe_train.prepared import PreparedSet
from ffe_train.pretrain import StageResult, pretrain
from ffe_train.pretrain_data import lesson_of
from ffe_train.recipes import Pretrain
from ffe_train.tasks import Task
from ffe_train.teaching import note_voices, taught, taught_by_voices
from ffe_train.voices import names_of, read_voices

TWO = Task("two", LABELS, LABELS, (1.0, -1.0), (0.0, 0.0))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PreparedSet]:
    folder = tmp_path_factory.mktemp("sets")
    return {"toy": identities(folder / "toy"), "faces": expressions(folder / "faces")}


@pytest.fixture(scope="module")
def teacher(sets: dict[str, PreparedSet], tmp_path_factory: pytest.TempPathFactory) -> StageResult:
    recipe = recipe_of("expression", name="teacher", schedule={"epochs": 2})
    return pretrain(recipe, sets, tmp_path_factory.mktemp("stages"), task=TWO, options=Options(accelerator="cpu"))


@pytest.fixture(scope="module")
def file(sets: dict[str, PreparedSet], teacher: StageResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    recipe = student(unlabelled=["toy"])
    note_voices(folder / "v.npz", lesson_of(recipe, sets, TWO), recipe, [teacher.folder], folder, CPU)
    return folder / "v.npz"


def student(**teaching: Any) -> Pretrain:
    return recipe_of("expression", name="student", teaching={"teachers": ["teacher"], "voices": "v.npz", **teaching})


def test_a_file_teaches_what_the_teachers_would(
    sets: Mapping[str, PreparedSet], teacher: StageResult, file: Path, tmp_path: Path
) -> None:
    recipe = student(unlabelled=["toy"])
    lesson = lesson_of(recipe, sets, TWO)
    asked = taught(lesson, recipe, [teacher.folder], tmp_path, CPU)
    read = taught_by_voices(lesson, recipe, read_voices(file))
    np.testing.assert_allclose(read.targets, asked.targets, atol=1e-3)
    np.testing.assert_allclose(read.targets.sum(axis=1), 1, atol=1e-5)


def test_a_student_of_a_file_has_learned_whom_its_teachers_have(
    sets: dict[str, PreparedSet], file: Path, tmp_path: Path
) -> None:
    options = Options(accelerator="cpu")
    result = pretrain(student(unlabelled=["toy"]), sets, tmp_path, task=TWO, voices=file, options=options)
    assert result.record["made_of"]["voices"] == read_voices(file).sha256
    assert result.record["sets"] == ["faces", "toy"]
    learned = lesson_of(student(), sets, TWO).people
    assert people_of(learned).lines <= read_people(result.folder, result.record["people_sha256"]).lines


def test_a_labelled_face_that_nobody_spoke_of_is_taught_by_its_label(
    sets: Mapping[str, PreparedSet], file: Path
) -> None:
    recipe, voices = student(), read_voices(file)
    lesson = lesson_of(recipe, sets, TWO)
    known = {name: place for name, place in voices.place.items() if name != names_of(lesson.train)[0]}
    changed = (taught_by_voices(lesson, recipe, replace(voices, place=known)).targets != lesson.targets).any(axis=1)
    assert not changed[0]
    assert changed[1:].any()


def test_sets_that_the_teachers_do_not_speak_of_keep_their_labels(
    sets: dict[str, PreparedSet], file: Path, tmp_path: Path
) -> None:
    both = {**sets, "more": expressions(tmp_path / "more")}
    recipe = recipe_of(
        "expression",
        name="student",
        data=["faces", "more"],
        teaching={"teachers": ["teacher"], "voices": "v.npz", "about": ["faces"]},
    )
    lesson = lesson_of(recipe, both, TWO)
    targets = taught_by_voices(lesson, recipe, read_voices(file)).targets
    first = lesson.counts[0]
    np.testing.assert_array_equal(targets[first:], lesson.targets[first:])
    assert not np.array_equal(targets[:first], lesson.targets[:first])


def test_what_teachers_say_of_faces_without_a_label_may_be_doubted(sets: dict[str, PreparedSet], file: Path) -> None:
    teaching = {"teachers": ["teacher"], "voices": "v.npz", "unlabelled": ["toy"]}
    recipe = recipe_of("expression", name="student", teaching=teaching, doubt={"toy": 0.4})
    lesson = lesson_of(recipe, sets, TWO)
    targets = taught_by_voices(lesson, recipe, read_voices(file)).targets
    assert targets[lesson.counts[0] :].min() >= 0.2
    plain = student(unlabelled=["toy"])
    sure = taught_by_voices(lesson_of(plain, sets, TWO), plain, read_voices(file)).targets
    np.testing.assert_allclose(targets[lesson.counts[0] :], 0.6 * sure[lesson.counts[0] :] + 0.2, atol=1e-5)


@pytest.mark.parametrize(
    ("teaching", "reason"),
    [
        pytest.param({"teachers": ["other"]}, "is of teacher at temperature 1, and student asks other", id="teachers"),
        pytest.param({"temperature": 2.0}, "at temperature 1, and student asks teacher at 2", id="temperature"),
    ],
)
def test_a_file_of_others_is_refused(
    sets: Mapping[str, PreparedSet], file: Path, teaching: dict[str, Any], reason: str
) -> None:
    recipe = student(**teaching)
    with pytest.raises(ConfigError, match=reason):
        taught_by_voices(lesson_of(recipe, sets, TWO), recipe, read_voices(file))


def test_faces_without_a_label_need_a_voice(
    sets: Mapping[str, PreparedSet], teacher: StageResult, tmp_path: Path
) -> None:
    recipe = student()
    note_voices(tmp_path / "v.npz", lesson_of(recipe, sets, TWO), recipe, [teacher.folder], tmp_path, CPU)
    more = student(unlabelled=["toy"])
    with pytest.raises(DataError, match="says nothing of 40 faces that have no other teacher"):
        taught_by_voices(lesson_of(more, sets, TWO), more, read_voices(tmp_path / "v.npz"))


@pytest.mark.parametrize("keep", [0, 100, 400])
def test_half_a_file_is_refused_in_words(file: Path, tmp_path: Path, keep: int) -> None:
    (tmp_path / "v.npz").write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"v\.npz: is damaged"):
        read_voices(tmp_path / "v.npz")


def test_no_file_is_told_with_the_command_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train voices"):
        read_voices(tmp_path / "v.npz")
