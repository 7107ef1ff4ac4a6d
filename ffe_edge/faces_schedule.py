"""When the whole picture is searched for faces."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from ffe_edge.config import PipelineSettings
from ffe_edge.types import ImageArray

THUMB_PX: Final = (64, 48)
"""Width and height at which pictures are compared: noise is averaged away, a far head is two or three pixels."""
STIRRED: Final = 16
"""Grey levels by which a pixel has changed."""
STIRRED_PX: Final = 4
"""So many of them are motion."""


class Schedule:
    """Decides for each frame of one camera whether the whole picture is searched, which is what costs most.

    At once when somebody was just lost, every n-th frame while something moves, and in any case once in a while.
    """

    def __init__(self, settings: PipelineSettings) -> None:
        self._settings = settings
        self._frames = 0
        self._searched_seconds = -np.inf
        self._thumb: ImageArray | None = None
        self._lost: frozenset[int] = frozenset()

    def is_due(self, image: ImageArray, seconds: float, lost: frozenset[int]) -> bool:
        """Whether to search this frame; if so, it is taken as searched.

        Args:
            image: (H, W, 3) uint8 BGR.
            seconds: the frame's time.
            lost: numbers of those who are not where they were expected.
        """
        self._frames += 1
        newly_lost = not lost <= self._lost
        self._lost = lost
        if not (newly_lost or self._is_old(seconds) or self._is_turn(image)):
            return False
        self._frames, self._searched_seconds = 0, seconds
        self._thumb = _thumb(image)
        return True

    def _is_old(self, seconds: float) -> bool:
        return not 0 <= seconds - self._searched_seconds < self._settings.detect_seconds

    def _is_turn(self, image: ImageArray) -> bool:
        """Motion is looked for only when it is the turn, against the picture that was searched last."""
        if self._frames < self._settings.detect_every_frames:
            return False
        changed = True if self._thumb is None else cv2.absdiff(self._thumb, _thumb(image)) > STIRRED
        return int(np.count_nonzero(changed)) > STIRRED_PX or self._settings.detect_every_frames == 1


def _thumb(image: ImageArray) -> ImageArray:
    """Green at a few points of each cell, averaged."""
    width, height = THUMB_PX
    points = cv2.resize(image, (4 * width, 4 * height), interpolation=cv2.INTER_NEAREST)[:, :, 1]
    return np.asarray(cv2.resize(points, THUMB_PX, interpolation=cv2.INTER_AREA), np.uint8)
