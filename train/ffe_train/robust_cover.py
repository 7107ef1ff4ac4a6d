"""What lies before a face: a surgical mask, glasses, sunglasses, a hand. Drawn on aligned crops of 112 px.

Everything is placed by the landmarks of the template, takes the brightness of the face, and the colour out of itself
where the picture is grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from ffe_edge.align import CROP_PX, TEMPLATE
from ffe_edge.types import FloatArray, ImageArray
from ffe_train.cropping import GREY
from ffe_train.robust_faces import Shot

Point = tuple[float, float]
Colour = tuple[float, float, float]
DoubleArray = npt.NDArray[np.float64]

FINE: Final = 4
"""Times as fine is drawn, for soft edges."""
USUAL: Final = 140.0
"""Grey level of a well-lit face, at which a colour looks as it is given."""

MASK_BLUE: Final[Colour] = (214.0, 190.0, 150.0)
MASK_FOLD: Final[Colour] = (190.0, 164.0, 122.0)
MASK_STRAP: Final[Colour] = (226.0, 226.0, 222.0)
MASK: Final[tuple[Point, ...]] = (
    (56, 61.5), (64, 63), (76, 67.5), (91, 71), (89, 90), (83, 103), (71, 113), (56, 116), (41, 113), (29, 103),
    (23, 90), (21, 71), (36, 67.5), (48, 63),
)  # fmt: skip
"""Bridge of the nose, image-right cheek, chin, image-left cheek."""
RIM: Final[Colour] = (34.0, 30.0, 28.0)
DARK: Final[Colour] = (26.0, 22.0, 20.0)
FINGERS: Final = 4
HAND_PLACES: Final[tuple[tuple[Point, float], ...]] = (
    ((22, 106), 50), ((90, 106), 130), ((14, 88), 68), ((98, 88), 112),
)  # fmt: skip
"""Middle of the palm, and where the fingers point to, degrees above the image's right."""


class _Sheet:
    """Something drawn that is laid over a crop: colour (H, W, 3) and opacity (H, W), four times as fine."""

    def __init__(self) -> None:
        self.colour: FloatArray = np.zeros((CROP_PX * FINE, CROP_PX * FINE, 3), np.float32)
        self.cover: FloatArray = np.zeros(self.colour.shape[:2], np.float32)

    def fill(self, points: Sequence[Point], colour: Colour, opacity: float = 1.0) -> None:
        """An area."""
        corners = [_fine(points)]
        cv2.fillPoly(self.colour, corners, colour)
        cv2.fillPoly(self.cover, corners, opacity)

    def stroke(self, points: Sequence[Point], colour: Colour, width_px: float, *, is_closed: bool = False) -> None:
        """A line with round ends."""
        line = [_fine(points)]
        cv2.polylines(self.colour, line, is_closed, colour, round(width_px * FINE))
        cv2.polylines(self.cover, line, is_closed, 1.0, round(width_px * FINE))

    def over(self, shot: Shot, light: float | None = None) -> Shot:
        """The crop with this before it, in the face's own light or in the one given."""
        image, size = shot.image.astype(np.float32), (CROP_PX, CROP_PX)
        cover = cv2.resize(self.cover, size, interpolation=cv2.INTER_AREA)[..., None]
        drawn = cv2.resize(self.colour * self.cover[..., None], size, interpolation=cv2.INTER_AREA)
        if float(np.ptp(image, axis=2).mean()) <= GREY:
            drawn = np.repeat(drawn.mean(axis=2, keepdims=True), 3, axis=2)
        mixed = image * (1 - cover) + drawn * (_light(image) if light is None else light)
        return Shot(np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8), shot.faces)


def mask(shot: Shot) -> Shot:
    """A surgical mask over nose, mouth and chin."""
    sheet = _Sheet()
    for strap in (((23, 73), (2, 60)), ((89, 73), (110, 60)), ((27, 100), (3, 92)), ((85, 100), (109, 92))):
        sheet.stroke(strap, MASK_STRAP, 1.6)
    sheet.fill(MASK, MASK_BLUE)
    for y in (77.0, 86.0, 95.0):
        sheet.stroke([(25 + (y - 77) / 6, y - 2), (56, y + 2.5), (87 - (y - 77) / 6, y - 2)], MASK_FOLD, 1.0)
    sheet.stroke(MASK, MASK_FOLD, 0.8, is_closed=True)
    return sheet.over(shot)


def glasses(shot: Shot) -> Shot:
    """Dark rims round clear lenses that glare a little."""
    sheet = _Sheet()
    for eye in _eyes():
        sheet.fill(_lens(eye, 15.0, 11.5), (235.0, 232.0, 228.0), 0.10)
        x, y = eye
        sheet.fill([(x - 8, y + 1), (x - 2, y - 8), (x + 1, y - 8), (x - 5, y + 2)], (250.0, 250.0, 250.0), 0.35)
    _rims(sheet, 15.0, 11.5, 2.2)
    return sheet.over(shot)


def sunglasses(shot: Shot) -> Shot:
    """Lenses that let next to nothing through."""
    sheet = _Sheet()
    for eye in _eyes():
        sheet.fill(_lens(eye, 16.5, 13.5), DARK, 0.96)
    _rims(sheet, 16.5, 13.5, 1.8)
    return sheet.over(shot)


def hand(shot: Shot, rng: np.random.Generator) -> Shot:
    """The person's own hand, as large as a hand is, before the mouth or before an eye."""
    (x, y), degrees = HAND_PLACES[int(rng.integers(len(HAND_PLACES)))]
    shift, turn = rng.uniform(-4, 4, 2), np.radians(degrees + rng.uniform(-8, 8))
    ahead, across = np.array([np.cos(turn), -np.sin(turn)]), np.array([np.sin(turn), np.cos(turn)])
    palm = np.array([x, y]) + shift
    skin = _skin(shot.image)
    edge = skin[0] * 0.62, skin[1] * 0.62, skin[2] * 0.66
    sheet = _Sheet()
    for widen, colour in ((2.0, edge), (0.0, skin)):
        sheet.stroke(_line(palm - 10 * ahead, palm + 6 * ahead), colour, 40 + widen)
    for number in range(FINGERS):
        base = palm + (number - 1.5) * 10.4 * across + 14 * ahead
        tip = base + (44, 52, 50, 40)[number] * ahead + (number - 1.5) * 2 * across
        for widen, colour in ((1.6, edge), (0.0, skin)):
            sheet.stroke(_line(base, tip), colour, 9.4 + widen)
    return sheet.over(shot, light=1.0)


def _fine(points: Sequence[Point]) -> npt.NDArray[np.int32]:
    return np.rint((np.asarray(points, np.float64) + 0.5) * FINE - 0.5).astype(np.int32)


def _line(begin: DoubleArray, end: DoubleArray) -> tuple[Point, Point]:
    return (float(begin[0]), float(begin[1])), (float(end[0]), float(end[1]))


def _eyes() -> tuple[Point, Point]:
    """Middles of the lenses."""
    left, right = (tuple(map(float, point)) for point in TEMPLATE[:2])
    return (left[0] - 1, left[1] + 1.5), (right[0] + 1, right[1] + 1.5)


def _lens(middle: Point, wide: float, high: float) -> list[Point]:
    """A rounded rectangle of these half sides."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x, y = (np.sign(wave) * np.abs(wave) ** 0.7 for wave in (np.cos(turn), np.sin(turn)))
    return [(middle[0] + wide * float(a), middle[1] + high * float(b)) for a, b in zip(x, y, strict=True)]


def _rims(sheet: _Sheet, wide: float, high: float, width_px: float) -> None:
    """Round both lenses, over the nose and to the ears."""
    (left, y), (right, _) = _eyes()
    for eye in _eyes():
        sheet.stroke(_lens(eye, wide, high), RIM, width_px, is_closed=True)
    sheet.stroke([(left + wide, y - 3), (56, y - 5), (right - wide, y - 3)], RIM, width_px)
    sheet.stroke([(left - wide, y - 4), (3, y - 7)], RIM, width_px)
    sheet.stroke([(right + wide, y - 4), (109, y - 7)], RIM, width_px)


def _light(image: FloatArray) -> float:
    """How bright the middle of the face is, 1 as usual."""
    return float(np.clip(image[40:90, 30:82].mean() / USUAL, 0.25, 1.15))


def _skin(image: ImageArray) -> Colour:
    """Median of both cheeks."""
    cheeks = np.concatenate([image[64:80, 28:42].reshape(-1, 3), image[64:80, 70:84].reshape(-1, 3)])
    blue, green, red = np.median(cheeks, axis=0).tolist()
    return blue, green, red
