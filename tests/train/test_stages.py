"""A finished stage is kept; what it cannot start from is told before it starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ffe_edge.emotions import LABELS
from ffe_edge.errors import DataError
from ffe_train.data import Samples, one_hot
from ffe_train.fit import Epoch, predict
from ffe_train.recipe import Recipe
from ffe_train.stages import load_network, new_network, run_stage


def toy(count: int = 36, classes: int = 9, source: str = "lfw") -> Samples:
    splits = ["val" if k >= count - 9 else "train" for k in range(count)]
    return Samples(
        np.random.default_rng(0).integers(0, 256, (count, 112, 112), np.uint8),
        one_hot(LABELS[k % classes] for k in range(count)),
        np.arange(count).astype(str),
        np.array(splits),
        np.full(count, source),
        np.zeros(count, bool),
    )


def recipe_of(name: str = "toy", **changes: Any) -> Recipe:
    values = {"name": name, "sources": ["lfw"], "weights": {}, "epochs": 1, "batch": 8, "learning_rate": 0.05}
    return Recipe.model_validate({**values, "widths": (16, 16), **changes})


def epochs_of(recipe: Recipe, samples: Samples, folder: Path) -> int:
    """How many epochs it took to get the stage."""
    seen: list[Epoch] = []
    run_stage(recipe, samples, folder, seen.append)
    return len(seen)


def test_a_stage_leaves_its_weights_with_their_record(tmp_path: Path) -> None:
    stage = run_stage(recipe_of(), toy(), tmp_path / "stages")
    assert sorted(path.name for path in (tmp_path / "stages").iterdir()) == ["toy.json", "toy.safetensors"]
    record = json.loads(stage.weights.with_suffix(".json").read_text(encoding="utf-8"))
    assert (record["images"], record["recipe"]["name"], len(record["history"])) == ({"lfw": 27}, "toy", 1)
    crops = toy().crops[:3]
    again = recipe_of(start_from="toy", name="next")
    expected = predict(new_network(again, tmp_path / "stages"), crops)
    np.testing.assert_allclose(predict(load_network(stage), crops), expected, atol=1e-5)


def test_a_finished_stage_is_not_run_again(tmp_path: Path) -> None:
    assert [epochs_of(recipe_of(), toy(), tmp_path) for _ in range(2)] == [1, 0]
    assert run_stage(recipe_of(), toy(), tmp_path).record["images"] == {"lfw": 27}


@pytest.mark.parametrize(
    ("recipe", "samples"),
    [
        pytest.param(recipe_of(epochs=2), toy(), id="another-recipe"),
        pytest.param(recipe_of(seed=5), toy(), id="another-seed"),
        pytest.param(recipe_of(), toy(38), id="more-images"),
        pytest.param(recipe_of(), replace(toy(), targets=toy().targets[::-1].copy()), id="other-labels"),
        pytest.param(recipe_of(), replace(toy(), split=np.roll(toy().split, 9)), id="other-splits"),
    ],
)
def test_another_recipe_or_other_data_is_run(tmp_path: Path, recipe: Recipe, samples: Samples) -> None:
    run_stage(recipe_of(), toy(), tmp_path)
    assert epochs_of(recipe, samples, tmp_path) == recipe.epochs


def test_a_stage_is_run_again_when_the_one_it_starts_from_has_changed(tmp_path: Path) -> None:
    second = recipe_of("second", start_from="toy")
    run_stage(recipe_of(), toy(), tmp_path)
    assert [epochs_of(second, toy(), tmp_path) for _ in range(2)] == [1, 0]
    run_stage(recipe_of(seed=5), toy(), tmp_path)
    assert epochs_of(second, toy(), tmp_path) == 1


def test_the_same_recipe_gives_the_same_weights_whatever_ran_before(tmp_path: Path) -> None:
    one = run_stage(recipe_of(), toy(), tmp_path / "one")
    torch.rand(17)
    other = run_stage(recipe_of(), toy(), tmp_path / "other")
    first, second = load_file(one.weights), load_file(other.weights)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_only_training_images_of_the_recipes_sources_are_learned_from(tmp_path: Path) -> None:
    samples = toy()
    poisoned = replace(samples, targets=samples.targets.copy(), source=samples.source.astype("<U8"))
    elsewhere = np.arange(len(samples)) % 9 == 4
    poisoned.source[elsewhere] = "ferplus"
    poisoned.targets[elsewhere | (samples.split == "val")] = np.nan
    assert run_stage(recipe_of(), poisoned, tmp_path).record["images"] == {"lfw": 24}


def test_a_start_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"second starts from stage first, but .*first\.safetensors is not there"):
        run_stage(recipe_of("second", start_from="first"), toy(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_start_with_another_network_is_told(tmp_path: Path) -> None:
    run_stage(recipe_of("first"), toy(), tmp_path)
    with pytest.raises(DataError, match="first"):
        run_stage(recipe_of("second", start_from="first", widths=(16, 32)), toy(), tmp_path)


def test_a_class_without_an_image_is_named(tmp_path: Path) -> None:
    recipe, samples = recipe_of(sources=["rendered"]), toy(classes=7, source="rendered")
    with pytest.raises(DataError, match="no training image shows relaxation, neutral"):
        run_stage(recipe, samples, tmp_path)


def test_a_stage_on_real_faces_may_lack_a_class(tmp_path: Path) -> None:
    assert epochs_of(recipe_of(), toy(classes=7), tmp_path) == 1


def test_a_person_in_two_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="stands in the splits"):
        run_stage(recipe_of(), replace(toy(), subject=np.full(36, "anna")), tmp_path)


def test_a_stage_that_diverges_leaves_the_finished_one(tmp_path: Path) -> None:
    before = run_stage(recipe_of(), toy(), tmp_path).weights.read_bytes()
    samples = toy()
    with pytest.raises(DataError, match="the loss became nan"):
        run_stage(recipe_of(), replace(samples, targets=samples.targets * np.float32(np.nan)), tmp_path)
    assert (tmp_path / "toy.safetensors").read_bytes() == before
    assert epochs_of(recipe_of(), toy(), tmp_path) == 0
