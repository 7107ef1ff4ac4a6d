"""What a cheap camera does to a picture."""

from __future__ import annotations

import cv2
import numpy as np

from ffe_edge.types import ImageArray


def camera_noise(
    image: ImageArray, rng: np.random.Generator, *, blur_px: float = 0.6, noise: float = 3.0
) -> ImageArray:
    """Blur by ``blur_px`` and add sensor noise of ``noise`` grey levels to an (H, W, 3) uint8 image."""
    blurred = cv2.GaussianBlur(image, (0, 0), blur_px) if blur_px > 0.0 else image
    grain = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(noise)
    return np.asarray(np.clip(blurred + grain, 0.0, 255.0), np.uint8)
