"""What docs/troubleshooting.md and docs/operations.md say the program says, it says."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import get_args

import pytest
from deploy.guide_blocks import DOCS, ROOT

from ffe_edge.config import Config
from ffe_edge.config_file import read_toml
from ffe_edge.doctor import checks
from ffe_edge.messages import CameraState

TEXT = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
TABLES = [section for section in TEXT.split("\n## ") if "\n| --- " in section]
SHOWN = {"What a carer sees on the dashboard", "The dashboard does not open"}
"""Sections whose words are those of the pages, not of the log."""
SETTINGS = {"secure_cookies = true", "enrolled_only"}
"""Quoted, and not said by the program."""


@lru_cache
def source() -> str:
    """All of the program, with strings that go on in the next line put together."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "ffe_edge").rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", text)


@lru_cache
def pages() -> str:
    words = read_toml(ROOT / "ffe_edge" / "dashboard" / "words.toml")
    return "\n".join(text for section in words.values() for both in section.values() for text in both)


def first_cells(section: str) -> list[str]:
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return [row.split(" | ")[0].removeprefix("| ") for row in rows[2:]]


def quoted() -> list[tuple[str, str]]:
    """Section, and words that its first column quotes."""
    return [
        (section.partition("\n")[0], words.strip("…"))
        for section in TABLES
        for cell in first_cells(section)
        for either in re.findall(r"`([^`]+)`|「([^」]+)」", cell)
        for words in either
        if words and words not in SETTINGS
    ]


@pytest.mark.parametrize(("section", "words"), [pytest.param(*each, id=each[1][:40]) for each in quoted()])
def test_the_program_says_so(section: str, words: str) -> None:
    assert words in (pages() if section in SHOWN else source())


def test_every_check_of_doctor_that_can_fail_has_a_line() -> None:
    harmless = {"Python", "OpenCV", "Haar cascade", "Expression model", "ONNX Runtime", "OpenVINO", "TensorRT",
                "TensorRT-RTX", "GPU", "GStreamer"}  # fmt: skip
    named = set(re.findall(r"^\| ([A-Z][\w ]*|pycuda): ", TEXT, re.MULTILINE))
    assert set(checks(Config())) - harmless == named


def test_every_state_of_a_camera_is_explained() -> None:
    text = (DOCS / "cameras.md").read_text(encoding="utf-8")
    section = text.partition("## When one is lost")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(get_args(CameraState))


def test_every_figure_that_is_watched_is_told() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([a-z_]+)", text.partition("## Figures")[2].partition("## Logs")[0], re.MULTILINE)
    assert len(named) > 5
    assert [name for name in named if f'"{name}"' not in source()] == []
