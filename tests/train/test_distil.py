"""A student learns from teachers who have never seen the people on whom it is tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffe_edge.errors import ConfigError
from ffe_edge.types import FloatArray
from ffe_train.distil import Teacher, Voice, check_same_folds, distil, teaching
from ffe_train.manifest import Row
from ffe_train.nested import name_of
from ffe_train.predictions import read_predictions
from ffe_train.prepared import PreparedSet, open_prepared, write_prepared
from ffe_train.recipes import Transfer
from ffe_train.target_set import labelled_of
from ffe_train.tasks import Task
from ffe_train.teaching import soft_targets
from ffe_train.trainings import EVERYBODY, Training, Trainings

TASK = Task("toy", ("calm", "pain"), ("平静", "痛み"), (0.0, -1.0), (0.0, 1.0))
PEOPLE, IMAGES = 9, 4


def prepared(folder: Path, turned: tuple[int, ...] = ()) -> PreparedSet:
    """Calm is bright above, pain below; of the people in ``turned`` the labels are wrong."""
    slope = np.linspace(-40, 40, 112)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 40, (PEOPLE * IMAGES, 112, 112, 3))
    signs = np.where(np.arange(PEOPLE * IMAGES) % 2 == 0, -1, 1)[:, None, None, None]
    crops = np.clip(127 + signs * slope + noise, 0, 255).astype(np.uint8)
    rows = [
        Row(f"{who}-{k}.png", f"p{who}", TASK.labels[(k + (who in turned)) % 2])
        for who in range(PEOPLE)
        for k in range(IMAGES)
    ]
    write_prepared(folder, "toy", crops, rows)
    return open_prepared(folder)


def recipe_of(name: str, **changes: Any) -> Transfer:
    values = {
        "stage": "transfer",
        "name": name,
        "data": "toy",
        "network": {"architecture": "resnet18", "preset": "tiny"},
        "folds": {"outer": 3, "inner": 2},
        "fine_tune": {"epochs": 1, "batch": 8, "learning_rate": 0.02},
        **changes,
    }
    return Transfer.model_validate(values)


class Noted(Trainings):
    """Says for each image how many images the network learned from, and remembers who was in it."""

    def __init__(self) -> None:
        self.asked = list[Training]()

    def logits(self, training: Training) -> FloatArray:
        self.asked.append(training)
        return np.full((len(training.ask), 2), [0.0, len(training.train) + training.seed], np.float32)


def test_soft_targets_are_the_mean_of_softened_answers() -> None:
    logits = np.array([[[2.0, 0.0]], [[0.0, 4.0]]], np.float32)
    one, other = np.exp(1.0) / (np.exp(1.0) + 1), 1 / (1 + np.exp(2.0))
    np.testing.assert_allclose(soft_targets(logits, 2.0), [[(one + other) / 2, 1 - (one + other) / 2]], rtol=1e-5)


def test_nobody_is_taught_about_test_people_by_a_teacher_who_saw_them(tmp_path: Path) -> None:
    target, recipe, noted = prepared(tmp_path / "set"), recipe_of("teacher", seeds=[0, 1]), Noted()
    labelled = labelled_of(target, TASK)
    teach = teaching([Voice(recipe, labelled, noted)], target, TASK, temperature=1.0, weight=0.5)
    for fold in labelled.outer(recipe):
        noted.asked.clear()
        targets = teach(Training("student", name_of(fold), recipe_of("student"), 0, fold.train, fold.test))
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-5)
        assert noted.asked
        for training in noted.asked:
            assert not {*labelled.person[training.train]} & {*labelled.person[fold.test]}
            assert not {*labelled.person[training.train]} & {*labelled.person[training.ask]}


def test_targets_are_labels_and_teachers_by_weight(tmp_path: Path) -> None:
    target, recipe, noted = prepared(tmp_path / "set"), recipe_of("teacher"), Noted()
    labelled = labelled_of(target, TASK)
    teach = teaching([Voice(recipe, labelled, noted)], target, TASK, temperature=1e6, weight=0.25)
    fold = labelled.outer(recipe)[0]
    targets = teach(Training("student", name_of(fold), recipe, 0, fold.train[:5], fold.test))
    np.testing.assert_allclose(targets, 0.75 * np.eye(2)[labelled.class_id[fold.train[:5]]] + 0.125, atol=1e-4)


def test_for_everybody_each_person_is_told_by_the_fold_that_left_them_out(tmp_path: Path) -> None:
    target, recipe, noted = prepared(tmp_path / "set"), recipe_of("teacher"), Noted()
    labelled, everybody = labelled_of(target, TASK), np.arange(PEOPLE * IMAGES)
    teach = teaching([Voice(recipe, labelled, noted)], target, TASK, temperature=1.0, weight=1.0)
    targets = teach(Training("student", EVERYBODY, recipe, 0, everybody, everybody[:0]))
    assert np.isfinite(targets).all()
    asked = [training for training in noted.asked if "inner" not in training.name]
    assert sorted(np.concatenate([training.ask for training in asked])) == everybody.tolist()


def test_no_label_of_the_test_part_reaches_the_student(tmp_path: Path) -> None:
    target, recipe = prepared(tmp_path / "set"), recipe_of("student")
    fold = labelled_of(target, TASK).outer(recipe)[0]
    turned = tuple({int(name.rpartition("p")[2]) for name in target.subject[fold.test]})
    probs = []
    for number, of in enumerate((target, prepared(tmp_path / "turned", turned))):
        teachers = [Teacher(recipe_of("teacher"))]
        result = distil(teachers, recipe, of, tmp_path / f"{number}", task=TASK, device="cpu")
        predictions = read_predictions(result.folder / "predictions.csv")
        probs.append([predictions.probs[predictions.fold == k] for k in (0, 1)])
        assert result.record["distilled"]["weight"] == 0.7
    np.testing.assert_array_equal(probs[0][0], probs[1][0])
    assert not np.array_equal(probs[0][1], probs[1][1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"folds": {"outer": 4, "inner": 2}}, "folds.outer is 4, but its teacher t has 3", id="folds"),
        pytest.param({"data": "other"}, "data is other", id="data"),
        pytest.param({"name": "t"}, "two names", id="name"),
    ],
)
def test_teacher_and_student_must_leave_out_the_same_people(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_same_folds(recipe_of("t"), recipe_of(changes.pop("name", "s"), **changes))


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"weight": 1.5}])
def test_wrong_arguments_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot teach"):
        distil([Teacher(recipe_of("t"))], recipe_of("s"), prepared(tmp_path / "set"), tmp_path, task=TASK, **options)
