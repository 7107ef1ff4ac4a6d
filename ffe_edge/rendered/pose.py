"""Turning the head: parallax by the depth map, as an inverse map for ``cv2.remap``."""

from __future__ import annotations

import cv2
import numpy as np

from ffe_edge.rendered.canvas import LEFT_MM, TOP_MM, Canvas
from ffe_edge.types import FloatArray

_PIVOT = np.array([0.0, 60.0, -15.0], np.float32)
"""Where the neck carries the head, millimetres."""
_STEPS = 4


def rotation(yaw_degrees: float, pitch_degrees: float, roll_degrees: float) -> FloatArray:
    """(3, 3) float32. Yaw > 0 turns to the image's right, pitch > 0 bows, roll > 0 tilts clockwise."""
    yaw, pitch, roll = np.radians([yaw_degrees, pitch_degrees, roll_degrees])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray(tilt @ nod @ turn, np.float32)


def posed(
    points: FloatArray, depth: FloatArray, turn: FloatArray, shift: tuple[float, float], canvas: Canvas
) -> FloatArray:
    """Where points (P, 2) of the head plane are seen, millimetres."""
    at = np.clip(np.round(canvas.to_px(points)), 0, canvas.size_px - 1).astype(np.intp)
    height = depth[at[:, 1], at[:, 0]]
    space = np.concatenate([points, height[:, None]], 1) - _PIVOT
    return np.asarray((space @ turn.T + _PIVOT)[:, :2] + np.asarray(shift, np.float32), np.float32)


def source_map(depth: FloatArray, turn: FloatArray, shift: tuple[float, float], canvas: Canvas) -> FloatArray:
    """(H, W, 2) float32 pixel of the head plane that is seen at every pixel.

    Solves u = M (x, y) + r depth(x, y) for (x, y) by fixed-point iteration at half the resolution; the depth map is
    smooth enough for it to contract up to 30 degrees.
    """
    size = canvas.size_px // 2
    scale = canvas.scale * size / canvas.size_px
    small = cv2.resize(depth, (size, size), interpolation=cv2.INTER_AREA)
    steps = (np.arange(size, dtype=np.float32) + 0.5) / np.float32(scale)
    u = np.broadcast_to(steps + np.float32(LEFT_MM - shift[0] - _PIVOT[0]), (size, size))
    v = np.broadcast_to((steps + np.float32(TOP_MM - shift[1] - _PIVOT[1]))[:, None], (size, size))
    back = np.linalg.inv(turn[:2, :2]).astype(np.float32)
    lean = back @ turn[:2, 2]
    flat = (back[0, 0] * u + back[0, 1] * v + _PIVOT[0], back[1, 0] * u + back[1, 1] * v + _PIVOT[1])
    x, y = flat
    for _ in range(_STEPS):
        columns, rows = (x - LEFT_MM) * scale - 0.5, (y - TOP_MM) * scale - 0.5
        height = cv2.remap(small, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) - _PIVOT[2]
        x, y = flat[0] - lean[0] * height, flat[1] - lean[1] * height
    stacked = np.stack([x, y], -1)
    full = cv2.resize(stacked, (canvas.size_px, canvas.size_px), interpolation=cv2.INTER_LINEAR)
    return canvas.to_px(np.asarray(full, np.float32))
