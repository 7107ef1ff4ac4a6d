"""robustness.png: what each condition looks like, and how often the model is right under it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ffe_edge.align import CROP_PX, align
from ffe_edge.types import ImageArray
from ffe_train.figures import BLUE, FAINT, GREY, INK, ORANGE, png
from ffe_train.robust_conditions import Condition, Detectors, conditions, shot_of
from ffe_train.robust_faces import FaceSet

Row = Mapping[str, Any]

BLOCKS: Final = (("london", "lfw", "ferplus", "rendered"), ("london-pictures", "rendered-people"))
"""Sets of aligned crops, and of pictures in which the face is found (again): conditions differ between the two."""
TITLES: Final = {
    "london": "London", "lfw": "LFW", "ferplus": "FER+", "rendered": "rendered",
    "london-pictures": "London, pictures", "rendered-people": "rendered, pictures",
}  # fmt: skip
GAP_PX: Final = 6
EXAMPLES: Final = 4
"""Faces of a row."""
ROW_INCHES: Final = 0.47
LEGEND: Final = "dashed: the same faces untouched; orange: below that beyond chance (paired, 95 %)"
CREDIT: Final = (
    "Faces shown: rendered people; where there are photographs, Face Research Lab London Set "
    "(DeBruine and Jones 2017, doi:10.6084/m9.figshare.5047666.v5, CC BY 4.0)."
)


@dataclass(frozen=True, slots=True)
class Block:
    """Conditions that are asked of the same sets."""

    sets: tuple[str, ...]
    conditions: tuple[tuple[str, str], ...]
    """(name, strength), the untouched faces first."""


def robustness_figure(
    rows: Sequence[Row], sets: Sequence[FaceSet], detectors: Detectors, *, seed: int, model: str, other: str | None
) -> bytes:
    """PNG of ``measure``'s rows.

    Args:
        rows: of ``measure``.
        sets: that were measured; faces of those that may be shown stand beside each condition.
        detectors: those of ``measure``.
        seed: that of ``measure``, so that the faces shown are pictures that were measured.
        model: its name.
        other: name of the other model where the rows have ``against``.
    """
    blocks = blocks_of(rows, [(one.name, one.strength) for one in conditions(detectors)])
    heights = [len(block.conditions) for block in blocks]
    wide = max(len(block.sets) for block in blocks)

    def draw(figure: Any) -> None:
        grid = figure.add_gridspec(len(blocks), 1 + wide, height_ratios=heights, width_ratios=[1.0, *[1] * wide])
        for place, block in enumerate(blocks):
            _faces(figure.add_subplot(grid[place, 0]), block, examples(block, sets, detectors, seed))
            for column, name in enumerate(block.sets):
                _panel(figure.add_subplot(grid[place, 1 + column]), block, name, rows)
        beside = f", grey and hollow: {other}" if other else ""
        title = f"{model}: accuracy with 95 % interval over people{beside}\n"
        figure.suptitle(title + LEGEND, x=0.01, ha="left", fontsize=11)
        figure.supxlabel(CREDIT, x=0.01, ha="left", fontsize=8, color=GREY)

    return _with_palette(png(draw, 3.0 + 2.5 * wide, 1.2 + ROW_INCHES * sum(heights) + 0.6 * len(blocks), dpi=100))


def _with_palette(picture: bytes) -> bytes:
    """The same PNG with 256 colours, in a third of the bytes."""
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib, which only pictures need

    file = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(file, format="png", optimize=True)
    return file.getvalue()


def blocks_of(rows: Sequence[Row], order: Sequence[tuple[str, str]]) -> list[Block]:
    """What is drawn together; conditions in this order."""
    found = []
    for names in BLOCKS:
        present = tuple(name for name in names if any(row["set"] == name for row in rows))
        asked = {(row["name"], row["strength"]) for row in rows if row["set"] in present}
        if present:
            found.append(Block(present, tuple(one for one in order if one in asked)))
    return found


def examples(block: Block, sets: Sequence[FaceSet], detectors: Detectors, seed: int) -> ImageArray:
    """A row for each condition with up to four aligned crops of faces that may be shown, (C * S, 4 * S, 3) BGR.

    White is a face that was not found, or a condition that cannot be asked of that set.
    """
    shown = [faces for faces in sets if faces.is_shown and faces.name in block.sets]
    chosen = [(faces, number) for faces in shown for number in _varied(faces, EXAMPLES // len(shown))]
    every = {(one.name, one.strength): one for one in conditions(detectors)}
    lines = []
    for asked in block.conditions:
        crops = [_crop(faces, number, every[asked], detectors, seed) for faces, number in chosen]
        lines.append(np.concatenate([_framed(crop) for crop in crops], axis=1) if crops else _nothing())
    return np.concatenate(lines)


def _varied(faces: FaceSet, most: int) -> list[int]:
    """Numbers of faces, as many expressions and people as can be had."""
    order = np.random.default_rng(len(faces)).permutation(len(faces)).tolist()
    chosen: list[int] = []
    while order and len(chosen) < most:
        told = [[ids[number] for number in chosen] for ids in (faces.truth, faces.person)]
        best = min(order, key=lambda number: (faces.truth[number] in told[0]) + (faces.person[number] in told[1]))
        order.remove(best)
        chosen.append(best)
    return chosen


def _crop(faces: FaceSet, number: int, condition: Condition, detectors: Detectors, seed: int) -> ImageArray | None:
    if not set(condition.on) & set(faces.kinds):
        return None
    shot = shot_of(faces, number, condition, detectors, seed)
    return align(shot.image, shot.faces)[0] if len(shot.faces) else None


def _framed(crop: ImageArray | None) -> ImageArray:
    """The crop, or nothing, with a white frame."""
    framed = np.full((CROP_PX + GAP_PX, CROP_PX + GAP_PX, 3), 255, np.uint8)
    if crop is not None:
        framed[GAP_PX // 2 :, GAP_PX // 2 :][:CROP_PX, :CROP_PX] = crop
    return framed


def _nothing() -> ImageArray:
    return np.full((CROP_PX + GAP_PX, CROP_PX, 3), 255, np.uint8)


def _faces(axes: Any, block: Block, picture: ImageArray) -> None:
    """The examples, one row to a row of the figures beside them, with the conditions' names."""
    count = len(block.conditions)
    wide = picture.shape[1] / (CROP_PX + GAP_PX)
    axes.imshow(picture[..., ::-1], extent=(0, wide, count - 0.5, -0.5), aspect="auto", interpolation="antialiased")
    axes.set_ylim(count - 0.5, -0.5)
    names = [f"{name}  {strength}".rstrip() for name, strength in block.conditions]
    axes.set_yticks(range(count), names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _panel(axes: Any, block: Block, name: str, rows: Sequence[Row]) -> None:
    """One set's accuracy under each condition."""
    mine = {(row["name"], row["strength"]): row for row in rows if row["set"] == name}
    clean = mine[block.conditions[0]]
    axes.axvline(clean["accuracy"], color=GREY, linestyle="--", linewidth=1)
    for place, asked in enumerate(block.conditions):
        axes.axhline(place, color=FAINT, linewidth=0.6, zorder=0)
        if asked in mine and mine[asked]["accuracy"] is not None:
            _point(axes, place, mine[asked])
    axes.set_ylim(len(block.conditions) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.grid(axis="x", color=FAINT)
    axes.spines["left"].set_visible(False)
    people = f"{clean['n']} faces, {clean['people']} people"
    axes.set_title(f"{TITLES[name]}\n", loc="left")
    axes.text(0, 1.004, people, transform=axes.transAxes, fontsize=8.5, color=GREY, va="bottom")


def _point(axes: Any, place: int, row: Row) -> None:
    """One figure, orange where the loss is beyond chance; with the share of faces found where some were not."""
    is_loss = row["difference_high"] < 0
    colour = ORANGE if is_loss else BLUE
    if "against" in row:
        _whisker(axes, place + 0.24, row["against"], GREY, "white")
    _whisker(axes, place, row, colour, colour)
    found = f" ({100 * row['found']:.3g} % found)" if row["found"] < 1 else ""
    at, side = (row["low"] - 0.03, "right") if row["low"] > 0.5 else (row["high"] + 0.03, "left")
    text = axes.text(at, place, f"{row['accuracy']:.2f}{found}", va="center", ha=side, fontsize=8.5, color=INK)
    text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    text.set_in_layout(False)


def _whisker(axes: Any, place: float, row: Row, colour: str, fill: str) -> None:
    reach = [[max(0.0, row["accuracy"] - row["low"])], [max(0.0, row["high"] - row["accuracy"])]]
    axes.errorbar(
        [row["accuracy"]], [place], xerr=reach, fmt="o", color=colour, markerfacecolor=fill, capsize=2, markersize=5,
        clip_on=False,
    )  # fmt: skip
