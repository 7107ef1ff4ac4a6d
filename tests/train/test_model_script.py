"""`make model` calls commands that exist, in their order, and says what is missing before it begins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_train.recipes import Pretrain, load_stage

ROOT = Path(__file__).resolve().parents[2]
FACES = (
    "ferplus/ferplus_dev.zip",
    "lfw_expressions/labels.csv",
    "london/labels.csv",
    "lfw_identities/labels.csv",
    "elderly_unlabelled/index.csv",
)
ORDER = [
    *["train prepare"] * 8, *["train pretrain"] * 2, "export", "train measure", "train robustness", "train card",
    "train measure", "train reproduced",
]  # fmt: skip


def run(folder: Path, faces: tuple[str, ...], *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The script over a program that only writes down what it is asked for."""
    for name in faces:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    stub, log, detector = folder / "ffe", folder / "log", folder / "yunet.onnx"
    stub.write_text(f'#!/bin/sh\necho "$*" >> {log}\n')
    stub.chmod(0o755)
    detector.touch()
    log.touch()
    (folder / "hall.mp4").touch()
    given = {"FACES": folder, "DETECTOR": detector, "VIDEOS": folder, "FFE": stub, "PYTHON": stub, "SHIP": ""}
    environment = {**os.environ, **{name: str(value) for name, value in given.items()}}
    script = ["bash", str(ROOT / "scripts" / "model.sh"), *arguments]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    return done, log.read_text().splitlines()


def test_every_command_is_one_and_they_come_in_order(tmp_path: Path) -> None:
    done, called = run(tmp_path, FACES, "--fresh")
    assert done.returncode == 0, done.stderr
    rest, clips = (line for line in called if line.startswith("benchmarks/"))
    assert rest.endswith("--json runs/model/figures/baseline.json")
    assert f"--clip {tmp_path / 'hall.mp4'} --detector" in clips
    called = [line for line in called if line not in (rest, clips)]
    assert [" ".join(line.split()[: 1 + line.startswith("train")]) for line in called] == ORDER
    answers = {
        line: CliRunner().invoke(app, [*line.split(), "--help"]) for line in called
    }  # all is parsed, help is told
    assert [line for line in called if answers[line].exit_code != 0] == []
    trained = [line.split() for line in called if "pretrain" in line]
    assert [words[2] for words in trained] == ["train/recipes/model/small.toml", "train/recipes/model/small-last.toml"]
    assert {words[-1] for words in trained} == {"--fresh"}


def test_what_is_missing_is_told_before_anything_is_done(tmp_path: Path) -> None:
    done, called = run(tmp_path, FACES[:2])
    assert (done.returncode, called) == (2, [])
    assert f"  {tmp_path / FACES[2]}\n" in done.stderr
    assert FACES[0] not in done.stderr


@pytest.mark.parametrize("name", ["small", "small-last"])
def test_a_recipe_learns_from_sets_that_are_prepared(tmp_path: Path, name: str) -> None:
    recipe = load_stage(ROOT / "train" / "recipes" / "model" / f"{name}.toml")
    assert isinstance(recipe, Pretrain)
    _, called = run(tmp_path, FACES)
    prepared = {Path(line.split("--out ")[1].split()[0]) for line in called if line.startswith("train prepare")}
    assert {Path("runs/sets") / one for one in recipe.learned} <= prepared
