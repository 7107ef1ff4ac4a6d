"""Golden inputs: rendered people with every expression, and noise. Nobody who lives is in them."""

from __future__ import annotations

import functools
from typing import Final

import cv2
import numpy as np

from ffe_edge.align import CROP_PX, similarity, warp
from ffe_edge.emotions import Emotion
from ffe_edge.rendered.people import sample_person
from ffe_edge.rendered.render import render_face, sample_view
from ffe_edge.rendered.units import acted_units
from ffe_edge.types import ImageArray

PEOPLE: Final = 3
NOISE: Final = 5


@functools.cache
def golden_crops(size_px: int = CROP_PX, seed: int = 0) -> ImageArray:
    """(G, S, S, 3) uint8 BGR: three rendered people with nine expressions each, and five pictures of noise.

    They are drawn once and cannot be written to.

    Args:
        size_px: side of a crop.
        seed: of people, views and noise; the same seed gives the same crops.
    """
    rng = np.random.default_rng(seed)
    crops = []
    for _ in range(PEOPLE):
        person = sample_person(rng)
        for emotion in Emotion:
            face = render_face(person, acted_units(emotion, rng), sample_view(rng))
            crops.append(_sized(warp(face.image, similarity(face.landmarks[None])[0]), size_px))
    coarse = rng.integers(0, 256, (NOISE, 14, 14, 3), np.uint8)
    found = np.stack([*crops, *(_sized(picture, size_px) for picture in coarse)])
    found.flags.writeable = False
    return found


def _sized(picture: ImageArray, size_px: int) -> ImageArray:
    if picture.shape[0] == size_px:
        return picture
    return np.asarray(cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_LINEAR), np.uint8)
