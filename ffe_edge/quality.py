"""How far a found face can be trusted."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from ffe_edge.types import Faces, FloatArray, ImageArray

GOOD_SIDE_PX: Final = 64.0
"""Faces of this side and above lose no quality for size."""
BLURRED: Final = 0.25
SHARP: Final = 0.6
"""Sharpness counts from the first to the second of these ratios. On 600 aligned faces of LFW blurred by 3 px of 112 the
median ratio is 0.67 and the shipped model right on 0.80 of them, of 0.82 sharp ones; by 6 px, 0.42 and 0.58."""


def quality(faces: Faces) -> FloatArray:
    """How far each face can be trusted.

    The product of the detector's confidence, of the size (side / 64 px, at most 1) and, where there are landmarks, of
    how frontal it is: 1 with the nose midway between the eyes, 0 with the nose below an eye.

    Returns:
        (N,) float32 in [0, 1].
    """
    side = (faces.xyxy[:, 2:] - faces.xyxy[:, :2]).min(axis=1, initial=np.inf)
    value = faces.confidence * np.clip(side / GOOD_SIDE_PX, 0, 1)
    if faces.landmarks is not None:
        value = value * _frontality(faces.landmarks)
    return np.asarray(value, np.float32)


def _frontality(landmarks: FloatArray) -> FloatArray:
    left, right, nose = landmarks[:, 0], landmarks[:, 1], landmarks[:, 2]
    between = right - left
    along = ((nose - left) * between).sum(axis=1) / np.maximum((between * between).sum(axis=1), 1e-6)
    return np.asarray(1 - np.clip(2 * np.abs(along - 0.5), 0, 1) ** 2, np.float32)


def sharpness(crops: ImageArray) -> FloatArray:
    """How sharp aligned crops are: Laplacian over contrast of the face's middle at a quarter of its size.

    At that size noise of a few grey levels is averaged away and does not look like detail.
    Source: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000 (variance of the Laplacian).

    Args:
        crops: (N, S, S, 3) uint8 BGR.

    Returns:
        (N,) float32 in [0, 1].
    """
    ratios = np.array([_detail(crop) for crop in crops], np.float32)
    return np.asarray(np.clip((ratios - BLURRED) / (SHARP - BLURRED), 0, 1), np.float32)


def _detail(crop: ImageArray) -> float:
    edge = len(crop) // 7
    middle = cv2.cvtColor(crop[edge:-edge, edge:-edge], cv2.COLOR_BGR2GRAY)
    small = cv2.resize(middle, (20, 20), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_32F).std() / max(float(small.std()), 8.0))
