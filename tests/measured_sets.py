"""A model that names colours, and held-out sets of coloured crops: every answer can be told beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tiny_onnx import onnx_bytes

from ffe_edge.spec import ModelSpec
from ffe_train.manifest import Row
from ffe_train.prepared import write_prepared

LABELS = ("joy", "surprise", "neutral")
"""Told by a crop that is blue, green or red."""
SPEC = ModelSpec("channels", LABELS, data=("coloured crops (ours)",), recipe="{}", commit="abc")
SIDE = 112


def channels_model(path: Path, spec: ModelSpec = SPEC) -> Path:
    """The model's file: the softmax of the mean blue, green and red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(onnx_bytes(shape=("batch", spec.size_px, spec.size_px, 3), spec=spec.to_json()))
    return path


def face(row: Row, shown: str, grey: int = 100) -> tuple[Row, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """A crop of which the model says ``shown``, more than 0.98 sure; no two greys are the same picture."""
    crop = np.full((SIDE, SIDE, 3), grey, np.uint8)
    crop[..., LABELS.index(shown)] += 5
    return row, crop


def written(folder: Path, faces: Sequence[tuple[Row, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]]) -> Path:
    """A prepared set of them."""
    write_prepared(folder, folder.name, np.stack([crop for _, crop in faces]), [row for row, _ in faces])
    return folder


def lfw_like(folder: Path) -> Path:
    """20 people, neutral and joyful; the first ten are old, and neutral is read as joy of six of them."""
    faces = []
    for n in range(20):
        age = 70.0 if n < 10 else None
        for label in ("neutral", "joy"):
            row = Row(
                f"{n}-{label}.png", f"p{n}", label, split="test", source="lfw", age=age, sex="f" if n % 2 else "m"
            )
            faces.append(face(row, "joy" if n < 6 else label, 20 + n))
    return written(folder / "lfw", faces)


def london_like(folder: Path) -> Path:
    """Six people; the neutral picture of the first two is read as surprise."""
    faces = []
    for n in range(6):
        row = Row(f"{n}.png", f"p{n}", "neutral", split="test", source="london", age=30.0, sex="f")
        faces.append(face(row, "surprise" if n < 2 else "neutral", 60 + n))
    return written(folder / "london", faces)


def ferplus_like(folder: Path) -> Path:
    """FER+ as its paper counts it: nobody is named, one of eight shows contempt, one is learned, too."""
    shown = ["joy", "neutral", "surprise", "joy", "neutral", "surprise", "joy"]
    paper = [face(Row(f"{n}.png", str(n), x, split="test", source="ferplus-paper"), x, n) for n, x in enumerate(shown)]
    paper.append(face(Row("7.png", "7", "contempt", split="test", source="ferplus-paper"), "joy", 7))
    written(folder / "ferplus", [face(Row("0.png", "0", "joy", split="train", source="ferplus"), "joy", 0)])
    return written(folder / "ferplus-paper", paper)
