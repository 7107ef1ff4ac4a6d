"""Every command of every guide is typed by a test or says what it needs; what the guides name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer.main
from deploy.guide_blocks import DOCS, RUN_BY, Block, blocks, pages

from ffe_edge.cli import app
from ffe_edge.config import load_config

ROOT = DOCS.parent
OURS = (
    "index.md", "cameras.md", "training.md", "consent.md", "troubleshooting.md", "operations.md", "home-assistant.md",
    "grafana.md",
)  # fmt: skip
OTHERS = {"--address", "--command", "--create", "--directory", "--disk-usage", "--dbname", "--fail", "--file", "--gzip",
          "--human-readable", "--lines", "--list", "--list-devices", "--namespace", "--no-pager", "--now", "--property",
          "--quiet", "--set", "--silent", "--summarize", "--vacuum-size"}  # fmt: skip
"""Options of programs that are not ours."""


def unanswered(page: str, text: str | None = None) -> list[str]:
    found = [block for block in blocks(page, text) if block.is_commands]
    return [f"{page}:{block.line}: {block.text}" for block in found if not (block.test or block.is_marked)]


@pytest.mark.parametrize("page", pages())
def test_every_command_is_typed_by_a_test_or_marked(page: str) -> None:
    assert unanswered(page) == [], (
        "give it to a test in tests/deploy/guide_blocks.py, or put a line before it: <!-- needs hardware: … -->"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("```sh\nrm -rf /\n```\n", id="fence"),
        pytest.param("```bash\nffe-edge engine info x\n```\n", id="bash"),
        pytest.param("```\nffe-edge engine info x\n```\n", id="no language"),
        pytest.param("Like this:\n\n    ffe-edge engine info x\n\n", id="indented"),
        pytest.param("  ```sh\n  ffe-edge engine info x\n  ```\n", id="in a list"),
        pytest.param("<!-- needs hardware: -->\n```sh\nffe-edge engine info x\n```\n", id="a mark that says nothing"),
        pytest.param("```text\nsudo apt-get install x\n```\n", id="as text, and nothing says why"),
    ],
)
def test_a_new_command_without_test_or_mark_is_found(text: str) -> None:
    assert len(unanswered("grafana.md", text)) == 1


def test_a_page_whose_blocks_a_test_takes_by_itself_has_them_in_the_language_that_it_takes() -> None:
    assert unanswered("install.md", "```sh\nls\n```\n") == []
    assert len(unanswered("install.md", "```bash\nls\n```\n")) == 1


def test_a_mark_is_taken() -> None:
    assert unanswered("new.md", "<!-- needs hardware: a Jetson -->\n```sh\nffe-edge engine info x\n```\n") == []


@pytest.mark.parametrize("test", sorted({test for page in RUN_BY.values() for test in page.values()}))
def test_every_named_test_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("page", "begin"), [(page, begin) for page, each in RUN_BY.items() for begin in each])
def test_nothing_is_listed_that_no_page_has(page: str, begin: str) -> None:
    assert any(block.fits(begin) for block in blocks(page) if block.is_commands)


def options_of_the_program() -> set[str]:
    taken, left = {"--help", "--show-completion", "--install-completion"}, [typer.main.get_command(app)]
    while left:
        command = left.pop()
        taken |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        left += getattr(command, "commands", {}).values()
    return taken


@pytest.mark.parametrize("page", OURS)
def test_every_option_is_taken_by_a_command(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", re.sub(r"<!--|-->", "", text)))
    assert sorted(named - options_of_the_program() - OTHERS) == []


@pytest.mark.parametrize("page", OURS)
def test_every_file_of_this_repository_that_is_named_exists(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    named = re.findall(r"`?((?:train|ffe_edge|deploy|tests)/[\w/.-]+\.(?:md|toml|json|py|onnx))", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_settings_of_the_cameras_are_valid(tmp_path: Path) -> None:
    (block,) = [each for each in blocks("cameras.md") if each.language == "toml"]
    (tmp_path / "ffe.toml").write_text(block.text, encoding="utf-8")
    assert [camera.id for camera in load_config(tmp_path / "ffe.toml").cameras] == ["day-room", "room-101"]


def test_blocks_are_found_with_their_lines() -> None:
    found = blocks("new.md", "a\n\n    make x\n    make y\n\n<!-- needs hardware: a Jetson -->\n```sh\nls\n```\n")
    assert found == [
        Block("new.md", 3, "indented", "make x\nmake y", ""),
        Block("new.md", 7, "sh", "ls", "<!-- needs hardware: a Jetson -->"),
    ]
