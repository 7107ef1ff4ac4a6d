"""The face of one moment, in the head plane, before light falls on it."""

from __future__ import annotations

from dataclasses import dataclass

from ffe_edge.rendered.canvas import Patch
from ffe_edge.types import FloatArray


@dataclass(slots=True)
class Surface:
    """Layers (H, W) float32 that features draw into."""

    alpha: FloatArray
    """1 inside the head."""
    height: FloatArray
    """Millimetres towards the camera."""
    albedo: FloatArray
    """(H, W, 3) linear BGR in [0, 1]."""
    gloss: FloatArray
    """How wet or greasy: share of light that is mirrored."""
    overlay: FloatArray
    """(H, W, 3) linear BGR of what has its own shading: eyeballs, the inside of the mouth."""
    cover: FloatArray
    """Opacity of the overlay."""

    def lay_over(self, patch: Patch, colour: FloatArray, opacity: FloatArray) -> None:
        """Lay ``colour`` (h, w, 3) of ``opacity`` (h, w), both of subpixels, over what is there."""
        thin = patch.shrink(opacity)
        premultiplied = patch.shrink(colour * opacity[..., None])
        place = (patch.rows, patch.columns)
        self.overlay[place] = self.overlay[place] * (1.0 - thin[..., None]) + premultiplied
        self.cover[place] = self.cover[place] * (1.0 - thin) + thin

    def tint(self, patch: Patch, colour: FloatArray, opacity: FloatArray) -> None:
        """Mix ``colour`` (3,) or (h, w, 3) of subpixels into the skin by ``opacity`` (h, w)."""
        thin = patch.shrink(opacity)[..., None]
        place = (patch.rows, patch.columns)
        mixed = colour if colour.ndim == 1 else patch.shrink(colour)
        self.albedo[place] = self.albedo[place] * (1.0 - thin) + thin * mixed

    def darken(self, patch: Patch, factor: FloatArray) -> None:
        """Multiply the skin by ``factor`` (h, w) of subpixels."""
        self.albedo[patch.rows, patch.columns] *= patch.shrink(factor)[..., None]

    def raise_by(self, patch: Patch, height: FloatArray) -> None:
        """Add ``height`` (h, w) of subpixels, millimetres."""
        self.height[patch.rows, patch.columns] += patch.shrink(height)
