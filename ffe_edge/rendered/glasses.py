"""Spectacles in front of the lit face."""

from __future__ import annotations

import numpy as np

from ffe_edge.rendered.canvas import Canvas, mirrored, smooth
from ffe_edge.rendered.head import eye_x
from ffe_edge.rendered.people import Person
from ffe_edge.types import FloatArray

_RIMS: dict[int, tuple[float, tuple[float, float, float]]] = {
    1: (0.9, (0.30, 0.34, 0.38)),
    2: (1.9, (0.02, 0.02, 0.02)),
    3: (1.7, (0.03, 0.06, 0.14)),
}
"""Thickness in millimetres and linear BGR of every kind of rim."""


def glasses(person: Person, canvas: Canvas) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Opacity of the rims (H, W), their colour (3,), and shadow and glare of the lenses (H, W), about 1."""
    thick, colour = _RIMS[person.glasses]
    fine = Canvas(canvas.size_px * 2)
    rims, lenses = fine.blank(), fine.blank()
    middle = eye_x(person) + 1.0
    turn = np.linspace(0, 2 * np.pi, 40, dtype=np.float32)
    squash = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.8
    lens = np.stack([middle + 23.0 * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.75, 3.0 + 17.0 * squash], 1)
    arm = smooth([(middle + 22.5, -3.0), (62.0, -4.0), (70.0, -2.0)])
    for curve in (lens.astype(np.float32), arm):
        fine.stroke(rims, curve, 255, thick)
        fine.stroke(rims, mirrored(curve), 255, thick)
    fine.fill(lenses, lens.astype(np.float32))
    fine.fill(lenses, mirrored(lens.astype(np.float32)))
    fine.stroke(rims, smooth([(-middle + 23, 0), (0, -4.5), (middle - 23, 0)]), 255, thick)
    cover = _half(rims, canvas)
    glass = _half(lenses, canvas)
    shade = 1.0 - 0.25 * canvas.blur(np.roll(cover, round(2.5 * canvas.scale), 0), 1.2) - 0.06 * glass
    return cover, np.asarray(colour, np.float32), np.asarray(shade, np.float32)


def _half(layer: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], canvas: Canvas) -> FloatArray:
    size = canvas.size_px
    return np.asarray(layer.reshape(size, 2, size, 2).mean((1, 3), dtype=np.float32) / 255.0, np.float32)
