"""Where in a camera's picture faces count: polygons that include and exclude."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ffe_edge.config_people import Corners, ZoneSettings
from ffe_edge.types import Faces

BoolArray = npt.NDArray[np.bool_]
PointArray = npt.NDArray[np.float64]

ON_SIDE = 1e-9
"""A point this near to a side, in shares of the picture, lies on it."""


class Zones:
    """One camera's zones."""

    def __init__(self, settings: ZoneSettings) -> None:
        self._include = settings.include
        self._exclude = settings.exclude

    def keep(self, faces: Faces, shape: Sequence[int]) -> BoolArray:
        """Which faces count.

        The centre of a face's box decides; one beyond the picture's edge is moved onto it. A centre on a side lies in
        the zone: it counts where the zone includes, and does not where it excludes.

        Args:
            faces: the N faces of a frame.
            shape: (H, W) or (H, W, C) of its image.

        Returns:
            (N,) bool.
        """
        size = np.array([shape[1], shape[0]], np.float64)
        centres = np.clip((faces.xyxy[:, :2].astype(np.float64) + faces.xyxy[:, 2:]) / 2 / size, 0, 1)
        kept = inside_any(centres, self._include) if self._include else np.ones(len(faces), bool)
        return kept & ~inside_any(centres, self._exclude)


def inside_any(points: PointArray, polygons: Sequence[Corners]) -> BoolArray:
    """(N, 2) points -> (N,) whether each lies in one of the polygons."""
    found = np.zeros(len(points), bool)
    for polygon in polygons:
        found |= inside(points, np.asarray(polygon, np.float64))
    return found


def inside(points: PointArray, corners: PointArray) -> BoolArray:
    """Whether points lie in a simple polygon; its sides are part of it.

    A ray to the right crosses the sides an odd number of times. Half-open sides count a corner once.
    Source: Shimrat, Algorithm 112: position of point relative to polygon, CACM 5(8), 1962.

    Args:
        points: (N, 2).
        corners: (M, 2) in order.

    Returns:
        (N,) bool.
    """
    start, side = corners, np.roll(corners, -1, axis=0) - corners
    offset = points[:, None, :] - start
    straddles = (offset[..., 1] >= 0) != (offset[..., 1] >= side[:, 1])
    slope = np.divide(side[:, 0], side[:, 1], out=np.zeros(len(side)), where=side[:, 1] != 0)
    crossings = straddles & (offset[..., 0] < offset[..., 1] * slope)
    return np.asarray((crossings.sum(axis=1) % 2 == 1) | (_distance(offset, side) <= ON_SIDE).any(axis=1))


def _distance(offset: PointArray, side: PointArray) -> PointArray:
    """(N, M) distance of points, given from the start of each side, to the sides (M, 2)."""
    along = np.clip((offset * side).sum(axis=2) / (side * side).sum(axis=1), 0, 1)
    return np.asarray(np.linalg.norm(offset - along[..., None] * side, axis=2), np.float64)
