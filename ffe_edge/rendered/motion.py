"""Where the action units push the skin: displacement fields over the head plane."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ffe_edge.rendered.canvas import Canvas
from ffe_edge.rendered.units import UNITS, unit_index
from ffe_edge.types import FloatArray

_PUSHES: tuple[tuple[int, float, float, float, float, float, float], ...] = (
    # unit, centre x, y, width x, y, displacement x (outwards), y (down); all in millimetres, for x >= 0
    (1, 12, -24, 11, 14, 0.0, -8.0),
    (1, 10, -45, 18, 12, 0.0, -3.0),
    (2, 42, -24, 15, 15, 0.0, -8.5),
    (2, 26, -26, 12, 14, 0.0, -4.5),
    (2, 34, -46, 18, 12, 0.0, -3.0),
    (4, 12, -18, 12, 13, -5.2, 8.0),
    (4, 36, -18, 15, 12, -1.5, 4.0),
    (5, 31, -10, 14, 5, 0.0, -1.5),
    (6, 42, 26, 18, 13, 0.0, -5.0),
    (6, 40, -20, 12, 8, 0.0, 1.5),
    (7, 31, 10, 14, 5, 0.0, -1.5),
    (9, 9, 30, 9, 12, 0.5, -4.5),
    (9, 14, 44, 8, 7, 1.5, -4.0),
    (9, 11, -16, 11, 11, -1.5, 4.5),
    (10, 15, 54, 12, 9, 1.0, -5.0),
    (10, 32, 40, 14, 14, 0.0, -2.5),
    (12, 36, 62, 15, 15, 6.0, -7.0),
    (12, 42, 38, 18, 14, 1.0, -4.0),
    (12, 14, 42, 8, 7, 1.5, 0.0),
    (15, 28, 82, 11, 11, 0.5, 6.0),
    (17, 0, 100, 18, 12, 0.0, -5.0),
    (20, 36, 74, 15, 14, 6.0, 1.5),
    (20, 30, 106, 20, 16, 2.0, 2.0),
    (23, 24, 70, 10, 10, -2.0, 0.0),
    (26, 0, 118, 54, 27, 0.0, 20.0),
    (26, 58, 92, 18, 26, -3.0, 4.0),
)
_CELLS = 48


@lru_cache(maxsize=4)
def _fields(size_px: int) -> FloatArray:
    """(A, 2, h, w, 2) float32 displacement in millimetres of every unit at strength 1, by half of the face."""
    canvas = Canvas(size_px)
    fields = np.zeros((len(UNITS), 2, size_px, size_px, 2), np.float32)
    for number, x, y, width, height, outwards, down in _PUSHES:
        halves = (canvas.bump(-x, y, width, height), canvas.bump(x, y, width, height))
        for half, (bump, sign) in enumerate(zip(halves, (-1.0, 1.0), strict=True)):
            share = 0.5 if x == 0 else 1.0
            fields[unit_index(number), half, ..., 0] += share * sign * outwards * bump
            fields[unit_index(number), half, ..., 1] += share * down * bump
    return fields


def displacement(units: FloatArray, asymmetry: float, canvas: Canvas) -> FloatArray:
    """(H, W, 2) float32 pixels by which the skin seen at a place was moved there."""
    halves = np.array([1.0 - 0.12 * asymmetry, 1.0 + 0.12 * asymmetry], np.float32)
    weights = (units[:, None] * halves).reshape(-1)
    fields = _fields(_CELLS)
    coarse = np.tensordot(weights, fields.reshape(len(weights), -1), 1).reshape(_CELLS, _CELLS, 2)
    size = (canvas.size_px, canvas.size_px)
    return np.asarray(cv2.resize(coarse * canvas.scale, size, interpolation=cv2.INTER_LINEAR), np.float32)


def moved(point: tuple[float, float], units: FloatArray, asymmetry: float) -> tuple[float, float]:
    """Where the skin point (x, y), in millimetres, goes."""
    canvas = Canvas(_CELLS)
    push = displacement(units, asymmetry, canvas) / canvas.scale
    column, row = canvas.to_px(np.array(point, np.float32))
    shift = push[round(float(row)), round(float(column))]
    return (point[0] + float(shift[0]), point[1] + float(shift[1]))
