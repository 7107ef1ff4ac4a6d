"""Far faces: a picture that would have to be large for them is searched one tile after the other.

For faces of 16 px a picture of 1920x1080 must be searched at 1440x810, which takes as long as fifteen tiles of 320 px
and 58 MB more memory. With a tile now and then the cost of a frame stays flat. Known people are looked for where they
are expected, far ones too: tiles are only for finding them at first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ffe_edge.config import DetectorSettings
from ffe_edge.errors import DetectorError
from ffe_edge.faces import LEAST_FOUND_PX, NMS, faces_of
from ffe_edge.types import Faces, ImageArray

TILE_PX: Final = 320
OVERLAP_PX: Final = 64
"""Of neighbouring tiles: a face of up to this side lies in one of them as a whole. Larger ones are not far."""
SURE_PX: Final = 16
"""Faces of this side in the shrunk picture are found by its search whenever they are looked for."""


class Tiles:
    """Searches one tile of a picture, with faces of ``detector.min_face_px`` large enough to be found."""

    def __init__(self, path: Path, settings: DetectorSettings) -> None:
        """Load YuNet once more, for the tile's size.

        Raises:
            DetectorError: the file is no YuNet.
        """
        self._settings = settings
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (TILE_PX, TILE_PX), settings.confidence, NMS, 50)
        except cv2.error as error:
            raise DetectorError(f"{path}: is not a YuNet detector that OpenCV {cv2.__version__} can run") from error

    def reach_px(self, shape: Sequence[int]) -> float:
        """Side from which a search of the whole picture finds faces; 0 where that is all that is asked for.

        Args:
            shape: (H, W, ...) of the picture.
        """
        long_side_px, least = max(shape[:2]), self._settings.min_face_px
        searched = min(self._settings.long_side_px, long_side_px)
        if least is None or searched * least >= long_side_px * LEAST_FOUND_PX:
            return 0.0
        return SURE_PX * long_side_px / searched

    def tile(self, image: ImageArray, turn: int) -> Faces:
        """Far faces of one tile of (H, W, 3) uint8 BGR; as many turns as there are tiles see all of it.

        Raises:
            DetectorError: OpenCV failed.
        """
        scale = min(1.0, LEAST_FOUND_PX / (self._settings.min_face_px or LEAST_FOUND_PX))
        corners = list(tiles((round(image.shape[0] * scale), round(image.shape[1] * scale))))
        x0, y0 = corners[turn % len(corners)]
        left, top, side = (round(value / scale) for value in (x0, y0, TILE_PX))
        part = image[top : top + side, left : left + side]
        size = [min(TILE_PX, max(1, round(length * scale))) for length in part.shape[1::-1]]
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        canvas = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
        canvas[: size[1], : size[0]] = small
        try:
            _, rows = self._net.detect(canvas)
        except cv2.error as error:
            raise DetectorError(f"the YuNet detector failed on a tile of {part.shape}: {error.err}") from error
        if rows is None:
            return Faces.none()
        rows = rows[rows[:, 2:4].max(axis=1) <= OVERLAP_PX]
        return _moved(faces_of(rows, size[0] / part.shape[1]), left, top, part.shape, image.shape)


def tiles(shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Left upper corners (x, y) of the tiles of a picture (H, W), which overlap and go evenly from edge to edge."""
    yield from ((x, y) for y, x in itertools.product(*(_starts(length) for length in shape)))


def _starts(length: int) -> list[int]:
    if length <= TILE_PX:
        return [0]
    count = -(-(length - OVERLAP_PX) // (TILE_PX - OVERLAP_PX))
    return [int(start) for start in np.linspace(0, length - TILE_PX, count).round()]


def _moved(faces: Faces, left: int, top: int, part: Sequence[int], picture: Sequence[int]) -> Faces:
    """Faces of a part in the picture's pixels, without those that the part's edge cuts: a neighbour has them whole."""
    low = (faces.xyxy[:, 0] > 0) | (left == 0), (faces.xyxy[:, 1] > 0) | (top == 0)
    high = (
        (faces.xyxy[:, 2] < part[1]) | (left + part[1] >= picture[1]),
        (faces.xyxy[:, 3] < part[0]) | (top + part[0] >= picture[0]),
    )
    corner = np.array([left, top], np.float32)
    landmarks = None if faces.landmarks is None else faces.landmarks + corner
    return Faces(faces.xyxy + np.tile(corner, 2), faces.confidence, landmarks).taken(
        np.logical_and.reduce([*low, *high])
    )
