"""Image and landmarks -> aligned crops: the one preprocessing, used on the device, in training and in export.

A crop is the face moved, turned and scaled (nothing else) so that its five landmarks lie as near as possible to the
ArcFace template.
Source: Deng et al., ArcFace, CVPR 2019 (template); Umeyama, PAMI 13(4), 1991, eqs. 40-42 (similarity).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from ffe_edge.types import Faces, FloatArray, ImageArray

CROP_PX: Final = 112
"""Side of a crop."""

TEMPLATE: Final[FloatArray] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)
"""(5, 2) landmarks of the aligned crop, pixels at 112 x 112."""

HAAR_CENTRE: Final = (0.5, 0.415)
"""Where the middle of a crop lies in a box of OpenCV's frontal Haar cascade, in shares of the box's sides."""
HAAR_SIDE: Final = 1.13
"""Side of a crop in shares of the box's longer side. Both are medians over the faces on which YuNet and Haar agree
(`benchmarks/haar_box.py`)."""


HALF_TO_FULL: Final[FloatArray] = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]], np.float32)
"""Pixel centres of an image shrunk by two, in pixels of the image before."""


def similarity(landmarks: FloatArray, template: FloatArray = TEMPLATE) -> FloatArray:
    """Least-squares similarity that moves landmarks onto the template.

    Args:
        landmarks: (N, 5, 2) float, pixels of the image.
        template: (5, 2) float, pixels of the crop.

    Returns:
        (N, 2, 3) float32 matrices for ``cv2.warpAffine``. In the plane a similarity without reflection is
        a complex factor a + ib, so its least squares have a closed form.
    """
    source_mean = landmarks.mean(axis=1, keepdims=True)
    target_mean = template.mean(axis=0)
    x, y = np.moveaxis(landmarks - source_mean, -1, 0)
    u, v = np.moveaxis(template - target_mean, -1, 0)
    power = np.maximum((x * x + y * y).sum(axis=1), 1e-9)
    a = (x * u + y * v).sum(axis=1) / power
    b = (x * v - y * u).sum(axis=1) / power
    rotation = np.stack([np.stack([a, -b], -1), np.stack([b, a], -1)], 1)
    shift = target_mean - np.einsum("nij,nj->ni", rotation, source_mean[:, 0])
    return np.concatenate([rotation, shift[..., None]], axis=2).astype(np.float32)


def box_similarity(xyxy: FloatArray) -> FloatArray:
    """Upright similarity for Haar boxes, which come without landmarks: (N, 4) -> (N, 2, 3)."""
    sides = xyxy[:, 2:] - xyxy[:, :2]
    centre = xyxy[:, :2] + sides * np.asarray(HAAR_CENTRE, np.float32)
    scale = CROP_PX / np.maximum(sides.max(axis=1) * HAAR_SIDE, 1e-6)
    matrices = np.zeros((len(xyxy), 2, 3), np.float32)
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale
    matrices[:, :, 2] = CROP_PX / 2 - scale[:, None] * centre
    return matrices


def warp(image: ImageArray, matrix: FloatArray, size_px: int = CROP_PX) -> ImageArray:
    """One crop (size_px, size_px, 3) uint8 through one (2, 3) matrix that was made for 112 px.

    A face larger than its crop is shrunk in steps of two first, since bilinear sampling alone would alias.
    Outside the image the border is repeated.
    """
    scaled = matrix * np.float32(size_px / CROP_PX)
    zoom = float(np.hypot(scaled[0, 0], scaled[1, 0]))
    while zoom <= 0.5 and min(image.shape[:2]) >= 4:
        image = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        scaled = scaled @ HALF_TO_FULL
        zoom *= 2
    crop = cv2.warpAffine(image, scaled, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)


def align(image: ImageArray, faces: Faces, size_px: int = CROP_PX, out: ImageArray | None = None) -> ImageArray:
    """Crops of all faces.

    Args:
        image: (H, W, 3) uint8 BGR.
        faces: the N faces found in it, by landmarks where there are any, by box otherwise.
        size_px: side of the crops.
        out: where to write them, instead of into new memory.

    Returns:
        (N, size_px, size_px, 3) uint8 BGR; ``out`` where that was given.
    """
    crops = np.empty((len(faces), size_px, size_px, 3), np.uint8) if out is None else out
    matrices = box_similarity(faces.xyxy) if faces.landmarks is None else similarity(faces.landmarks)
    for crop, matrix in zip(crops, matrices, strict=True):
        crop[:] = warp(image, matrix, size_px)
    return crops
