"""What cameras do to a face: blur, darkness, compression, distance, a turned head, landmarks that miss."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from ffe_edge.types import Faces, FloatArray, ImageArray
from ffe_train.robust_faces import CROP_BOX, Detect, Shot, detected

CROP_FACE_PX: Final = CROP_BOX[2] - CROP_BOX[0]
"""Width of the face's box in a crop."""
GAMMA: Final = 2.2
FULL_WELL: Final = 3000.0
"""Electrons that a pixel of a small sensor holds at white."""
READ_NOISE: Final = 6.0
"""Electrons, standard deviation."""


def gaussian_blur(shot: Shot, sigma_px: float) -> Shot:
    """Out of focus, or behind a dirty lens; ``sigma_px`` of the picture."""
    return Shot(np.asarray(cv2.GaussianBlur(shot.image, (0, 0), sigma_px), np.uint8), shot.faces)


def motion_blur(shot: Shot, length_px: int, rng: np.random.Generator) -> Shot:
    """Moved along a line of ``length_px`` in any direction while the shutter was open."""
    side = length_px | 1
    angle, middle, reach = float(rng.uniform(0, np.pi)), side // 2, (length_px - 1) / 2
    x, y = reach * np.cos(angle), reach * np.sin(angle)
    begin, end = ((round((middle + sign * x) * 16), round((middle + sign * y) * 16)) for sign in (-1, 1))
    kernel = np.zeros((side, side), np.uint8)
    cv2.line(kernel, begin, end, 255, 1, cv2.LINE_AA, shift=4)
    weights = kernel.astype(np.float32) / kernel.sum()
    blurred = cv2.filter2D(shot.image, -1, weights, borderType=cv2.BORDER_REPLICATE)
    return Shot(np.asarray(blurred, np.uint8), shot.faces)


def low_light(shot: Shot, exposure: float, rng: np.random.Generator) -> Shot:
    """``exposure`` times the light, which nothing makes up for, counted by a sensor with shot noise and read noise.

    Source: EMVA Standard 1288, linear camera model: the variance is that of the photons and of the electronics.
    """
    electrons = (shot.image.astype(np.float32) / 255) ** np.float32(GAMMA) * np.float32(FULL_WELL * exposure)
    sigma = np.sqrt(electrons + np.float32(READ_NOISE**2))
    counted = electrons + sigma * _grain(shot.image, rng)
    bright = np.clip(counted / np.float32(FULL_WELL), 0, 1) ** np.float32(1 / GAMMA)
    return Shot(np.asarray(np.rint(bright * 255), np.uint8), shot.faces)


def jpeg(shot: Shot, quality: int) -> Shot:
    """Stored as JPEG of 1 to 100 and read again."""
    _, data = cv2.imencode(".jpg", shot.image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return Shot(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8), shot.faces)


def small_face(shot: Shot, face_px: float) -> Shot:
    """A crop's face so far away that the detector's box round it is ``face_px`` wide; alignment will enlarge it."""
    share = face_px / CROP_FACE_PX
    width, height = (max(1, round(side * share)) for side in shot.image.shape[1::-1])
    image = cv2.resize(shot.image, (width, height), interpolation=cv2.INTER_AREA)
    scale = np.array([width / shot.image.shape[1], height / shot.image.shape[0]], np.float32)
    return Shot(np.asarray(image, np.uint8), _moved(shot.faces, scale))


def rolled(shot: Shot, degrees: float, detect: Detect) -> Shot:
    """The picture turned clockwise about the face, which the detector has to find again."""
    centre = (shot.faces.xyxy[0, :2] + shot.faces.xyxy[0, 2:]) / 2
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), -degrees, 1.0)
    size = shot.image.shape[1::-1]
    image = cv2.warpAffine(shot.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return detected(Shot(np.asarray(image, np.uint8), shot.faces), detect)


def missed_landmarks(shot: Shot, share: float, rng: np.random.Generator) -> Shot:
    """Landmarks off by a normal error of ``share`` of the distance of the eyes, each in x and in y."""
    points = shot.faces.landmarks
    if points is None:
        raise ValueError("a face without landmarks has none that could miss")
    eyes = float(np.hypot(*(points[0, 1] - points[0, 0])))
    moved = points + rng.normal(0, share * eyes, points.shape)
    return Shot(shot.image, Faces(shot.faces.xyxy, shot.faces.confidence, np.asarray(moved, np.float32)))


def _grain(image: ImageArray, rng: np.random.Generator) -> FloatArray:
    """(H, W, C) standard normal; one grain for all channels where the picture is grey and so was its sensor."""
    if (image[..., 0] == image[..., 2]).all():
        return rng.standard_normal((*image.shape[:2], 1), dtype=np.float32)
    return rng.standard_normal(image.shape, dtype=np.float32)


def _moved(faces: Faces, scale: FloatArray) -> Faces:
    """Faces in a picture scaled by (2,): landmarks lie on the middles of pixels, boxes between them."""
    landmarks = None if faces.landmarks is None else np.asarray((faces.landmarks + 0.5) * scale - 0.5, np.float32)
    return Faces(np.asarray(faces.xyxy * np.tile(scale, 2), np.float32), faces.confidence, landmarks)
