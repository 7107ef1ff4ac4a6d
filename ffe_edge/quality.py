"""How far a found face can be trusted."""

from __future__ import annotations

from typing import Final

import numpy as np

from ffe_edge.types import Faces, FloatArray

GOOD_SIDE_PX: Final = 64.0
"""Faces of this side and above lose no quality for size."""


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
