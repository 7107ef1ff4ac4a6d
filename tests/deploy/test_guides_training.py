"""Training as docs/training.md and docs/models.md say it, with rendered people in the place of residents."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import cv2
import pytest
from deploy.guide_blocks import TRAINING, blocks, commands_of
from deploy.guide_desk import Desk
from e2e.program import write_rendered_clip

from ffe_edge.rendered.timeline import demo_timeline

PEOPLE = {
    "train": ("anna", "bert", "chiyo", "daigo", "emi", "fumio"),
    "val": ("goro",),
    "test": ("hana", "ichiro", "jun"),
}
SMALL = {'preset = "small"': 'preset = "tiny"', "epochs = 15": "epochs = 1\nbatch = 16"}
INSTEAD = {
    "-o runs/shipped-on-mine": "-o runs/shipped-on-mine --resamples 100",
    "-o runs/ours-on-mine": "-o runs/ours-on-mine --resamples 100",
    "-o runs/gained": "-o runs/gained --resamples 100",
    "-o runs/ours-figures": "-o runs/ours-figures --resamples 100",
    "--source demo:": "--source clip.avi",
    "--source 0 ": "--source clip.avi ",
}


def write_pictures(folder: Path) -> None:
    """Of each person a picture every four seconds, in the folder of what they were told to show."""
    for seed, (split, name) in enumerate((split, name) for split, names in PEOPLE.items() for name in names):
        for number, frame in enumerate(itertools.islice(demo_timeline(seed, fps=0.25), 12)):
            home = folder / split / frame.emotion.value
            home.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(home / f"{name}_{number:02}.jpg"), frame.image)


@pytest.fixture
def desk(tmp_path: Path, shared: Path) -> Desk:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'ffe-edge[train]'")
    made = Desk(tmp_path)
    write_pictures(tmp_path / "faces" / "mine")
    (tmp_path / "models").mkdir()
    shutil.copy(shared / "detector_yunet" / "yunet_n_640_640.onnx", tmp_path / "models" / "yunet_n_640_640.onnx")
    write_rendered_clip(tmp_path / "clip.avi", seconds=6)
    (recipe,) = [each for each in blocks("training.md") if each.language == "toml"]
    text = recipe.text
    for said, here in SMALL.items():
        assert said in text
        text = text.replace(said, here)
    (tmp_path / "ours.toml").write_text(text, encoding="utf-8")
    return made


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", ["training.md", "models.md"])
def test_a_model_is_trained_exported_and_measured_as_the_pages_say(desk: Desk, page: str) -> None:
    said = "".join(desk.type_in(block.text, INSTEAD) for block in commands_of(TRAINING, page))
    assert (desk.root / "runs" / "sets" / "mine" / "refused.csv").is_file()
    assert (desk.root / "runs" / "ours" / "bundle.json").is_file()
    assert '"jp.ffe.' in said
    if page == "training.md":
        for name in ("shipped-on-mine", "ours-on-mine", "gained"):
            assert (desk.root / "runs" / name / "figures.json").is_file()
