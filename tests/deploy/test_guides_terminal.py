"""The manual page says what the commands say, and bash completes them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from deploy.guide_blocks import COMPLETION, ROOT, commands_of
from deploy.guide_desk import Desk

from ffe_edge.cli import app

PAGE = ROOT / "deploy" / "man" / "ffe-edge.1"
SHIPPED = ROOT / "deploy" / "completions" / "ffe-edge"
COMPLETE = """
source {file}
COMP_WORDS=({words}); COMP_CWORD={last}
"$(complete -p ffe-edge | sed -E 's/.* -F (\\S+) .*/\\1/')" ffe-edge
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def require(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")
    return found


def completed(desk: Desk, file: Path, words: str) -> set[str]:
    last = len(words.split()) - 1
    return set(desk.type_in(COMPLETE.format(file=file, words=words, last=last)).split())


def test_bash_completes_commands(tmp_path: Path) -> None:
    install, show = commands_of(COMPLETION, "index.md")
    desk = Desk(tmp_path)
    desk.type_in(install.text)
    desk.type_in(show.text)
    of_user = tmp_path / "home" / ".bash_completions" / "ffe-edge.sh"
    of_all = tmp_path / "usr" / "share" / "bash-completion" / "completions" / "ffe-edge"
    assert of_user.name in (tmp_path / "home" / ".bashrc").read_text()
    for file in (of_user, of_all, SHIPPED):
        assert completed(desk, file, "ffe-edge pro") == {"provision"}
    assert completed(desk, of_all, "ffe-edge run --br") == {"--broker"}
    assert {"node", "client", "revoke"} <= completed(desk, of_all, "ffe-edge provision ''")


def test_the_manual_page_is_what_the_commands_say_now() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/man.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_manual_page_has_every_command() -> None:
    left, found = [("ffe-edge", typer.main.get_command(app))], set[str]()
    while left:
        words, command = left.pop()
        inner = getattr(command, "commands", {})
        left += [(f"{words} {name}", each) for name, each in inner.items()]
        found |= set() if inner else {words}
    told = re.findall(r"^\.SS (.*)$", PAGE.read_text(encoding="ascii"), re.MULTILINE)
    assert sorted(each.replace("\\", "") for each in told) == sorted(found)


def test_the_manual_page_has_nothing_of_this_machine() -> None:
    text = PAGE.read_text(encoding="ascii")
    assert str(Path.home()) not in text.replace("~/", "")
    assert str(ROOT) not in text


def test_man_shows_it_without_a_warning() -> None:
    require("man", "man-db groff")
    done = subprocess.run(
        ["man", "--warnings", "-l", str(PAGE)],
        env={"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "ffe-edge provision node [OPTION...]  SITE NAME" in done.stdout


def test_mandoc_finds_nothing_but_that_it_has_no_date() -> None:
    mandoc = require("mandoc", "mandoc")
    done = subprocess.run([mandoc, "-Tlint", "-W", "warning", str(PAGE)], capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []
