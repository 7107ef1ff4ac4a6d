"""How large an image may be: a broken header must not fill the memory of a small device."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ffe_edge.errors import SourceError
from ffe_edge.types import ImageArray

MAX_IMAGE_PX: Final = 7680 * 4320
"""8K."""
MAX_IMAGE_BYTES: Final = MAX_IMAGE_PX * 3


def checked_image(image: npt.NDArray[np.generic], where: str) -> ImageArray:
    """The image itself, (H, W, 3) uint8 BGR.

    Raises:
        SourceError: it is larger than 8K, or no 8-bit colour image.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise SourceError(f"{where}: gives {image.shape} {image.dtype}, not 8-bit colour; convert it")
    if image.shape[0] * image.shape[1] > MAX_IMAGE_PX:
        raise SourceError(f"{where}: {image.shape[1]} x {image.shape[0]} px is larger than 8K; scale it down")
    return np.asarray(image, np.uint8)
