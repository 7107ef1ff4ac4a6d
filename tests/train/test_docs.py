"""What train/README.md and train/DATA.md name exists."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_train.manifest import Row
from ffe_train.sources import KINDS

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / "train"
README = (TRAIN / "README.md").read_text(encoding="utf-8")
DATA = (TRAIN / "DATA.md").read_text(encoding="utf-8")
PLACES = (TRAIN, TRAIN / "ffe_train", TRAIN / "recipes", ROOT)
COMMANDS = typer.main.get_command(app).commands["train"].commands  # type: ignore[attr-defined]
OPTIONS = {name: {opt for param in command.params for opt in param.opts} for name, command in COMMANDS.items()}
THE_USERS = {"labels.toml", "runs/reproduce-small.md"}
"""Files that a user writes or a command makes."""


def named(text: str) -> list[str]:
    """Files in backticks, and those that commands are given."""
    found = re.findall(r"`([\w./-]+\.(?:py|toml|md))`", text) + re.findall(r"`((?:sources|jobs)/)`", text)
    return sorted({*found, *re.findall(r"\s(train/[\w./-]+\.toml)", text)} - THE_USERS)


@pytest.mark.parametrize("text", [pytest.param(README, id="readme"), pytest.param(DATA, id="data")])
def test_every_file_that_is_named_exists(text: str) -> None:
    assert [name for name in named(text) if not any((place / name).exists() for place in PLACES)] == []


def test_every_recipe_is_named() -> None:
    recipes = TRAIN / "recipes"
    assert {path.relative_to(recipes).as_posix() for path in recipes.rglob("*.toml")} <= set(named(README))


def test_the_table_of_commands_is_that_of_the_program() -> None:
    table = README.split("## Recipes")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"ffe-edge train (\w+)", README + DATA))))
def test_every_command_that_is_named_explains_itself(command: str) -> None:
    assert CliRunner().invoke(app, ["train", command, "--help"]).exit_code == 0


def test_every_option_that_is_named_is_taken_by_a_command() -> None:
    taken = set().union(*OPTIONS.values())
    assert sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README + DATA)) - taken) == []


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z][a-z-]+)", README))))
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_kind_and_column_is_told() -> None:
    kinds, manifest = DATA.split("## Manifest")[0], DATA.split("## Manifest")[1].split("## Prepared")[0]
    first = " ".join(line.split("|")[1] for line in kinds.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([\w-]+)`", first)) == set(KINDS)
    assert re.findall(r"^\| `(\w+)` \|", manifest, re.MULTILINE) == [field.name for field in fields(Row)]
