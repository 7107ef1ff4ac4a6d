"""Image -> faces, by YuNet where its file is there, else by the Haar cascade that OpenCV 4 carries."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from ffe_edge.catalogue import models_dir
from ffe_edge.config import DetectorSettings
from ffe_edge.errors import DetectorError
from ffe_edge.types import FaceDetector, Faces, FloatArray, ImageArray

logger = logging.getLogger(__name__)

YUNET_FILE: Final = "yunet_n_640_640.onnx"
HAAR_FILE: Final = "haarcascade_frontalface_default.xml"
YUNET_MIN_PX: Final = 64
"""Two cells of YuNet's coarsest map. With a single row of cells OpenCV 4.14 reads memory that it never wrote, and
tells faces of confidence 1 in an empty room."""


def find_yunet(path: Path | None) -> Path | None:
    """The detector file to use: the one named, else the fetched one, else None.

    Raises:
        DetectorError: a file was named and is not there.
    """
    if path is not None:
        if not path.is_file():
            raise DetectorError(f"{path}: no such detector file; give --detector the path of {YUNET_FILE}")
        return path
    candidate = models_dir() / YUNET_FILE
    return candidate if candidate.is_file() else None


def load_detector(settings: DetectorSettings) -> FaceDetector:
    """YuNet, or Haar with a warning. OpenCV computes in one thread from then on.

    A second thread takes an eighth more CPU for a search at 320 px and half as much again for a look at a known face.

    Raises:
        DetectorError: the file is no YuNet, or this OpenCV has no detector at all.
    """
    cv2.setNumThreads(1)
    path = find_yunet(settings.path)
    if path is not None:
        return YuNet(path, settings)
    logger.warning(
        "no YuNet file: faces are found by the older Haar cascade, frontal ones only and without landmarks; "
        "`ffe-edge models fetch` gets YuNet"
    )
    return Haar(settings)


NEAR_PX: Final = 96
"""Side of the crop in which a known face is looked for again ..."""
NEAR_SIDES: Final = 1.75
"""... and how many sides of the face it shows: one that has moved by a third of its side is still whole."""
NMS: Final = 0.3
"""Boxes that overlap by more are the same face."""
LEAST_FOUND_PX: Final = 12
"""YuNet finds faces of this side (34 of 34 of the London clip shrunk to it; of 8 px, 31)."""


class YuNet:
    """Faces with landmarks.

    The whole picture is searched at ``long_side_px``; a known face is looked for again in a crop of the full picture,
    which costs a sixth and sees a far face as large as a near one.
    Source: Wu et al., YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023.
    """

    name = "yunet"

    def __init__(self, path: Path, settings: DetectorSettings) -> None:
        self.path = path
        self._settings = settings
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), settings.confidence, NMS, 200)
            self._near = cv2.FaceDetectorYN.create(str(path), "", (NEAR_PX, NEAR_PX), settings.confidence, NMS, 20)
            self._near.detect(np.zeros((NEAR_PX, NEAR_PX, 3), np.uint8))
        except cv2.error as error:
            raise DetectorError(f"{path}: is not a YuNet detector that OpenCV {cv2.__version__} can run") from error

    def __call__(self, image: ImageArray) -> Faces:
        """Find faces in (H, W, 3) uint8 BGR, at once also those of ``min_face_px``."""
        return self._search(image, self._long_side_px(max(image.shape[:2])))

    def near_enough(self, image: ImageArray) -> Faces:
        """Find those that the picture shrunk to ``long_side_px`` shows."""
        return self._search(image, self._settings.long_side_px)

    def _search(self, image: ImageArray, long_side_px: int) -> Faces:
        small, scale = _shrunk(image, long_side_px)
        small = _padded(small, YUNET_MIN_PX)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        return faces_of(self._run(self._net, small), scale)

    def near(self, image: ImageArray, xyxy: FloatArray) -> Faces:
        """Look for M known faces where they are expected: (M, 4) -> at most M faces, each once."""
        found = [self._in_crop(image, box) for box in xyxy]
        rows = [row for row in found if row is not None]
        faces = faces_of(np.stack(rows) if rows else None, 1.0)
        return faces.taken(np.asarray(_distinct(faces), np.intp))

    def _in_crop(self, image: ImageArray, box: FloatArray) -> FloatArray | None:
        """YuNet's row of the face nearest to the middle of the crop round the box."""
        side = max(float((box[2:] - box[:2]).max()), 1.0) * NEAR_SIDES
        x0, y0 = (int(value) for value in np.floor((box[:2] + box[2:]) / 2 - side / 2))
        part = image[max(0, y0) : max(0, y0 + round(side)), max(0, x0) : max(0, x0 + round(side))]
        if min(part.shape[:2]) < 2:
            return None
        small, scale = _fitted(part, NEAR_PX / side)
        crop = cv2.copyMakeBorder(small, 0, NEAR_PX - small.shape[0], 0, NEAR_PX - small.shape[1], cv2.BORDER_CONSTANT)
        rows = self._run(self._near, np.asarray(crop, np.uint8))
        if rows is None:
            return None
        corner = np.tile(np.array([max(0, x0), max(0, y0)], np.float32), 7)
        corner[2:4] = 0  # width and height stay what they are
        rows[:, :14] = rows[:, :14] / scale + corner
        away = np.linalg.norm(rows[:, :2] + rows[:, 2:4] / 2 - (box[:2] + box[2:]) / 2, axis=1)
        return np.asarray(rows[int(away.argmin())], np.float32)

    def _long_side_px(self, long_side_px: int) -> int:
        """To which the picture is shrunk, whose own long side is this."""
        least = self._settings.min_face_px
        needed = 0 if least is None else -(-long_side_px * LEAST_FOUND_PX // least)
        return max(self._settings.long_side_px, needed)

    def _run(self, net: cv2.FaceDetectorYN, image: ImageArray) -> FloatArray | None:
        try:
            _, rows = net.detect(image)
        except cv2.error as error:
            raise DetectorError(f"the YuNet detector failed on an image of {image.shape}: {error.err}") from error
        if rows is None:
            return None
        return np.array(rows, np.float32)


class Haar:
    """Frontal faces without landmarks.

    Source: Viola and Jones, Rapid object detection using a boosted cascade of simple features, CVPR 2001.
    """

    name = "haar"

    def __init__(self, settings: DetectorSettings) -> None:
        if not hasattr(cv2, "CascadeClassifier"):
            raise DetectorError(f"OpenCV {cv2.__version__} has no Haar cascade; run `ffe-edge models fetch` for YuNet")
        path = next((file for file in _haar_files() if file.is_file()), None)
        self._cascade = cv2.CascadeClassifier(str(path or ""))
        if self._cascade.empty():
            raise DetectorError(f"{HAAR_FILE} was not found beside OpenCV; run `ffe-edge models fetch` for YuNet")
        self._settings = settings

    def __call__(self, image: ImageArray) -> Faces:
        """Find faces in (H, W, 3) uint8 BGR. The cascade's level weight w is told as confidence w / (w + 2)."""
        small, scale = _shrunk(image, self._settings.long_side_px)
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
        boxes, _, weights = self._cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=5, minSize=(32, 32), outputRejectLevels=True
        )
        if len(boxes) == 0:
            return Faces(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), None)
        corners = np.asarray(boxes, np.float32)
        corners[:, 2:] += corners[:, :2]
        weight = np.maximum(np.asarray(weights, np.float32).reshape(-1), 0)
        return Faces(_float32(corners / scale), _float32(weight / (weight + 2)), None)


def faces_of(rows: FloatArray | None, scale: float) -> Faces:
    """YuNet's rows of an image that was scaled before."""
    if rows is None:
        return Faces.none()
    boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1) / scale
    landmarks = rows[:, 4:14].reshape(-1, 5, 2) / scale
    return Faces(_float32(boxes), _float32(rows[:, 14].clip(0, 1)), _float32(landmarks))


def _distinct(faces: Faces) -> list[int]:
    """Two crops may have found the same face: the first counts."""
    kept: list[int] = []
    for index, box in enumerate(faces.xyxy):
        middle = (box[:2] + box[2:]) / 2
        others = faces.xyxy[kept]
        if not ((others[:, :2] < middle) & (middle < others[:, 2:])).all(axis=1).any():
            kept.append(index)
    return kept


def _float32(values: npt.NDArray[Any]) -> FloatArray:
    return np.asarray(values, np.float32)


def _shrunk(image: ImageArray, long_side_px: int) -> tuple[ImageArray, float]:
    """The image with at most this long side, and by what it was scaled."""
    scale = long_side_px / max(image.shape[:2])
    if scale >= 1:
        return image, 1.0
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _fitted(image: ImageArray, scale: float) -> tuple[ImageArray, float]:
    """The image scaled to go into the near crop, and by what it really was."""
    width, height = (min(NEAR_PX, max(1, round(side * scale))) for side in image.shape[1::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8), width / image.shape[1]


def _padded(image: ImageArray, min_side_px: int) -> ImageArray:
    """The image, with black to its right and below where a side is shorter than that."""
    height, width = (max(0, min_side_px - side) for side in image.shape[:2])
    if not height and not width:
        return image
    return np.asarray(cv2.copyMakeBorder(image, 0, height, 0, width, cv2.BORDER_CONSTANT), np.uint8)


def _haar_files() -> Iterator[Path]:
    """OpenCV's wheel first, then where Debian and JetPack put the cascades."""
    if hasattr(cv2, "data"):
        yield Path(cv2.data.haarcascades) / HAAR_FILE
    for folder in ("/usr/share/opencv4/haarcascades", "/usr/local/share/opencv4/haarcascades"):
        yield Path(folder) / HAAR_FILE
