"""PNG files that are small enough for a repository."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

COLOURS: Final = 256


def small_png(data: bytes, most_bytes: int) -> bytes:
    """The picture itself where it is small; else with 256 colours, then shrunk until it fits.

    Args:
        data: a PNG.
        most_bytes: that it may have.
    """
    if len(data) <= most_bytes:
        return data
    picture, scale = Image.open(io.BytesIO(data)).convert("RGB"), 1.0
    while True:
        width, height = (max(1, round(side * scale)) for side in picture.size)
        sized = picture if scale == 1 else picture.resize((width, height), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        sized.quantize(COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        if file.tell() <= most_bytes or width == height == 1:
            return file.getvalue()
        scale *= 0.9
