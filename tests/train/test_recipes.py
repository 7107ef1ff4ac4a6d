"""A recipe is refused where it says something that would do nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ffe_edge.errors import ConfigError
from ffe_train.recipes import Distil, Head, Pretrain, Schedule, Transfer, load_stage, stage_of

NETWORK = {"architecture": "resnet18", "preset": "tiny"}
PRETRAIN = {"stage": "pretrain", "name": "p", "learn": "identity", "data": ["faces"], "network": NETWORK}
TRANSFER = {"stage": "transfer", "name": "t", "data": "people", "network": NETWORK}
DISTIL = {**TRANSFER, "stage": "distil", "name": "student", "teachers": ["a", "b"]}


def loaded(folder: Path, values: dict[str, Any]) -> Pretrain | Transfer | Distil:
    (folder / "r.json").write_text(json.dumps(values), encoding="utf-8")
    return load_stage(folder / "r.json")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param(
            PRETRAIN | {"head": {"margin": 0.4}}, r"json: head\.margin: softmax has none", id="softmax-margin"
        ),
        pytest.param(PRETRAIN | {"head": {"alpha": 0.1}}, r"head\.alpha: softmax", id="softmax-alpha"),
        pytest.param(PRETRAIN | {"head": {"scale": 32}}, r"head\.scale: softmax", id="softmax-scale"),
        pytest.param(PRETRAIN | {"head": {"kind": "cosface", "h": 0.3}}, r"head\.h: cosface", id="cosface-h"),
        pytest.param(PRETRAIN | {"learn": "expression", "pairs": "lfw"}, "json: pairs: they measure", id="pairs"),
        pytest.param(PRETRAIN | {"labels": ["joy", "fear"]}, "json: labels: identities have none", id="labels"),
        pytest.param(PRETRAIN | {"data": ["faces", "faces"]}, "json: data: faces comes twice", id="data-twice"),
        pytest.param(
            PRETRAIN | {"learn": "expression", "labels": ["joy", "joy"]}, "labels: joy comes twice", id="label-twice"
        ),
        pytest.param(
            PRETRAIN | {"schedule": {"epochs": 4, "milestones": [2, 4]}},
            r"json: schedule\.milestones: 4 never comes in 4 epochs",
            id="late-milestone",
        ),
        pytest.param(TRANSFER | {"seeds": [0, 1, 0]}, "json: seeds: 0 comes twice", id="seed-twice"),
        pytest.param(TRANSFER | {"labels": ["joy", "fear", "joy"]}, "labels: joy comes twice", id="target-label-twice"),
        pytest.param(DISTIL | {"teachers": ["a", "a"]}, "teachers: a comes twice", id="teacher-twice"),
        pytest.param(DISTIL | {"teachers": ["student"]}, "teachers: student cannot teach itself", id="own-teacher"),
        pytest.param(DISTIL | {"teachers": []}, "json: teachers: ", id="no-teacher"),
        pytest.param(DISTIL | {"temperature": 0}, "json: temperature: ", id="temperature"),
        pytest.param(DISTIL | {"weight": 1.5}, "json: weight: ", id="weight"),
        pytest.param(TRANSFER | {"teachers": ["a"]}, "json: teachers: unknown key", id="transfer-with-teachers"),
        pytest.param({"stage": "teach"}, "json: stage: ", id="unknown-stage"),
    ],
)
def test_what_would_do_nothing_is_refused_by_its_key(tmp_path: Path, values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        loaded(tmp_path, values)


@pytest.mark.parametrize(
    ("epochs", "milestones"),
    [
        pytest.param(4, (), id="short-has-the-cosine"),
        pytest.param(12, (), id="at-the-first"),
        pytest.param(13, (12,), id="one"),
        pytest.param(26, (12, 20, 24), id="adafaces"),
    ],
)
def test_milestones_that_nobody_gave_are_those_that_come_in_time(epochs: int, milestones: tuple[int, ...]) -> None:
    assert Schedule.model_validate({"epochs": epochs}).milestones == milestones
    assert Schedule().milestones == (12, 20, 24)


@pytest.mark.parametrize("kind", ["softmax", "cosface", "arcface", "adaface"])
def test_a_record_of_a_head_can_be_read_back_and_names_only_what_it_has(kind: str) -> None:
    head = Head.model_validate({"kind": kind})
    dumped = head.model_dump(mode="json")
    assert Head.model_validate(dumped) == head
    assert ("margin" in dumped, "h" in dumped) == (kind != "softmax", kind == "adaface")


def test_a_student_is_a_transfer_of_the_same_values(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, DISTIL | {"seeds": [3, 4], "folds": {"outer": 3}})
    assert isinstance(recipe, Distil)
    assert not isinstance(recipe, Transfer)
    assert recipe.student() == stage_of(TRANSFER | {"name": "student", "seeds": [3, 4], "folds": {"outer": 3}}, "here")


def test_a_grid_holds_no_distillation() -> None:
    with pytest.raises(ConfigError, match="'pretrain', 'transfer'"):
        stage_of(DISTIL, "grid")
