"""What may happen to an aligned colour crop while a network learns.

Source: Kim et al., AdaFace, CVPR 2022, section 4.1 and its published defaults (crop, low resolution, photometric);
Zhong et al., Random erasing data augmentation, AAAI 2020 (erase).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from ffe_edge.types import FloatArray, ImageArray
from ffe_train.recipes import Augment

SMALLEST_CROP: Final = 0.2
"""Share of the picture's area that a crop keeps, and of its side that a low resolution keeps, at least."""
PHOTOMETRIC: Final = 0.5
"""Brightness, contrast and saturation are multiplied by 0.5 to 1.5."""
INTERPOLATIONS: Final = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
LUMINANCE_BGR: Final[FloatArray] = np.array([0.114, 0.587, 0.299], np.float32)
"""Source: ITU-R BT.601."""
JITTER_DEGREES: Final = 4.0
JITTER_ZOOM: Final = 0.04
JITTER_PX: Final = 1.5
"""Standard deviations of what a detector's landmarks do to a crop of 112 px."""


def augmented(crops: ImageArray, augment: Augment, rng: np.random.Generator) -> ImageArray:
    """A changed copy of crops (B, H, W, 3) uint8 BGR; the same generator state gives the same copy."""
    return np.stack([_changed(crop, augment, rng) for crop in crops])


def _changed(crop: ImageArray, augment: Augment, rng: np.random.Generator) -> ImageArray:
    """Six chances a picture, in an order that keeps the detector's error before the camera's."""
    flip, jitter, cut, low, photometric, erase = rng.random(6).tolist()
    if flip < augment.flip:
        crop = np.asarray(cv2.flip(crop, 1), np.uint8)
    if jitter < augment.jitter:
        crop = jittered(crop, rng)
    if cut < augment.crop:
        crop = cropped_in_place(crop, rng)
    if low < augment.low_resolution:
        crop = at_low_resolution(crop, rng)
    if photometric < augment.photometric:
        crop = relit(crop, rng)
    if erase < augment.erase:
        crop = erased(crop, rng)
    return crop


def cropped_in_place(crop: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Keep a rectangle of 0.2 to 1 of the area where it is; black around it."""
    top, left, height, width = _rectangle(crop, rng, (SMALLEST_CROP, 1.0), (3 / 4, 4 / 3))
    kept = np.zeros_like(crop)
    kept[top : top + height, left : left + width] = crop[top : top + height, left : left + width]
    return kept


def at_low_resolution(crop: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Shrink to 0.2 to 1 of the side and enlarge again, each by an interpolation drawn at random."""
    height, width = crop.shape[:2]
    share = rng.uniform(SMALLEST_CROP, 1.0)
    down, up = rng.choice(INTERPOLATIONS, 2).tolist()
    small = cv2.resize(crop, (max(int(share * width), 1), max(int(share * height), 1)), interpolation=down)
    return np.asarray(cv2.resize(small, (width, height), interpolation=up), np.uint8)


def relit(crop: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Brightness, contrast (about the mean luminance) and saturation times 0.5 to 1.5 each, in any order."""
    factors = rng.uniform(1 - PHOTOMETRIC, 1 + PHOTOMETRIC, 3)
    for kind in rng.permutation(3).tolist():
        crop = (_bright, _contrasted, _saturated)[kind](crop, float(factors[kind]))
    return crop


def jittered(crop: ImageArray, rng: np.random.Generator) -> ImageArray:
    """A small turn, zoom and shift; the border is repeated, as ``ffe_edge.align`` does."""
    height, width = crop.shape[:2]
    zoom = float(np.exp(rng.normal(0, JITTER_ZOOM)))
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, rng.normal(0, JITTER_DEGREES), zoom), np.float64)
    matrix[:, 2] += rng.normal(0, JITTER_PX * width / 112, 2)
    moved = cv2.warpAffine(crop, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def erased(crop: ImageArray, rng: np.random.Generator) -> ImageArray:
    """A rectangle of 2 to 20 % of the area becomes noise; the paper's 40 % would hide a whole mouth or both eyes."""
    top, left, height, width = _rectangle(crop, rng, (0.02, 0.2), (0.3, 1 / 0.3))
    noisy = crop.copy()
    noisy[top : top + height, left : left + width] = rng.integers(0, 256, (height, width, 3), np.uint8)
    return noisy


def _rectangle(
    crop: ImageArray, rng: np.random.Generator, area: tuple[float, float], aspect: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Top, left, height and width, inside the picture: the aspect (width / height) is even on a logarithmic scale."""
    height, width = crop.shape[:2]
    share = rng.uniform(*area)
    ratio = float(np.exp(rng.uniform(*np.log(aspect))))
    tall = int(np.clip(round(height * np.sqrt(share / ratio)), 1, height))
    wide = int(np.clip(round(width * np.sqrt(share * ratio)), 1, width))
    return int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1)), tall, wide


def _bright(crop: ImageArray, factor: float) -> ImageArray:
    return _line(crop, factor, 0.0)


def _contrasted(crop: ImageArray, factor: float) -> ImageArray:
    luminance = float(np.dot(cv2.mean(crop)[:3], LUMINANCE_BGR))
    return _line(crop, factor, (1 - factor) * luminance)


def _saturated(crop: ImageArray, factor: float) -> ImageArray:
    mix = factor * np.eye(3, dtype=np.float32) + (1 - factor) * LUMINANCE_BGR
    return np.asarray(cv2.transform(crop, mix), np.uint8)


def _line(crop: ImageArray, slope: float, offset: float) -> ImageArray:
    """A line through the values, rounded and clipped, by a table of 256 entries."""
    table = np.clip(np.arange(256) * slope + offset + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(crop, table), np.uint8)
