"""Commands of the guides that need neither broker nor camera nor database."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from deploy.guide_blocks import ALONE, Block, blocks, commands_of
from deploy.guide_desk import Desk
from e2e.mosquitto import require_mosquitto

INSTEAD = {
    "--seconds 60 --no-browser": "--seconds 40 --no-browser --port 0",
    "timeout 20 ": "timeout 40 ",
    "ffe-edge models fetch ": "ffe-edge models fetch yunet --from yunet_n_640_640.onnx ",
}
SAID = {
    "ffe-edge demo": "http://127.0.0.1:",
    "ffe-edge --help": "Usage: ffe-edge run",
    "ffe-edge config check": "in order",
    "timeout": '"jp.ffe.emotion.v1"',
    "ffe-edge --version": '"status": "ok"',
    "openssl": "",
    "ffe-edge models list": "yunet",
}
"""By the beginning of a block: what it must say."""


def settings(folder: Path) -> None:
    (block,) = [each for each in blocks("cameras.md") if each.language == "toml"]
    (folder / "ffe.toml").write_text(block.text.replace("/dev/video0", "demo:"), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", [pytest.param(each, id=f"{each.page}:{each.line}") for each in commands_of(ALONE)])
def test_what_needs_nothing_else_is_typed(block: Block, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if "demo" in block.text:
        require_mosquitto()
    desk = Desk(tmp_path)
    settings(tmp_path)
    if "fetch" in block.text:
        shared: Path = request.getfixturevalue("shared")
        shutil.copy(shared / "detector_yunet" / "yunet_n_640_640.onnx", tmp_path)
    said = desk.type_in(block.text, INSTEAD)
    assert next(words for begin, words in SAID.items() if block.text.startswith(begin)) in said


def test_the_secret_of_the_webhook_is_long_enough(tmp_path: Path) -> None:
    (block,) = [each for each in commands_of(ALONE, "dashboard.md") if each.text.startswith("openssl")]
    Desk(tmp_path).type_in(block.text)
    assert len((tmp_path / "etc" / "ffe-edge" / "credentials" / "webhook.secret").read_text().strip()) == 64
