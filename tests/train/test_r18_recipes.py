"""The recipes of ffe-r18 run from identities to a network that tells nine expressions; at `tiny` size, a few steps."""

from __future__ import annotations

from pathlib import Path

from toy_faces import expressions, identities

from ffe_train.checkpoint import load_expression_network
from ffe_train.devices import Options
from ffe_train.pretrain import pretrain
from ffe_train.recipes import Pretrain, load_stage
from ffe_train.tasks import NINE

MODEL = Path(__file__).resolve().parents[2] / "train" / "recipes" / "model"
CPU = Options(accelerator="cpu")


def recipe(name: str) -> Pretrain:
    stage = load_stage(MODEL / name)
    assert isinstance(stage, Pretrain)
    return stage


def tiny(stage: Pretrain) -> Pretrain:
    network = stage.network.model_copy(update={"preset": "tiny"})
    schedule = stage.schedule.model_copy(update={"epochs": 1, "batch": 16})
    return stage.model_copy(update={"network": network, "schedule": schedule})


def test_they_are_a_chain_of_the_published_network() -> None:
    first, second = recipe("r18-identity.toml"), recipe("r18-expressions.toml")
    assert second.network.start_from == first.name
    assert {(stage.network.architecture, stage.network.preset) for stage in (first, second)} == {
        ("face-resnet18", "paper")
    }
    assert (second.name, second.labels, second.rater_weight) == ("ffe-r18", (), 1.0)


def test_they_learn_what_the_default_model_learns() -> None:
    small, r18 = recipe("small.toml"), recipe("r18-expressions.toml")
    assert (r18.data, r18.weights, r18.augment, r18.ema) == (small.data, small.weights, small.augment, small.ema)


def test_both_stages_run(tmp_path: Path) -> None:
    first, second = tiny(recipe("r18-identity.toml")), tiny(recipe("r18-expressions.toml"))
    start = pretrain(first, {"lfw-identities": identities(tmp_path / "lfw", people=4)}, tmp_path, options=CPU)
    assert "verification_accuracy" in start.record["metrics"]
    few = expressions(tmp_path / "few", count=24)
    labels = (*NINE.labels, "joy")  # of nine in a row every third would be in the split val alone
    all_nine = expressions(tmp_path / "nine", labels=labels, count=60)
    sets = {"ferplus": few, "lfw": few, "london": few, "rendered": all_nine}
    result = pretrain(second, sets, tmp_path, start=start.folder, options=CPU)
    assert load_expression_network(result.folder).head.out_features == 9
    assert result.record["temperature"] > 0
