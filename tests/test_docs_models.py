"""What docs/models.md tells somebody to type can be typed, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from ffe_edge.catalogue import catalogue
from ffe_edge.cli import app
from ffe_edge.config import load_config

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"ffe-edge ((?:(?:models|train|config) )?[a-z]+)", TEXT)))


def blocks() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0


def test_every_option_is_taken_by_a_command() -> None:
    taken: set[str] = set()
    left = [typer.main.get_command(app)]
    while left:
        command = left.pop()
        taken |= {option for parameter in command.params for option in parameter.opts}
        left += getattr(command, "commands", {}).values()
    assert sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", TEXT)) - taken) == []


def test_every_model_of_the_catalogue_has_a_row() -> None:
    assert re.findall(r"^\| `([\w-]+)` \|", TEXT, re.MULTILINE) == list(catalogue())


def test_every_file_of_this_repository_that_is_named_exists() -> None:
    named = re.findall(r"((?:train|ffe_edge)/[\w/.-]+\.(?:md|toml))", TEXT)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_settings_and_the_recipe_are_valid(tmp_path: Path) -> None:
    recipes = pytest.importorskip("ffe_train.recipes")
    settings, recipe = blocks()
    (tmp_path / "ffe.toml").write_text(settings, encoding="utf-8")
    assert load_config(tmp_path / "ffe.toml").model.path == Path("ffe-r18")
    (tmp_path / "ours.toml").write_text(recipe, encoding="utf-8")
    assert recipes.load_stage(tmp_path / "ours.toml").data[-1] == "mine"


def test_it_says_whether_ffe_r18_has_been_released() -> None:
    assert (catalogue()["ffe-r18"].release is None) == ("**not released**" in TEXT)
