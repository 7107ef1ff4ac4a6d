"""What a camera, a detector and a room do to a crop, done at random."""

from __future__ import annotations

import cv2
import numpy as np

from ffe_edge.align import CROP_PX
from ffe_edge.types import ImageArray


def augmented(crops: ImageArray, rng: np.random.Generator) -> ImageArray:
    """A changed copy of luminance crops (B, 112, 112) uint8."""
    return np.stack([_light(_resolution(_geometry(crop, rng), rng), rng) for crop in crops])


def _geometry(crop: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Landmark noise, a detector's looser or tighter box, tilt, mirror."""
    angle = rng.normal(0, 7)
    zoom = float(np.exp(rng.normal(0, 0.08)))
    matrix = np.asarray(cv2.getRotationMatrix2D((CROP_PX / 2, CROP_PX / 2), angle, zoom), np.float64)
    matrix[:, 2] += rng.normal(0, 4, 2)
    matrix[0, 1] += rng.normal(0, 0.05)
    if rng.random() < 0.5:
        matrix = matrix @ np.array([[-1, 0, CROP_PX - 1], [0, 1, 0], [0, 0, 1]])
    return np.asarray(cv2.warpAffine(crop, matrix, (CROP_PX, CROP_PX), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _resolution(crop: ImageArray, rng: np.random.Generator) -> ImageArray:
    """A far face (24 px and up), or one out of focus."""
    choice = rng.random()
    if choice < 0.2:
        side = int(rng.integers(24, 80))
        small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (CROP_PX, CROP_PX), interpolation=cv2.INTER_LINEAR), np.uint8)
    if choice < 0.3:
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 2.0)), np.uint8)
    return crop


def _light(crop: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Contrast, brightness, side light, noise; one in four gets a grey patch over a part of the face."""
    values = crop.astype(np.float32)
    values = (values - 127.5) * np.exp(rng.normal(0, 0.25)) + 127.5 + rng.normal(0, 20)
    if rng.random() < 0.3:
        ramp = np.linspace(-1, 1, CROP_PX, dtype=np.float32) * rng.normal(0, 30)
        values = values + (ramp[None, :] if rng.random() < 0.7 else ramp[:, None])
    if rng.random() < 0.3:
        values += rng.normal(0, rng.uniform(1, 8), values.shape)
    if rng.random() < 0.25:
        height, width = rng.integers(10, 40, 2)
        top, left = rng.integers(0, CROP_PX - height), rng.integers(0, CROP_PX - width)
        values[top : top + height, left : left + width] = rng.uniform(0, 255)
    return np.asarray(np.clip(values, 0, 255), np.uint8)
