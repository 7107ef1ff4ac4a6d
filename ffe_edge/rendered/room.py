"""Rooms behind people: walls, windows, curtains and furniture, out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from ffe_edge.types import FloatArray


def room(seed: int, width_px: int, height_px: int) -> FloatArray:
    """(H, W, 3) float32 linear BGR of a blurred room."""
    rng = np.random.default_rng(seed)
    wall = np.clip(rng.uniform(0.45, 0.85) + rng.normal(0.0, 0.025, 3), 0.2, 0.95)
    image = np.empty((height_px, width_px, 3), np.float32)
    image[:] = wall
    image *= np.linspace(1.05, 0.8, height_px, dtype=np.float32)[:, None, None]
    for _ in range(int(rng.integers(4, 9))):
        _thing(image, rng)
    _curtain(image, rng)
    blurred = cv2.GaussianBlur(image, (0, 0), width_px * rng.uniform(0.006, 0.02))
    light = np.linspace(rng.uniform(0.75, 1.1), rng.uniform(0.75, 1.1), width_px, dtype=np.float32)
    return np.asarray(np.clip(blurred * light[None, :, None], 0.0, 1.0) ** 2, np.float32)


def _thing(image: FloatArray, rng: np.random.Generator) -> None:
    """A picture, a cupboard or a window."""
    height, width = image.shape[:2]
    x, y = int(rng.uniform(-0.2, 1.0) * width), int(rng.uniform(-0.1, 0.9) * height)
    w, h = int(rng.uniform(0.1, 0.4) * width), int(rng.uniform(0.1, 0.5) * height)
    colour = np.clip(rng.uniform(0.25, 0.9) + rng.normal(0.0, 0.045, 3), 0.05, 0.98)
    cv2.rectangle(image, (x, y), (x + w, y + h), tuple(map(float, colour * 0.7)), -1)
    edge = max(2, width // 90)
    cv2.rectangle(image, (x + edge, y + edge), (x + w - edge, y + h - edge), tuple(map(float, colour)), -1)


def _curtain(image: FloatArray, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        return
    width = image.shape[1]
    start, span = int(rng.uniform(0.0, 0.7) * width), int(rng.uniform(0.15, 0.35) * width)
    x = np.arange(start, min(width, start + span))
    folds = 0.82 + 0.14 * np.sin(x * rng.uniform(25.0, 60.0) / width * np.pi)
    colour = np.clip(rng.uniform(0.5, 0.9) + rng.normal(0.0, 0.04, 3), 0.1, 0.98)
    image[:, x] = (folds[:, None] * colour).astype(np.float32)
