"""A tiny network learns identities and expressions; what cannot be learned is told before anything starts."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_faces import LABELS, expressions, identities, recipe_of

from ffe_edge.errors import ConfigError, DataError, ModelError
from ffe_train.batches import Epochs
from ffe_train.checkpoint import load_backbone, load_expression_network, read_stored
from ffe_train.devices import Options
from ffe_train.files import load_resume, load_weights
from ffe_train.prepared import PreparedSet
from ffe_train.pretrain import StageResult, new_learner, pretrain
from ffe_train.pretrain_data import lesson_of
from ffe_train.recipes import Pretrain
from ffe_train.tasks import Task

TWO = Task("two", LABELS, LABELS, (1.0, -1.0), (0.0, 0.0))
CPU = Options(accelerator="cpu")
AT_ONCE: dict[str, Any] = {"schedule": {"epochs": 1, "batch": 8, "learning_rate": 0.01}}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PreparedSet]:
    folder = tmp_path_factory.mktemp("sets")
    return {"toy": identities(folder / "toy"), "faces": expressions(folder / "faces")}


def run(sets: dict[str, PreparedSet], out: Path, recipe: Pretrain, **more: Any) -> StageResult:
    return pretrain(recipe, sets, out, task=TWO, **{"options": CPU, **more})


def weights(result: StageResult) -> dict[str, torch.Tensor]:
    return load_weights(result.folder / "weights.safetensors")[0]


@pytest.mark.parametrize(
    "head",
    [
        {"kind": "softmax"},
        {"kind": "cosface", "scale": 16},
        {"kind": "arcface", "scale": 16},
        {"kind": "adaface", "scale": 16, "alpha": 0.1},
    ],
    ids=lambda head: str(head["kind"]),
)
def test_identities_are_learned_and_strangers_told_apart(
    sets: dict[str, PreparedSet], tmp_path: Path, head: dict[str, Any]
) -> None:
    recipe = recipe_of(pairs="toy", head=head, schedule={"epochs": 3})
    result = run(sets, tmp_path, recipe)
    losses = [epoch["loss"] for epoch in result.record["history"]]
    assert losses[-1] < losses[0]
    assert result.record["metrics"]["verification_accuracy"] > 0.8
    assert load_backbone(result.folder).spec.architecture == "face-resnet18"
    assert sorted(path.name for path in result.folder.iterdir()) == [
        "history.csv", "people.txt", "stage.json", "weights.safetensors",
    ]  # fmt: skip


def test_expressions_are_learned_from_a_stage_of_identities(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    first = run(sets, tmp_path, recipe_of())
    told: list[Any] = []
    changes: dict[str, Any] = {"network": {"start_from": "toy"}, "schedule": {"epochs": 5}}
    recipe = recipe_of("expression", name="second", ema=0.5, label_smoothing=0.1, **changes)
    options = replace(CPU, on_epoch=told.append)
    result = run(sets, tmp_path, recipe, start=first.folder, options=options)
    assert result.record["metrics"] == {"val_accuracy": told[-1].metric, "val_images": 16}
    assert told[-1].metric > 0.8
    assert result.record["start"]["name"] == "toy"
    assert load_expression_network(result.folder).head.out_features == 2
    assert read_stored(result.folder).about["labels"] == list(LABELS)


def test_the_history_is_a_table(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    result = run(sets, tmp_path, recipe_of(pairs="toy"))
    rows = list(csv.DictReader((result.folder / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert list(rows[0]) == ["epoch", "loss", "learning_rate", "images_per_second", "metric"]
    assert float(rows[1]["loss"]) == result.record["history"][1]["loss"]


def test_a_plain_network_without_embedding_learns_in_bfloat16(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    network = {"architecture": "resnet18", "embedding": False}
    result = run(sets, tmp_path, recipe_of(network=network, schedule={"epochs": 1, "precision": "bf16-mixed"}))
    assert all(tensor.dtype != torch.bfloat16 for tensor in weights(result).values())


def test_a_finished_stage_is_not_run_again(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    first = run(sets, tmp_path, recipe_of(**AT_ONCE))
    told: list[Any] = []
    again = run(sets, tmp_path, recipe_of(**AT_ONCE), options=replace(CPU, on_epoch=told.append))
    assert again.record == first.record
    assert told == []
    with pytest.raises(DataError, match=r"recipe\.seed was 0 and is 4.*--fresh"):
        run(sets, tmp_path, recipe_of(**AT_ONCE, seed=4))
    other = run(sets, tmp_path, recipe_of(**AT_ONCE, seed=4), options=replace(CPU, fresh=True))
    assert other.record["recipe"]["seed"] == 4


def test_a_seed_brings_the_same_weights_back(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    first, again = (weights(run(sets, tmp_path / name, recipe_of(**AT_ONCE))) for name in "ab")
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_validation_split_and_the_test_split_are_never_learned(
    sets: dict[str, PreparedSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []

    def watched(epochs: Epochs, *args: Any) -> Any:
        shown.append(len(epochs.targets))
        return original(epochs, *args)

    original = Epochs.batches
    monkeypatch.setattr(Epochs, "batches", watched)
    run(sets, tmp_path, recipe_of(**AT_ONCE))
    run(sets, tmp_path, recipe_of("expression", name="second", **AT_ONCE))
    assert shown == [40, 32]


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    recipe = recipe_of(schedule={"epochs": 3, "learning_rate": 1e30, "warm_up_epochs": 0.5, "clip": 0.0})
    with pytest.raises(DataError, match=r"toy: .* in epoch \d, step \d; the last good checkpoint is kept"):
        run(sets, tmp_path, recipe, options=replace(CPU, checkpoint_every_steps=1))
    assert not (tmp_path / "toy" / "weights.safetensors").exists()
    position = tmp_path / "toy" / "resume.ckpt"
    if position.exists():
        assert all(tensor.isfinite().all() for tensor in load_resume(position)["learner"].values())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        pytest.param({"data": ["casia"]}, ConfigError, "no prepared set casia; there are: faces, toy", id="no set"),
        pytest.param({"schedule": {"batch": 64}}, DataError, "40 faces does not fill one batch of 64", id="batch"),
        pytest.param({"network": {"start_from": "x"}}, ConfigError, "starts from x, which is not given", id="start"),
        pytest.param({"data": ["faces"]}, DataError, "32 faces of 32 people teach no identities", id="no people"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    sets: dict[str, PreparedSet], tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(sets, tmp_path, recipe_of(**changes))
    assert not (tmp_path / "toy").exists()


def changed(one: PreparedSet, **columns: Any) -> PreparedSet:
    """The set with other cells, by row number."""
    rows = [
        replace(row, **{name: values[k] for name, values in columns.items() if k in values})
        for k, row in enumerate(one.rows)
    ]
    return replace(one, rows=tuple(rows))


@pytest.mark.parametrize(
    ("learn", "columns", "message"),
    [
        pytest.param("identity", {"split": {0: "test"}}, "person-0 stands in the splits", id="two splits"),
        pytest.param(
            "identity",
            {"split": dict.fromkeys(range(40, 60), "train")},
            "pairs of toy show 4 people who are learned",
            id="pairs are learned",
        ),
        pytest.param("identity", {"split": dict.fromkeys(range(40), "val")}, "no face in the split train", id="split"),
        pytest.param("expression", {"label": dict.fromkeys(range(0, 48, 2), "")}, "shows joy", id="class"),
        pytest.param("expression", {"label": dict.fromkeys(range(48), "")}, "has a label of joy, sadness", id="labels"),
        pytest.param("expression", {"label": {3: "smug"}}, "'smug' is no label", id="unknown label"),
    ],
)
def test_data_that_cannot_be_learned_are_refused(
    sets: dict[str, PreparedSet], tmp_path: Path, learn: str, columns: dict[str, Any], message: str
) -> None:
    name = "toy" if learn == "identity" else "faces"
    pairs = {"pairs": "toy"} if learn == "identity" else {}
    with pytest.raises(DataError, match=message):
        run({**sets, name: changed(sets[name], **columns)}, tmp_path, recipe_of(learn, **pairs))


def test_a_start_of_another_network_is_refused(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    first = run(sets, tmp_path, recipe_of(**AT_ONCE))
    recipe = recipe_of(name="second", network={"architecture": "resnet18", "start_from": "toy"})
    with pytest.raises(ModelError, match="holds face-resnet18 tiny"):
        run(sets, tmp_path, recipe, start=first.folder)


def test_raters_votes_are_learned_as_far_as_the_recipe_says(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    votes = {k: {"joy": 1.0, "sadness": 1.0} for k in range(48)}
    undecided = {**sets, "faces": changed(sets["faces"], votes=votes)}
    doubtful = run(undecided, tmp_path / "a", recipe_of("expression", rater_weight=1.0, schedule={"epochs": 3}))
    sure = run(undecided, tmp_path / "b", recipe_of("expression", rater_weight=0.0, schedule={"epochs": 3}))
    assert sure.record["history"][-1]["loss"] < np.log(2) - 0.1 < doubtful.record["history"][-1]["loss"]


def test_a_start_that_tells_the_same_labels_gives_its_head_too(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    first = pretrain(recipe_of("expression", name="first"), sets, tmp_path, task=TWO, options=CPU)
    recipe = recipe_of("expression", name="more", network={"start_from": "first"})
    learner = new_learner(recipe, lesson_of(recipe, sets, TWO), first.folder)
    before = load_expression_network(first.folder).state_dict()
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())


def test_labels_that_are_doubted_are_spread_over_all(sets: dict[str, PreparedSet]) -> None:
    doubting = recipe_of("expression", doubt={"faces": 0.2})
    targets = lesson_of(doubting, sets, TWO).targets
    np.testing.assert_allclose(np.unique(targets), [0.1, 0.9], atol=1e-6)
    with pytest.raises(ValueError, match="doubt: other is not in data"):
        recipe_of("expression", doubt={"other": 0.2})


def test_a_pretraining_takes_over_no_folder_of_another_kind(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    parts = tmp_path / "toy" / "parts"
    parts.mkdir(parents=True)
    for options in (CPU, replace(CPU, fresh=True)):
        with pytest.raises(ConfigError, match=r"toy: holds a transfer, and the stage toy is a pretraining"):
            run(sets, tmp_path, recipe_of(**AT_ONCE), options=options)
    assert parts.is_dir()


def test_a_stage_does_not_start_from_its_own_folder(sets: dict[str, PreparedSet], tmp_path: Path) -> None:
    first = run(sets, tmp_path, recipe_of(**AT_ONCE))
    recipe = recipe_of(network={"start_from": "toy"}, **AT_ONCE)
    with pytest.raises(ConfigError, match="starts from its own folder"):
        run(sets, tmp_path, recipe, start=first.folder, options=replace(CPU, fresh=True))
    assert (first.folder / "weights.safetensors").is_file()


def test_a_temperature_is_fitted_to_faces_that_were_not_learned_and_anew_for_other_sets(
    sets: dict[str, PreparedSet], tmp_path: Path
) -> None:
    both = {**sets, "more": expressions(tmp_path / "more", count=96)}
    changes: dict[str, Any] = {"data": ["faces", "more"], "schedule": {"epochs": 2}}
    all_of_them = run(both, tmp_path, recipe_of("expression", **changes))
    first = read_stored(all_of_them.folder).about["temperature"]
    before = weights(all_of_them)
    some = run(both, tmp_path, recipe_of("expression", **changes, calibrate=["more"]))
    about = read_stored(some.folder).about
    assert about["temperature"] == some.record["temperature"] != first > 0
    assert (about["labels"], about["people_sha256"]) == (list(LABELS), all_of_them.record["people_sha256"])
    after = weights(some)
    assert all(torch.equal(before[name], after[name]) for name in before)
    again = run(both, tmp_path, recipe_of("expression", **changes, calibrate=["more"]))
    assert again.record == some.record
    with pytest.raises(ValueError, match="calibrate: toy is not in data"):
        recipe_of("expression", calibrate=["toy"])
