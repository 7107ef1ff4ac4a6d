"""What docs/install.md tells somebody to type can be typed; as root it is, on a clean machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer.main

from ffe_edge.cli import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TEXT = (DOCS / "install.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = sorted(
    set(re.findall(r"(?m)^(?:sudo )?ffe-edge(?:-node)? ((?:(?:models|provision|resident) )?[a-z]+)", TEXT))
)


def steps() -> str:
    """The blocks that a test can run, with a camera that it has; `sudo` is one that root needs not."""
    lines = "".join(text for language, text in BLOCKS if language == "sh")
    return lines.replace("sudo ", "").replace("/dev/video0", "demo:")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command: str) -> None:
    found = typer.main.get_command(app)
    for word in command.split():
        found = found.commands[word]  # type: ignore[attr-defined]
    assert found.name == command.rsplit(maxsplit=1)[-1]


def test_every_block_is_either_run_or_marked() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "text"}


def test_every_linked_file_exists() -> None:
    names = re.findall(r"\]\(([^)#:]+)(?:#[a-z-]+)?\)", TEXT)
    assert [name for name in names if not (DOCS / name).exists()] == []


def test_every_file_of_this_repository_that_is_named_exists() -> None:
    named = re.findall(r"`(?:sudo )?(deploy/[\w/.-]+)", TEXT)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_make_target_exists() -> None:
    for target in set(re.findall(r"(?m)(?:^|`)make ([a-z-]+)", TEXT)):
        assert subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.mark.deploy
@pytest.mark.timeout(4000)
def test_the_guide_leads_to_events_that_arrive(tmp_path: Path) -> None:
    from deploy.guide import walked

    seen = walked(steps(), tmp_path)
    assert seen["failed"] == "", seen["log"][-3000:]
    assert "broker connected" in seen["status"]
    assert "one-time password" in seen["log"]
    assert int(seen["events in the dashboard"]) > 0, seen["log"][-3000:]
    assert seen["bundles left"] == ""
