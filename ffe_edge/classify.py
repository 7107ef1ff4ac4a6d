"""Faces of an image -> probabilities."""

from __future__ import annotations

import numpy as np

from ffe_edge.align import CROP_PX, align
from ffe_edge.types import Faces, FloatArray, ImageArray, Runner


class ExpressionClassifier:
    """image (H, W, 3) and its N faces -> probs (N, K), in one batch."""

    def __init__(self, run: Runner, classes: int, size_px: int = CROP_PX) -> None:
        self._run = run
        self._classes = classes
        self._size_px = size_px

    def __call__(self, image: ImageArray, faces: Faces) -> FloatArray:
        """Probabilities (N, K) float32; (0, K) when nobody is there."""
        if not len(faces):
            return np.zeros((0, self._classes), np.float32)
        return self._run(align(image, faces, self._size_px))
