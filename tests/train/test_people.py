"""Whom a stage has learned is carried along the chain, and nobody of them is measured unless that is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_faces import LABELS, identities, pictures, recipe_of

from ffe_edge.errors import DataError
from ffe_train.checkpoint import read_stored, save_backbone
from ffe_train.devices import Options
from ffe_train.distil import Teacher, distil
from ffe_train.files import read_json, write_json
from ffe_train.manifest import Row
from ffe_train.networks import NetworkSpec, new_backbone
from ffe_train.people import NOBODY, SOMEBODY, People, check_strangers, people_of, read_people, write_people
from ffe_train.prepared import PreparedSet, open_prepared, write_prepared
from ffe_train.pretrain import StageResult, pretrain
from ffe_train.recipes import Transfer
from ffe_train.tasks import Task
from ffe_train.transfer import transfer

TASK = Task("two", LABELS, LABELS, (1.0, -1.0), (0.0, 0.0))
NETWORK = {"architecture": "resnet18", "preset": "tiny"}
LEARNED = [f"toy/person-{number}" for number in range(8)]


def target_of(folder: Path, first: int, source: str = "toy") -> PreparedSet:
    """Six people from ``person-<first>`` on; the set ``toy`` teaches the persons 0 ... 7."""
    kinds = np.arange(24) % 2
    rows = [
        Row(f"t{k}.png", f"person-{first + k // 4}", LABELS[kind], source=source)
        for k, kind in enumerate(kinds.tolist())
    ]
    write_prepared(folder, "old", pictures(kinds, 3), rows)
    return open_prepared(folder)


def transfer_of(name: str = "target", **changes: Any) -> Transfer:
    values: dict[str, Any] = {"stage": "transfer", "name": name, "data": "old", "network": NETWORK}
    values |= {"folds": {"outer": 2, "inner": 2}, "probe": {"epochs": 1}, "fine_tune": {"epochs": 0}, **changes}
    return Transfer.model_validate(values)


def run(recipe: Transfer, target: PreparedSet, out: Path, **more: Any) -> dict[str, Any]:
    return transfer(recipe, target, out, task=TASK, device="cpu", **more).record


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> StageResult:
    """A stage that has learned the persons 0 ... 7."""
    folder = tmp_path_factory.mktemp("source")
    recipe = recipe_of(network=NETWORK, schedule={"epochs": 1})
    return pretrain(recipe, {"toy": identities(folder / "toy")}, folder, options=Options(accelerator="cpu"))


def test_people_are_written_without_names_and_come_back(tmp_path: Path) -> None:
    people = people_of(["lfw/Ada", "lfw/Bob", "lfw/Ada"])
    write_people(people | SOMEBODY, tmp_path)
    text = (tmp_path / "people.txt").read_text()
    assert len(text.splitlines()) == 3
    assert "Ada" not in text
    assert read_people(tmp_path, (people | SOMEBODY).sha256) == People(people.lines, is_complete=False)


def test_of_weights_that_say_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert read_people(tmp_path) == SOMEBODY
    with pytest.raises(DataError, match=r"people\.txt: cannot be read"):
        read_people(tmp_path, NOBODY.sha256)
    write_people(people_of(["a/b"]), tmp_path)
    with pytest.raises(DataError, match="is not of the weights"):
        read_people(tmp_path, NOBODY.sha256)


@pytest.mark.parametrize(
    ("learned", "told"),
    [
        pytest.param(NOBODY, {"seen_people": 0}, id="nobody"),
        pytest.param(people_of(["c/1"]), {"seen_people": 0}, id="strangers"),
        pytest.param(SOMEBODY | people_of(["c/1"]), {"seen_people": None}, id="unknown"),
    ],
)
def test_strangers_are_measured(learned: People, told: dict[str, Any]) -> None:
    assert check_strangers(transfer_of(), ["a/1", "a/2"], learned) == told


def test_a_stage_notes_whom_it_learned_and_the_next_adds_its_own(source: StageResult, tmp_path: Path) -> None:
    assert read_people(source.folder) == people_of(LEARNED)
    first = run(transfer_of("first", ship=True), target_of(tmp_path / "a", 50), tmp_path, start=source.folder)
    assert first["metrics"]["seen_people"] == 0
    assert "warning" not in first["metrics"]
    both = people_of([*LEARNED, *(f"toy/person-{number}" for number in range(50, 56))])
    assert read_people(tmp_path / "first") == both
    assert read_stored(tmp_path / "first").about["people_sha256"] == both.sha256
    with pytest.raises(DataError, match="1 of the 6 people of old"):
        run(transfer_of("second"), target_of(tmp_path / "b", 55), tmp_path, start=tmp_path / "first")


def test_people_learned_before_are_refused_before_anything_is_trained(source: StageResult, tmp_path: Path) -> None:
    target = target_of(tmp_path / "set", 6)
    with pytest.raises(DataError, match=r"2 of the 6 people of old were learned .*--without SET.*allow_seen_people"):
        run(transfer_of(), target, tmp_path, start=source.folder)
    assert not (tmp_path / "target").exists()
    allowed = run(transfer_of(allow_seen_people=True), target, tmp_path, start=source.folder)
    assert allowed["metrics"]["seen_people"] == 2
    assert "2 of the 6 people" in allowed["metrics"]["warning"]


def test_a_person_of_another_source_is_another_person(source: StageResult, tmp_path: Path) -> None:
    record = run(transfer_of(), target_of(tmp_path / "set", 6, "elsewhere"), tmp_path, start=source.folder)
    assert record["metrics"]["seen_people"] == 0


def test_imported_weights_leave_it_open(tmp_path: Path) -> None:
    spec = NetworkSpec("resnet18", "tiny")
    save_backbone(new_backbone(spec).state_dict(), tmp_path / "public", spec, {})
    write_json({"licence": "none stated", "source": {"name": "r18.ckpt"}}, tmp_path / "public" / "weights.json")
    record = run(transfer_of(ship=True), target_of(tmp_path / "set", 0), tmp_path, start=tmp_path / "public")
    assert record["metrics"]["seen_people"] is None
    assert not read_people(tmp_path / "target").is_complete


def test_a_student_knows_whom_its_teachers_have_learned(source: StageResult, tmp_path: Path) -> None:
    target, teachers = target_of(tmp_path / "set", 7), [Teacher(transfer_of("teacher"), source.folder)]
    student = transfer_of("student", fine_tune={"epochs": 1})
    with pytest.raises(DataError, match="student: 1 of the 6 people"):
        distil(teachers, student, target, tmp_path, task=TASK, device="cpu")
    assert not (tmp_path / "teacher").exists()
    student = student.model_copy(update={"allow_seen_people": True, "ship": True})
    record = distil(teachers, student, target, tmp_path, task=TASK, device="cpu").record
    assert record["metrics"]["seen_people"] == 1
    assert people_of(LEARNED).lines < read_people(tmp_path / "student").lines


def test_licence_start_and_sets_go_with_the_weights(tmp_path: Path) -> None:
    spec = NetworkSpec("resnet18", "tiny")
    save_backbone(new_backbone(spec).state_dict(), tmp_path / "public", spec, {})
    write_json({"licence": "research only", "source": {"name": "r18.ckpt"}}, tmp_path / "public" / "weights.json")
    sets = {"toy": identities(tmp_path / "toy")}
    recipe = recipe_of(network={**NETWORK, "start_from": "public"}, schedule={"epochs": 1}, name="middle")
    middle = pretrain(recipe, sets, tmp_path, start=tmp_path / "public", options=Options(accelerator="cpu"))
    assert middle.record["start"]["name"] == "r18.ckpt"
    run(transfer_of(ship=True), target_of(tmp_path / "set", 20), tmp_path, start=middle.folder)
    for told in (read_stored(tmp_path / "target").about, read_json(tmp_path / "target" / "stage.json")):
        assert (told["licence"], told["sets"]) == ("research only", ["toy", "old"])
        assert told["start"]["name"] == "middle"
        assert len(told["start"]["sha256"]) == 64


def test_a_stage_that_was_finished_before_gets_its_file(tmp_path: Path) -> None:
    sets, recipe = {"toy": identities(tmp_path / "toy")}, recipe_of(schedule={"epochs": 1}, name="first")
    for _ in range(2):
        folder = pretrain(recipe, sets, tmp_path, options=Options(accelerator="cpu")).folder
        assert read_people(folder) == people_of(LEARNED)
        (folder / "people.txt").unlink()
