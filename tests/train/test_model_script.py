"""`make model` calls commands that exist, in their order, and says what is missing before it begins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_train.recipes import Pretrain, load_stage

ROOT = Path(__file__).resolve().parents[2]
FACES = ("ferplus/ferplus_dev.zip", "lfw_expressions/labels.csv", "london/labels.csv")
ORDER = [
    *["train prepare"] * 5, "train pretrain", "export", "train measure", "train robustness", "train card",
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
    (clips,) = (line for line in called if line.startswith("benchmarks/"))
    assert f"--clip {tmp_path / 'hall.mp4'} --detector" in clips
    called.remove(clips)
    assert [" ".join(line.split()[: 1 + line.startswith("train")]) for line in called] == ORDER
    answers = {
        line: CliRunner().invoke(app, [*line.split(), "--help"]) for line in called
    }  # all is parsed, help is told
    assert [line for line in called if answers[line].exit_code != 0] == []
    (trained,) = (line for line in called if "pretrain" in line)
    assert trained.split()[2] == "train/recipes/model/small.toml"
    assert trained.endswith("--fresh")


def test_what_is_missing_is_told_before_anything_is_done(tmp_path: Path) -> None:
    done, called = run(tmp_path, FACES[:2])
    assert (done.returncode, called) == (2, [])
    assert f"  {tmp_path / FACES[2]}\n" in done.stderr
    assert FACES[0] not in done.stderr


def test_the_recipe_learns_from_sets_that_are_prepared(tmp_path: Path) -> None:
    recipe = load_stage(ROOT / "train" / "recipes" / "model" / "small.toml")
    assert isinstance(recipe, Pretrain)
    _, called = run(tmp_path, FACES)
    prepared = {line.split("runs/sets/")[1].split()[0] for line in called if line.startswith("train prepare")}
    assert set(recipe.data) <= prepared
