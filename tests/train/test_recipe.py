"""A recipe is right before training starts, or its fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ffe_edge.errors import ConfigError
from ffe_train.recipe import load_recipe

GOOD = {
    "name": "'toy'",
    "sources": "['lfw', 'rendered']",
    "weights": "{ lfw = 1.5 }",
    "epochs": "3",
    "learning_rate": "0.1",
}


def written(folder: Path, **changes: str | None) -> Path:
    path = folder / "toy.toml"
    values = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    path.write_text("\n".join(f"{key} = {value}" for key, value in values.items()), encoding="utf-8")
    return path


def test_a_recipe_is_read(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, rendered="{ old = 3, seed = 9 }"))
    assert (recipe.name, recipe.sources, recipe.weights) == ("toy", ("lfw", "rendered"), {"lfw": 1.5})
    assert (recipe.batch, recipe.start_from) == (128, None)
    assert (recipe.rendered.old, recipe.rendered.young, recipe.rendered.seed) == (3, 100, 9)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        pytest.param({"epoch": "3"}, "epoch", id="unknown-key"),
        pytest.param({"rendered": "{ middle_aged = 3 }"}, "rendered.middle_aged", id="unknown-key-in-section"),
        pytest.param({"epochs": None}, "epochs", id="missing-key"),
        pytest.param({"epochs": "0"}, "epochs", id="no-epoch"),
        pytest.param({"epochs": "'many'"}, "epochs", id="text"),
        pytest.param({"learning_rate": "-0.1"}, "learning_rate", id="negative"),
        pytest.param({"learning_rate": "nan"}, "learning_rate", id="not-a-number"),
        pytest.param({"ema": "1.0"}, "ema", id="average-that-never-moves"),
        pytest.param({"batch": "1"}, "batch", id="batch-of-one"),
        pytest.param({"sources": "['affectnet']"}, "sources.0", id="unknown-source"),
        pytest.param({"sources": "[]"}, "sources", id="no-source"),
        pytest.param({"weights": "{ london = 1.0 }"}, "weights.london", id="test-set-in-training"),
        pytest.param({"weights": "{ lfw = -1.0 }"}, "weights.lfw", id="negative-weight"),
        pytest.param({"widths": "[]"}, "widths", id="no-width"),
        pytest.param({"widths": "[8, 32]"}, "widths.0", id="width-that-onednn-cannot-train"),
        pytest.param({"name": "'../toy'"}, "name", id="name-is-a-path"),
        pytest.param({"rendered": "{ images = 8 }"}, "rendered.images", id="fewer-pictures-than-expressions"),
    ],
)
def test_a_bad_recipe_is_refused_with_file_and_key(tmp_path: Path, changes: dict[str, str | None], key: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}: {key}")


@pytest.mark.parametrize(
    "content",
    [pytest.param(None, id="missing"), pytest.param(b"name =", id="not-toml"), pytest.param(b"\xff\xfe", id="no-text")],
)
def test_a_file_that_is_no_recipe_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "toy.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"toy\.toml: "):
        load_recipe(path)


def test_a_recipe_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        load_recipe(written(tmp_path)).epochs = 9


def test_the_shipped_network_s_recipe_is_good() -> None:
    path = Path(__file__).parents[2] / "train" / "recipes" / "small.toml"
    assert load_recipe(path).name == path.stem
