"""What stands round a bare network: crops into its input, its logits into probabilities.

A crops graph has both inside; engines are built of the bare network, so the host does them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ffe_edge.types import FloatArray, ImageArray

GREY: Final = np.float32(127.5)
"""Mean and standard deviation of a crop's grey levels, as the training has them."""


def to_images(crops: ImageArray, out: FloatArray | None = None) -> FloatArray:
    """Crops as a bare network takes them: (x - 127.5) / 127.5, red first, channels before rows.

    Args:
        crops: (B, S, S, 3) uint8 BGR.
        out: (B, 3, S, S) float32, where the result goes: memory that the GPU sees, say. None: new memory.

    Returns:
        (B, 3, S, S) float32 RGB in [-1, 1], C-contiguous where it is new.
    """
    if crops.ndim != 4 or crops.shape[3] != 3 or crops.dtype != np.uint8:
        raise ValueError(f"crops are (B, S, S, 3) uint8, not {crops.shape} {crops.dtype}")
    planes = crops.transpose(0, 3, 1, 2)[:, ::-1]
    images = np.empty(planes.shape, np.float32) if out is None else out
    if images.shape != planes.shape or images.dtype != np.float32:
        raise ValueError(f"images of these crops are {planes.shape} float32, not {images.shape} {images.dtype}")
    np.subtract(planes, GREY, out=images, dtype=np.float32)
    images /= GREY
    return images


def to_probs(logits: FloatArray, temperature: float) -> FloatArray:
    """Calibrated probabilities: the softmax of logits (B, K) divided by the temperature, (B, K) float32.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, eq. 9.
    """
    scaled = np.asarray(logits, np.float32) / np.float32(temperature)
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
