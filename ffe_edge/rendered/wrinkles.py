"""Folds and lines of the skin: grooves in the relief that age has dug and movement deepens."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from ffe_edge.rendered.canvas import Canvas, Points, mirrored, smooth
from ffe_edge.rendered.people import Person
from ffe_edge.rendered.units import UNITS, unit_index
from ffe_edge.types import FloatArray


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that appear together."""

    lines: tuple[Points, ...]
    """On one half of the face, millimetres."""
    width_mm: float
    depth_mm: float
    lasting: float
    """Depth at rest of an 85-year-old as a share of the full depth."""
    units: dict[int, float] = field(default_factory=dict)
    """What every action unit adds."""


_GROUPS: tuple[Group, ...] = (
    Group(
        (
            ((0, -36), (16, -38), (34, -37), (46, -31)),
            ((0, -45), (18, -47), (38, -45), (50, -38)),
            ((0, -54), (18, -56), (36, -54)),
            ((0, -62), (14, -63.5), (28, -62)),
        ),
        1.3,
        1.25,
        0.42,
        {1: 0.45, 2: 0.55},
    ),
    Group((((4.5, -7), (5.5, -15), (4.5, -25)), ((9, -18), (11, -24), (10.5, -30))), 1.3, 1.5, 0.22, {4: 0.95, 9: 0.3}),
    Group(
        (
            ((0, -7), (5, -6), (9, -3)),
            ((0, -1), (6, 0.5), (9.5, 3)),
            ((6, 8), (10, 15), (11, 22)),
            ((9.5, 6), (14, 12), (15.5, 19)),
        ),
        1.2,
        1.4,
        0.10,
        {9: 1.0, 4: 0.15},
    ),
    Group(
        (
            ((48, -5), (55, -9), (62, -16)),
            ((49, 0), (57, -1), (65, -4)),
            ((49, 5), (57, 7.5), (64, 9)),
            ((46, 10), (54, 14.5), (60, 19)),
        ),
        1.0,
        1.0,
        0.40,
        {6: 0.85, 12: 0.2, 7: 0.15},
    ),
    Group(
        (((19, 9.5), (25, 13.5), (34, 14.5), (44, 10.5)), ((20, 13), (27, 17.5), (36, 18.5), (47, 14))),
        1.1,
        0.9,
        0.40,
        {6: 0.75, 7: 0.45, 9: 0.3},
    ),
    Group((((19, 12), (24, 19.5), (34, 23), (44, 20)),), 2.0, 1.5, 0.55, {6: 0.25}),
    Group(
        (((17.5, 41), (23, 48), (30, 58), (35, 69), (36, 78)),), 2.1, 2.6, 0.48, {12: 0.85, 10: 0.55, 9: 0.6, 6: 0.15}
    ),
    Group((((29, 77), (32, 85), (33, 94), (32, 100)),), 1.8, 1.9, 0.50, {15: 0.75, 20: 0.35, 17: 0.15}),
    Group((((37, 62), (42, 72), (41, 82)), ((44, 58), (50, 70), (48.5, 84))), 1.6, 1.1, 0.16, {12: 0.75, 20: 0.5}),
    Group((((0, 86.5), (8, 87.5), (17, 91.5)),), 1.8, 1.6, 0.25, {17: 0.8, 15: 0.2}),
    Group(
        (
            ((4, 97), (7, 99)),
            ((9, 94), (11, 98)),
            ((3, 104), (6, 106)),
            ((10, 103), (12, 107)),
            ((15, 98), (16, 103)),
            ((1, 100.5), (3, 101)),
        ),
        1.7,
        1.2,
        0.05,
        {17: 0.95},
    ),
    Group(
        (
            ((4, 52), (4.5, 58)),
            ((9, 53), (10, 59)),
            ((14, 55), (15.5, 61)),
            ((20, 58), (21.5, 63)),
            ((7, 82), (8, 87)),
            ((14, 81), (16, 86)),
        ),
        0.9,
        0.6,
        0.60,
        {23: 0.5},
    ),
    Group((((45, 84), (43, 97), (35, 105)),), 2.6, 1.5, 0.55),
    Group(
        (((40, 40), (47, 52), (48, 66)), ((52, 42), (57, 55), (56, 72)), ((30, 30), (38, 38), (47, 42))),
        1.0,
        0.5,
        0.45,
        {12: 0.3, 6: 0.3},
    ),
)

_BULGES: tuple[tuple[float, float, float, float, float, dict[int, float]], ...] = (
    # x, y, width x, y, height, what raises it
    (40, 33, 13, 9, 3.2, {6: 0.6, 12: 0.6}),
    (31, 8.5, 11, 2.6, 1.5, {6: 0.5, 7: 0.6, 12: 0.2}),
    (9, -20, 7, 6, 2.2, {4: 0.9, 9: 0.4}),
    (13, 46, 6, 5, 1.6, {9: 0.6, 10: 0.5}),
    (0, 99, 14, 8, 2.4, {17: 0.9}),
    (33, 70, 7, 8, 1.8, {12: 0.5}),
    (34, 84, 7, 8, 1.8, {15: 0.7}),
)


def relief_maps(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """(G, H, W) float32 height in millimetres of every group of lines, then of every bulge, at full strength."""
    fine = Canvas(canvas.size_px * 2)
    lines = [_grooves(group, fine, canvas, rng) for group in _GROUPS]
    bulges = [top * (canvas.bump(0, y, w, h) if x == 0 else canvas.pair(x, y, w, h)) for x, y, w, h, top, _ in _BULGES]
    return np.stack([*lines, *bulges]).astype(np.float32)


def relief_weights(person: Person, units: FloatArray) -> FloatArray:
    """(G,) float32 strength of every map for the person and the action units (A,)."""
    old = person.oldness
    worn = np.array([group.lasting * old**1.5 * (1.0 + 0.22 * person.shape.wrinkles) for group in _GROUPS])
    dug = _matrix() @ units
    lines = 1.5 * worn + dug[: len(_GROUPS)] * (0.45 + 0.6 * old)
    return np.concatenate([np.clip(lines, 0.0, 1.9), dug[len(_GROUPS) :]]).astype(np.float32)


def _matrix() -> FloatArray:
    matrix = np.zeros((len(_GROUPS) + len(_BULGES), len(UNITS)), np.float32)
    drivers = [group.units for group in _GROUPS] + [bulge[-1] for bulge in _BULGES]
    for row, driver in enumerate(drivers):
        for number, strength in driver.items():
            matrix[row, unit_index(number)] = strength
    return matrix


def _grooves(group: Group, fine: Canvas, canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    layer = fine.blank()
    for line in group.lines:
        for side in (-1.0, 1.0):
            middle = line[0][0] == 0
            shaken = [
                (x + (0.0 if middle and i == 0 else rng.normal(0, 0.9)), y + rng.normal(0, 0.5 if middle else 0.9))
                for i, (x, y) in enumerate(line)
            ]
            curve = smooth(shaken, 8)
            _tapered(fine, layer, curve if side > 0 else mirrored(curve), group.width_mm, rng.uniform(0.7, 1.0), middle)
    raw = layer.astype(np.float32) / 255.0
    profile = 1.6 * fine.blur(raw, 0.55 * group.width_mm) - 0.9 * fine.blur(raw, 1.9 * group.width_mm)
    size = (canvas.size_px, canvas.size_px)
    return np.asarray(cv2.resize(profile, size, interpolation=cv2.INTER_AREA) * -group.depth_mm, np.float32)


def _tapered(
    canvas: Canvas,
    layer: FloatArray | np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    curve: FloatArray,
    width_mm: float,
    strength: float,
    from_middle: bool,
) -> None:
    """Draw a line that fades at its ends; a line from the middle of the face only at the outer one."""
    parts = len(curve) - 1
    for part in range(parts):
        t = (part + 0.5) / parts
        fade = np.cos(0.5 * np.pi * t) ** 0.6 if from_middle else np.sin(np.pi * t) ** 0.6
        canvas.stroke(layer.view(np.uint8), curve[part : part + 2], int(255 * strength * fade), width_mm)
