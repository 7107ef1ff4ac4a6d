"""Nested folds at work: what a test part's labels may not do, what is chosen and kept, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ffe_edge.errors import ConfigError, DataError, ModelError
from ffe_edge.types import ImageArray
from ffe_train import trainings
from ffe_train.calibration import fit_temperature, softmax
from ffe_train.checkpoint import load_expression_network, read_stored, save_backbone
from ffe_train.manifest import Row
from ffe_train.networks import NetworkSpec, new_backbone
from ffe_train.predictions import Predictions, read_predictions
from ffe_train.prepared import PreparedSet, open_prepared, write_prepared
from ffe_train.recipes import Transfer
from ffe_train.target_set import labelled_of
from ffe_train.tasks import Task
from ffe_train.transfer import transfer

TASK = Task("toy", ("calm", "pain"), ("平静", "痛み"), (0.0, -1.0), (0.0, 1.0))
PEOPLE, IMAGES = 9, 4


def crops_of(labels: list[str]) -> ImageArray:
    """Calm is bright above, pain below; both with noise."""
    rng = np.random.default_rng(0)
    slope = np.linspace(-40, 40, 112)[:, None, None]
    signs = np.array([-1 if label == "calm" else 1 for label in labels])[:, None, None, None]
    return np.clip(127 + signs * slope + rng.normal(0, 40, (len(labels), 112, 112, 3)), 0, 255).astype(np.uint8)


def rows_of(labels: tuple[str, ...] = ("calm", "pain", "pain", "calm")) -> list[Row]:
    return [
        Row(f"{who}-{k}.png", f"p{who}", label, {"calm": 2, "pain": 1, "other": 1}, source="toy", age=70 + who, sex="f")
        for who in range(PEOPLE)
        for k, label in enumerate(labels)
    ]


def prepared(folder: Path, rows: list[Row] | None = None) -> PreparedSet:
    rows = rows or rows_of()
    write_prepared(folder, "toy", crops_of([row.label for row in rows_of()][: len(rows)]), rows)
    return open_prepared(folder)


def recipe_of(name: str = "toy", **changes: Any) -> Transfer:
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


def run(recipe: Transfer, target: PreparedSet, out: Path, **more: Any) -> tuple[Predictions, dict[str, Any]]:
    result = transfer(recipe, target, out, task=TASK, device="cpu", **more)
    return read_predictions(result.folder / "predictions.csv"), result.record


def poisoned(target: PreparedSet, folder: Path, of: np.ndarray[Any, Any]) -> PreparedSet:
    """Labels and votes of these images are those of the same person's next image: the folds stay as they are."""
    rows = list(target.rows)
    for index in of.tolist():
        neighbour = target.rows[index - index % IMAGES + (index + 1) % IMAGES]
        rows[index] = replace(rows[index], label=neighbour.label, votes={"pain": 9})
    return prepared(folder, rows)


@pytest.mark.parametrize("choice", [{}, {"rater_weight": [0.0, 0.5]}], ids=["one-inner-fold", "choice"])
def test_no_label_of_the_test_part_moves_its_probabilities(tmp_path: Path, choice: dict[str, Any]) -> None:
    target, recipe = prepared(tmp_path / "set"), recipe_of(choice=choice, targets={"rater_weight": 0.5})
    honest = labelled_of(target, TASK).outer(recipe)[1]
    other = poisoned(target, tmp_path / "poisoned", honest.test)
    fold = labelled_of(other, TASK).outer(recipe)[1]
    assert fold.test.tolist() == honest.test.tolist()
    assert (other.class_id(TASK) != target.class_id(TASK)).sum() == len(honest.test) / 2
    probs, record = run(recipe, target, tmp_path / "a")
    same, other_record = run(recipe, other, tmp_path / "b")
    np.testing.assert_array_equal(probs.probs[probs.fold == 1], same.probs[same.fold == 1])
    assert record["folds"][1]["temperature"] == other_record["folds"][1]["temperature"]
    assert not np.array_equal(probs.probs[probs.fold == 0], same.probs[same.fold == 0])


def test_everybody_is_tested_once_a_repeat_by_networks_that_never_saw_them(tmp_path: Path) -> None:
    recipe = recipe_of(folds={"outer": 3, "inner": 2, "repeats": 2}, fine_tune={"epochs": 1, "batch": 32})
    predictions, record = run(recipe, prepared(tmp_path / "set"), tmp_path)
    assert Counter(predictions.path.tolist()) == {row.path: 2 for row in rows_of()}
    assert record["metrics"]["subjects"] == PEOPLE
    assert record["metrics"]["images"] == PEOPLE * IMAGES
    assert [fold["train_subjects"] + fold["test_subjects"] for fold in record["folds"]] == [PEOPLE] * 6
    np.testing.assert_allclose(predictions.probs.sum(axis=1), 1, atol=1e-5)
    assert predictions.votes[0].tolist() == [2, 1, 1]
    assert (predictions.age[0], predictions.sex[0], predictions.source[0]) == (70, "f", "toy")
    right = (predictions.predicted == predictions.truth).mean()
    assert record["metrics"]["accuracy"] == pytest.approx(right)


def test_the_seeds_calibrated_probabilities_are_averaged(tmp_path: Path) -> None:
    target = prepared(tmp_path / "set")
    predictions, record = run(recipe_of(seeds=[0, 1]), target, tmp_path)
    parts = tmp_path / "toy" / "parts"
    logits = [np.load(parts / f"repeat0-fold2-s{seed}.npz")["logits"] for seed in (0, 1)]
    assert not np.array_equal(*logits)
    temperature = record["folds"][2]["temperature"]
    expected = sum(softmax(one, temperature) for one in logits) / 2
    np.testing.assert_allclose(predictions.probs[predictions.fold == 2], expected, atol=1e-6)
    inner = np.load(parts / "repeat0-fold2-inner0-choice0-s0.npz")
    assert temperature == fit_temperature(inner["logits"], target.class_id(TASK)[inner["ask"]])


def test_a_cut_run_goes_on_and_a_finished_one_is_given_back(tmp_path: Path) -> None:
    target, recipe, trained = prepared(tmp_path / "set"), recipe_of(), list[str]()

    def cut(done: int, total: int, name: str) -> None:
        assert total == 6
        trained.append(name)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, target, tmp_path, progress=cut)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "toy" / "parts").glob("*.npz")}
    assert len(before) == 3
    predictions, record = run(recipe, target, tmp_path)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "toy" / "parts").glob("*.npz")}
    assert len(after) == 6
    assert before.items() <= after.items()
    whole, _ = run(recipe, target, tmp_path / "whole")
    np.testing.assert_array_equal(predictions.probs, whole.probs)
    assert run(recipe, target, tmp_path, progress=cut)[1] == record
    assert len(trained) == 3


def test_another_recipe_or_set_in_the_folder_is_refused_unless_begun_afresh(tmp_path: Path) -> None:
    target = prepared(tmp_path / "set")
    run(recipe_of(), target, tmp_path)
    other = recipe_of(fine_tune={"epochs": 1, "batch": 8, "learning_rate": 0.03})
    with pytest.raises(DataError, match=r"recipe.fine_tune.learning_rate was 0.02 and is 0.03; .* --fresh"):
        run(other, target, tmp_path)
    with pytest.raises(DataError, match=r"data\.digest was"):
        run(recipe_of(), prepared(tmp_path / "other", rows_of(("pain", "pain", "calm", "calm"))), tmp_path)
    assert run(other, target, tmp_path, fresh=True)[1]["recipe"]["fine_tune"]["learning_rate"] == 0.03


def test_the_network_to_ship_learns_from_everybody_and_brings_its_temperature(tmp_path: Path) -> None:
    target = prepared(tmp_path / "set")
    run(recipe_of(), target, tmp_path)
    _, record = run(recipe_of(ship=True), target, tmp_path)
    assert record["shipped"]["subjects"] == PEOPLE
    about = read_stored(tmp_path / "toy").about
    assert about["labels"] == list(TASK.labels)
    assert about["temperature"] == record["shipped"]["temperature"]
    assert load_expression_network(tmp_path / "toy").head.out_features == 2


def test_it_starts_from_the_weights_of_a_stage(tmp_path: Path) -> None:
    target, spec = prepared(tmp_path / "set"), NetworkSpec("resnet18", "tiny")
    save_backbone(new_backbone(spec).state_dict(), tmp_path / "source", spec, {})
    recipe = recipe_of(probe={"epochs": 1}, fine_tune={"epochs": 1, "l2_sp": 0.1, "freeze_norms": True})
    _, record = run(recipe, target, tmp_path, start=tmp_path / "source")
    assert record["from_scratch"] is False
    part = json.loads((tmp_path / "toy" / "parts" / "repeat0-fold0-s0.json").read_text(encoding="utf-8"))
    assert [epoch["phase"] for epoch in part["history"]] == ["probe", "fine-tune"]
    other = recipe_of("other", network={"architecture": "face-resnet18", "preset": "tiny"})
    with pytest.raises(ModelError, match="face-resnet18"):
        run(other, target, tmp_path, start=tmp_path / "source")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param(("calm", "pain", "joyy", "calm"), "'joyy' is no label of toy", id="unknown-label"),
        pytest.param(("calm", "calm", "calm", "calm"), "nobody shows pain", id="class-without-sample"),
        pytest.param(("calm", "", "other", "calm"), "nobody shows pain", id="left-out"),
    ],
)
def test_labels_that_cannot_be_learned_are_told_first(tmp_path: Path, labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(recipe_of(), prepared(tmp_path / "set", rows_of(labels)), tmp_path)
    assert not (tmp_path / "toy").exists()


def test_a_vote_that_is_no_label_is_told_first(tmp_path: Path) -> None:
    rows = rows_of()
    rows[5] = replace(rows[5], votes={"calm": 2, "contempt": 1, "joyy": 3})
    with pytest.raises(DataError, match=r"toy: row 5 of its manifest, 1-1\.png: the vote 'joyy' is no label of toy"):
        run(recipe_of(), prepared(tmp_path / "set", rows), tmp_path)
    assert not (tmp_path / "toy").exists()


def test_an_image_that_stands_there_twice_is_told_first(tmp_path: Path) -> None:
    rows = rows_of()
    rows[7] = replace(rows[7], path=rows[4].path)
    with pytest.raises(DataError, match=r"1-0\.png of toy stands there again in row 7"):
        run(recipe_of(), prepared(tmp_path / "set", rows), tmp_path)
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize("where", ["weights", "answers"])
def test_what_is_no_number_after_the_last_step_is_told_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "answers":
        monkeypatch.setattr(trainings, "predict", lambda *of, **more: np.full((12, 2), np.nan, np.float32))
        changes: dict[str, Any] = {"epochs": 1, "batch": 32}
    else:
        changes = {"epochs": 1, "batch": 32, "learning_rate": 1e38, "weight_decay": 1e4}
    with pytest.raises(DataError, match=r"toy: .* after fine-tune epoch 1"):
        run(recipe_of(fine_tune=changes), prepared(tmp_path / "set"), tmp_path)
    assert [path.name for path in (tmp_path / "toy" / "parts").iterdir()] == ["made_of.json"]


def test_too_few_people_are_told_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"10 folds .* calm \(9\), pain \(9\)"):
        run(recipe_of(folds={"outer": 10}), prepared(tmp_path / "set"), tmp_path)
    assert not (tmp_path / "toy").exists()


def test_images_of_other_labels_are_left_out(tmp_path: Path) -> None:
    target = prepared(tmp_path / "set", rows_of(("calm", "pain", "contempt", "")))
    predictions, _ = run(recipe_of(), target, tmp_path)
    assert len(predictions) == 2 * PEOPLE


def test_a_gpu_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="no GPU"):
        transfer(recipe_of(), prepared(tmp_path / "set"), tmp_path, task=TASK, device="cuda")


def test_damaged_parts_are_named(tmp_path: Path) -> None:
    target = prepared(tmp_path / "set")
    run(recipe_of(), target, tmp_path)
    (tmp_path / "toy" / "stage.json").unlink()
    path = tmp_path / "toy" / "parts" / "repeat0-fold0-s0.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"repeat0-fold0-s0\.npz: is damaged"):
        run(recipe_of(), target, tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "kind"),
    [
        pytest.param("stage.json", '{"recipe": {"stage": "pretrain"}}', "a pretraining", id="pretraining"),
        pytest.param("weights.json", "{}", "imported weights", id="import"),
        pytest.param("resume.ckpt", "", "a pretraining", id="running-pretraining"),
        pytest.param("other", "", "weights that no stage here has made", id="weights"),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_of_another_kind_is_left_alone(tmp_path: Path, file: str, text: str, kind: str, fresh: bool) -> None:
    (tmp_path / "toy").mkdir()
    for name in (file, "weights.safetensors"):
        (tmp_path / "toy" / name).write_text(text)
    with pytest.raises(ConfigError, match=f"toy: holds {kind}, and the stage toy is a transfer"):
        run(recipe_of(), prepared(tmp_path / "set"), tmp_path, fresh=fresh)
    assert (tmp_path / "toy" / "weights.safetensors").is_file()


def test_a_transfer_does_not_start_from_its_own_folder(tmp_path: Path) -> None:
    target = prepared(tmp_path / "set")
    run(recipe_of(ship=True), target, tmp_path)
    with pytest.raises(ConfigError, match="starts from its own folder"):
        run(recipe_of(), target, tmp_path, start=tmp_path / "toy", fresh=True)
    assert (tmp_path / "toy" / "weights.safetensors").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"fine_tune": {"epochs": 0}}, "no layer would be trained; raise fine_tune.epochs", id="untrained"),
        pytest.param(
            {"network": {"architecture": "resnet18", "preset": "tiny", "start_from": "x"}},
            "starts from x, which is not given",
            id="no-start",
        ),
    ],
)
def test_a_recipe_that_would_measure_another_network_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(recipe_of(**changes), prepared(tmp_path / "set"), tmp_path)
    assert not (tmp_path / "toy").exists()


def test_pictures_are_prepared_by_the_threads_that_are_asked_for(tmp_path: Path) -> None:
    cv2.setNumThreads(2)
    with pytest.raises(ConfigError, match="no layer"):
        run(recipe_of(fine_tune={"epochs": 0}), prepared(tmp_path / "set"), tmp_path)
    assert cv2.getNumThreads() == 1


def test_what_a_start_from_scratch_leaves_out_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ffe_train")
    run(recipe_of(fine_tune={"epochs": 1, "batch": 32, "l2_sp": 0.1}), prepared(tmp_path / "set"), tmp_path)
    told = [message for message in caplog.messages if "from scratch" in message]
    assert told == ["toy: starts from scratch, so these are left out: the probe, l2_sp"]
