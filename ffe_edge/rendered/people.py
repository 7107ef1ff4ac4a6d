"""Who is rendered: the parameters of one identity."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

HairStyle = Literal["perm", "bob", "parted", "swept", "thin", "bald", "bun"]
Colour = tuple[float, float, float]

_FEMININE_STYLES: tuple[HairStyle, ...] = ("perm", "perm", "perm", "bob", "swept", "bun")
_MASCULINE_STYLES: tuple[HairStyle, ...] = ("parted", "parted", "swept", "thin", "thin", "bald", "bald")
_SKINS: tuple[tuple[Colour, float], ...] = (
    ((163.0, 193.0, 228.0), 0.36),
    ((140.0, 175.0, 216.0), 0.28),
    ((172.0, 190.0, 232.0), 0.16),
    ((112.0, 148.0, 194.0), 0.11),
    ((78.0, 108.0, 156.0), 0.06),
    ((56.0, 76.0, 112.0), 0.03),
)
"""BGR of the skin in white light, with how often it is drawn; the first two are typical of East Asia."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Form of a head as standard scores: 0 is average, +-2 is rare."""

    face_width: float = 0.0
    face_length: float = 0.0
    jaw_width: float = 0.0
    chin_width: float = 0.0
    fullness: float = 0.0
    """Round cheeks (+) or hollow ones (-)."""
    eye_spacing: float = 0.0
    eye_size: float = 0.0
    eye_tilt: float = 0.0
    lid_crease: float = 0.0
    """Double eyelid (+) or single eyelid (-)."""
    brow_height: float = 0.0
    brow_thickness: float = 0.0
    brow_arch: float = 0.0
    nose_width: float = 0.0
    nose_length: float = 0.0
    nose_height: float = 0.0
    mouth_width: float = 0.0
    lip_thickness: float = 0.0
    mouth_height: float = 0.0
    wrinkles: float = 0.0
    """More (+) or fewer (-) wrinkles than the age lets expect."""
    asymmetry: float = 0.0
    """Stronger movement of the image-left (-) or image-right (+) half."""


@dataclass(frozen=True, slots=True)
class Person:
    """One identity."""

    seed: int = 0
    """Decides textures: spots, strands, where exactly a wrinkle lies."""
    age_years: float = 78.0
    feminine: bool = True
    shape: Shape = Shape()
    skin: Colour = (163.0, 193.0, 228.0)
    """BGR in [0, 255]."""
    hair: Colour = (205.0, 208.0, 210.0)
    """BGR in [0, 255]."""
    hair_style: HairStyle = "perm"
    brow_grey: float = 0.5
    """0 dark brows, 1 white ones."""
    beard: float = 0.0
    """0 shaven, 1 grey stubble."""
    glasses: int = 0
    """0 none, 1 thin metal, 2 dark rims, 3 brown rims."""
    clothes: Colour = (150.0, 120.0, 110.0)
    """BGR in [0, 255]."""
    collar: int = 0
    """0 round neck, 1 shirt, 2 cardigan."""

    @property
    def oldness(self) -> float:
        """How far age shows: 0 at 35 years or less, 1 at 85."""
        return float(np.clip((self.age_years - 35.0) / 50.0, 0.0, 1.2))


def sample_person(rng: np.random.Generator, *, age_years: tuple[float, float] = (65.0, 95.0)) -> Person:
    """Draw an identity of an age between the two given."""
    age = float(rng.uniform(*age_years))
    feminine = bool(rng.random() < 0.6)
    scores = np.clip(rng.standard_normal(len(fields(Shape))), -2.0, 2.0)
    styles = _FEMININE_STYLES if feminine else _MASCULINE_STYLES
    style = styles[int(rng.integers(len(styles)))]
    if age < 50.0 and style in ("thin", "bald", "perm"):
        style = "bob" if feminine else "parted"
    rims = int(rng.integers(1, 4)) if rng.random() < (0.3 if age > 45.0 else 0.15) else 0
    return Person(
        seed=int(rng.integers(2**31)),
        age_years=age,
        feminine=feminine,
        skin=_skin(rng),
        hair=_hair(rng, age),
        hair_style=style,
        brow_grey=float(np.clip((age - 62.0) / 36.0 + rng.normal(0.0, 0.2), 0.0, 0.75)),
        beard=0.0 if feminine else float(max(0.0, rng.normal(0.15, 0.3))),
        glasses=rims,
        clothes=_clothes(rng),
        collar=int(rng.integers(3)),
        shape=Shape(*map(float, scores)),
    )


def _skin(rng: np.random.Generator) -> Colour:
    tone = _SKINS[int(rng.choice(len(_SKINS), p=[share for _, share in _SKINS]))][0]
    lightness, warmth = rng.normal(1.0, 0.05), rng.normal(0.0, 4.0)
    return _colour(tone[0] * lightness - warmth, tone[1] * lightness, tone[2] * lightness + 0.5 * warmth)


def _hair(rng: np.random.Generator, age: float) -> Colour:
    grey = float(np.clip((age - 46.0) / 24.0 + rng.normal(0.0, 0.25), 0.0, 1.0))
    if age > 55.0 and rng.random() < 0.09:
        return _colour(46.0 + rng.normal(0, 5), 56.0 + rng.normal(0, 5), 74.0 + rng.normal(0, 6))
    dark = np.array([34.0, 36.0, 42.0]) + rng.uniform(0.0, 14.0)
    white = np.array([206.0, 208.0, 210.0]) + rng.normal(0.0, 10.0)
    mixed = dark + (white - dark) * grey
    return _colour(mixed[0], mixed[1], mixed[2])


def _clothes(rng: np.random.Generator) -> Colour:
    value = rng.uniform(70.0, 200.0)
    tint = rng.normal(0.0, 26.0, 3)
    return _colour(value + tint[0], value + tint[1], value + tint[2])


def _colour(blue: float, green: float, red: float) -> Colour:
    return (float(np.clip(blue, 8, 250)), float(np.clip(green, 8, 250)), float(np.clip(red, 8, 250)))
