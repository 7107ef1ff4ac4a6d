"""Millimetres of the face on pixels of a square picture, and the marks one draws there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from ffe_edge.types import FloatArray, ImageArray

SPAN_MM = 280.0
LEFT_MM = -140.0
TOP_MM = -125.0
_SHIFT = 4

Points: TypeAlias = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Canvas:
    """A square picture of the head plane."""

    size_px: int
    """Width and height."""

    @property
    def scale(self) -> float:
        """Pixels per millimetre."""
        return self.size_px / SPAN_MM

    @property
    def x(self) -> FloatArray:
        """(1, W) float32 millimetres of the pixel centres."""
        return (((np.arange(self.size_px) + 0.5) / self.scale + LEFT_MM)[None]).astype(np.float32)

    @property
    def y(self) -> FloatArray:
        """(H, 1) float32 millimetres of the pixel centres."""
        return (((np.arange(self.size_px) + 0.5) / self.scale + TOP_MM)[:, None]).astype(np.float32)

    def to_px(self, points: FloatArray) -> FloatArray:
        """Points (..., 2) in millimetres as pixel coordinates, the centre of the first pixel being 0."""
        origin = np.array([LEFT_MM, TOP_MM], np.float32)
        return ((points - origin) * self.scale - 0.5).astype(np.float32)

    def blank(self) -> ImageArray:
        """(H, W) uint8 zeros to draw on."""
        return np.zeros((self.size_px, self.size_px), np.uint8)

    def fill(self, layer: ImageArray, outline: FloatArray, value: int = 255) -> None:
        """Fill a closed outline (P, 2) in millimetres."""
        cv2.fillPoly(layer, [_fixed(self.to_px(outline))], (value,), cv2.LINE_AA, _SHIFT)

    def stroke(self, layer: ImageArray, curve: FloatArray, value: int, width_mm: float) -> None:
        """Draw an open curve (P, 2) in millimetres."""
        thickness = max(1, round(width_mm * self.scale))
        cv2.polylines(layer, [_fixed(self.to_px(curve))], False, (value,), thickness, cv2.LINE_AA, _SHIFT)

    def blur(self, layer: FloatArray, sigma_mm: float) -> FloatArray:
        """Gaussian blur with the width in millimetres."""
        return np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma_mm * self.scale), np.float32)

    def bump(self, x: float, y: float, width: float, height: float) -> FloatArray:
        """(H, W) float32 Gaussian of peak 1 at (x, y)."""
        across = np.exp(-0.5 * ((self.x - x) / width) ** 2)
        down = np.exp(-0.5 * ((self.y - y) / height) ** 2)
        return np.asarray(down * across, np.float32)

    def pair(self, x: float, y: float, width: float, height: float) -> FloatArray:
        """The same bump on both halves of the face."""
        return self.bump(x, y, width, height) + self.bump(-x, y, width, height)


@dataclass(frozen=True, slots=True)
class Patch:
    """A supersampled window of a canvas."""

    rows: slice
    columns: slice
    x: FloatArray
    """(1, w) float32 millimetres of the subpixels."""
    y: FloatArray
    """(h, 1) float32 millimetres of the subpixels."""
    factor: int

    def shrink(self, layer: FloatArray) -> FloatArray:
        """Average the subpixels of a (h, w) or (h, w, C) layer."""
        size = (self.columns.stop - self.columns.start, self.rows.stop - self.rows.start)
        return np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.float32)


def patch(canvas: Canvas, x: tuple[float, float], y: tuple[float, float], factor: int) -> Patch:
    """Window from ``x[0]`` to ``x[1]`` and ``y[0]`` to ``y[1]``, in millimetres, cut at the canvas."""
    columns = _span(x, LEFT_MM, canvas)
    rows = _span(y, TOP_MM, canvas)
    return Patch(
        rows, columns, _sub(columns, LEFT_MM, canvas, factor)[None], _sub(rows, TOP_MM, canvas, factor)[:, None], factor
    )


def smooth(points: Points, count: int = 12) -> FloatArray:
    """Catmull-Rom curve through open points, (P, 2) float32."""
    known = np.asarray(points, np.float32)
    known = np.concatenate([known[:1], known, known[-1:]])
    t = np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)[:, None]
    pieces = [_piece(known[i : i + 4], t) for i in range(len(known) - 3)]
    return np.concatenate([*pieces, known[-1:]]).astype(np.float32)


def mirrored(curve: FloatArray) -> FloatArray:
    """The curve (P, 2) on the other half of the face."""
    return curve * np.array([-1.0, 1.0], np.float32)


def noise(rng: np.random.Generator, size_px: int, cells: int) -> FloatArray:
    """Smooth (H, W) float32 noise of about unit strength with ``cells`` cells across."""
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_CUBIC), np.float32)


def _piece(p: FloatArray, t: FloatArray) -> FloatArray:
    slope = 2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]
    bend = 3 * (p[1] - p[2]) + p[3] - p[0]
    return np.asarray(0.5 * (2 * p[1] + (p[2] - p[0]) * t + slope * t**2 + bend * t**3), np.float32)


def _fixed(points: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.asarray(np.round(points * (1 << _SHIFT)), np.int32)


def _span(limits: tuple[float, float], origin: float, canvas: Canvas) -> slice:
    low, high = ((limit - origin) * canvas.scale for limit in limits)
    return slice(max(0, int(np.floor(low))), min(canvas.size_px, int(np.ceil(high))))


def _sub(span: slice, origin: float, canvas: Canvas, factor: int) -> FloatArray:
    index = np.arange(span.start * factor, span.stop * factor)
    return ((index + 0.5) / (factor * canvas.scale) + origin).astype(np.float32)
