"""A position or a result is used only by what it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ffe_edge.errors import DataError
from ffe_train.files import write_json
from ffe_train.resume import digest_of, finished, load_position, save_position

MADE_OF: dict[str, Any] = {"recipe": {"seed": 1, "schedule": {"epochs": 3}}, "data": {"casia": "a" * 64}, "start": ""}


def test_a_position_comes_back(tmp_path: Path) -> None:
    assert load_position(tmp_path, MADE_OF) is None
    save_position(tmp_path, MADE_OF, {"step": 4, "weight": torch.ones(2)})
    found = load_position(tmp_path, MADE_OF)
    assert found is not None
    assert found["step"] == 4


@pytest.mark.parametrize(
    ("now", "told"),
    [
        pytest.param({"recipe": {"seed": 2, "schedule": {"epochs": 3}}}, "recipe.seed was 1 and is 2", id="seed"),
        pytest.param(
            {"recipe": {"seed": 1, "schedule": {}}}, "recipe.schedule.epochs was 3 and is not there", id="key"
        ),
        pytest.param({"data": {"casia": "b" * 64}}, "data.casia was aaaaaaaaaaaa… and is bbbbbbbbbbbb…", id="data"),
        pytest.param({"data": {"ms1m": "a" * 64}}, "data.ms1m was not there and is", id="set"),
    ],
)
def test_another_recipe_or_other_data_are_named(tmp_path: Path, now: dict[str, Any], told: str) -> None:
    save_position(tmp_path / "running", MADE_OF, {})
    write_json({"made_of": MADE_OF}, tmp_path / "done" / "stage.json")
    (tmp_path / "done" / "weights.safetensors").touch()
    with pytest.raises(DataError, match=rf"resume\.ckpt: was made otherwise: .*{told}.*--fresh"):
        load_position(tmp_path / "running", {**MADE_OF, **now})
    with pytest.raises(DataError, match=rf"stage\.json: was made otherwise: .*{told}"):
        finished(tmp_path / "done", {**MADE_OF, **now})


def test_a_stage_is_finished_when_all_is_there_and_no_position_is_left(tmp_path: Path) -> None:
    assert finished(tmp_path, MADE_OF) is None
    write_json({"made_of": MADE_OF}, tmp_path / "stage.json")
    assert finished(tmp_path, MADE_OF) is None
    (tmp_path / "weights.safetensors").touch()
    assert finished(tmp_path, MADE_OF) == {"made_of": MADE_OF}
    save_position(tmp_path, MADE_OF, {})
    assert finished(tmp_path, MADE_OF) is None


def test_a_digest_changes_with_anything() -> None:
    assert digest_of(MADE_OF) == digest_of(dict(reversed(MADE_OF.items())))
    assert digest_of(MADE_OF) != digest_of({**MADE_OF, "start": "x"})
