"""What the README tells a user to type exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ffe_edge.config import load_config

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^    make (\S+)", README, re.MULTILINE))))
def test_every_make_target_exists(target: str) -> None:
    assert subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("command", sorted(set(re.findall(r"ffe-edge ((?:(?:models|train) )?[a-z]+)", README))))
def test_every_command_explains_itself(command: str) -> None:
    program = [sys.executable, "-c", "from ffe_edge.cli import main; main()", *command.split(), "--help"]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Usage" in result.stdout


def test_the_example_settings_are_valid(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "ffe.toml"
    path.write_text(block, encoding="utf-8")
    assert load_config(path).camera.id == "day-room"


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(
        r"`((?:train|ffe_edge)/[\w/.-]+\.(?:md|py|toml))`", README
    )
    assert [link for link in links if not (ROOT / link).exists()] == []
