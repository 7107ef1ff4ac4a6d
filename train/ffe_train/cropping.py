"""One picture of a data set -> its crop, through the alignment of the device, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

import cv2
import numpy as np

from ffe_edge.align import CROP_PX, TEMPLATE, align
from ffe_edge.errors import DataError
from ffe_edge.types import FaceDetector, Faces, FloatArray, ImageArray
from ffe_train.manifest import Row

UNREADABLE: Final = "unreadable"
NO_FACE: Final = "no face"
DUPLICATE: Final = "duplicate across subjects"

ALIGNED: Final[tuple[float, ...]] = tuple(map(float, TEMPLATE.reshape(-1)))
"""``Row.landmarks`` of a picture that is already a crop."""

JUDGED_FROM: Final = 16
"""Pictures in colour below which nothing is said about the order of the colours."""
GREY: Final = 2.0
"""Mean distance of red and blue, in grey levels, up to which a picture counts as grey."""


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of a source that is read when its turn comes."""

    row: Row
    read: Callable[[], ImageArray]
    """Gives (H, W, 3) uint8 BGR, or raises ``DataError`` where there is no picture."""
    whole: tuple[float, float, float, float] | None = None
    """Where the picture itself lies in what ``read`` gives, ``xyxy`` in pixels: it becomes the crop when no face is
    found. None: it is refused."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a picture has no crop."""

    reason: str
    detail: str = ""


class Cropper:
    """Item -> crop (112, 112, 3) uint8 BGR or refusal. Threads may share one: they detect one after the other."""

    def __init__(self, detector: FaceDetector | None) -> None:
        self._detector, self._one_at_a_time = detector, Lock()

    @property
    def detects(self) -> bool:
        """Whether there is a detector; without one, processes may each have a copy of this."""
        return self._detector is not None

    def __reduce__(self) -> tuple[type[Cropper], tuple[None]]:
        if self.detects:
            raise TypeError("a detector stays in its process")
        return Cropper, (None,)

    def __call__(self, item: Item) -> ImageArray | Refusal:
        """Read, detect where no landmarks are given, align.

        Raises:
            DetectorError: the detector broke.
        """
        try:
            image = item.read()
        except DataError as error:
            return Refusal(UNREADABLE, str(error))
        faces = self._face(image, item.row)
        if len(faces):
            return np.asarray(align(image, faces)[0], np.uint8)
        if item.whole is None:
            return Refusal(NO_FACE)
        left, top, right, bottom = map(round, item.whole)
        return np.asarray(cv2.resize(image[top:bottom, left:right], (CROP_PX, CROP_PX)), np.uint8)

    def _face(self, image: ImageArray, row: Row) -> Faces:
        if row.landmarks is not None:
            points = np.array(row.landmarks, np.float32).reshape(1, 5, 2)
            box = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
            return Faces(box, np.ones(1, np.float32), points)
        if self._detector is None:
            raise ValueError(f"{row.path} has no landmarks, and there is no detector")
        left, top, right, bottom = _window(row, image)
        view = np.ascontiguousarray(image[top:bottom, left:right])
        with self._one_at_a_time:
            faces = self._detector(view)
        return _picked(_shifted(faces, left, top), row)


def colour_counts(crops: ImageArray) -> tuple[int, int]:
    """How many crops (B, 112, 112, 3) are in colour, and in how many of these skin is more blue than red."""
    middle = crops[:, 30:95, 30:82].astype(np.float32)
    red_less_blue = middle[..., 2] - middle[..., 0]
    coloured = np.abs(red_less_blue).mean(axis=(1, 2)) > GREY
    blue = red_less_blue.mean(axis=(1, 2)) < 0
    return int(coloured.sum()), int((coloured & blue).sum())


def looks_swapped(coloured: int, blue: int) -> bool:
    """Whether counts of ``colour_counts`` tell of red and blue in each other's place.

    In light of nearly any colour skin reflects more red than blue.
    """
    return coloured >= JUDGED_FROM and blue > coloured / 2


def _window(row: Row, image: ImageArray) -> tuple[int, int, int, int]:
    """Where to look: all of the image, or the given box and as much again round it."""
    height, width = image.shape[:2]
    if row.xyxy is None:
        return 0, 0, width, height
    x0, y0, x1, y1 = row.xyxy
    across, down = (x1 - x0) / 2, (y1 - y0) / 2
    left, top = max(0, int(x0 - across)), max(0, int(y0 - down))
    right, bottom = min(width, int(x1 + across) + 1), min(height, int(y1 + down) + 1)
    return (left, top, right, bottom) if left < right and top < bottom else (0, 0, width, height)


def _shifted(faces: Faces, left: int, top: int) -> Faces:
    move = np.array([left, top], np.float32)
    landmarks = None if faces.landmarks is None else faces.landmarks + move
    return Faces(faces.xyxy + np.tile(move, 2), faces.confidence, landmarks)


def _picked(faces: Faces, row: Row) -> Faces:
    """The face that covers most of the row's box, or the largest one where the row has none."""
    if not len(faces):
        return faces
    weight = _area(faces.xyxy)
    if row.xyxy is not None:
        box = np.array(row.xyxy, np.float32)
        corners = [np.maximum(faces.xyxy[:, :2], box[:2]), np.minimum(faces.xyxy[:, 2:], box[2:])]
        weight = _area(np.concatenate(corners, axis=1))
    best = int(weight.argmax())
    if weight[best] <= 0:
        return Faces.none()
    only = slice(best, best + 1)
    landmarks = None if faces.landmarks is None else faces.landmarks[only]
    return Faces(faces.xyxy[only], faces.confidence[only], landmarks)


def _area(xyxy: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0).prod(axis=1), np.float32)
