"""The mouth: lips between four curves, teeth, tongue and the dark behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ffe_edge.rendered.canvas import Canvas, Patch, patch
from ffe_edge.rendered.people import Person
from ffe_edge.rendered.surface import Surface
from ffe_edge.rendered.units import unit
from ffe_edge.types import FloatArray

_REST_Y = 67.0


@dataclass(frozen=True, slots=True)
class Mouth:
    """The form of one moment, millimetres; a gap is measured from the line between the corners."""

    half_width: float
    middle_y: float
    corner_y: float
    """Corners below (+) or above (-) the middle."""
    bend: float
    """Exponent of the line from the middle to the corners."""
    gap_up: float
    gap_down: float
    square: float
    """Exponent of the opening: 1 pointed corners, 0.4 a box."""
    upper: float
    lower: float
    """Thickness of the lips."""
    jaw: float
    """How far the lower teeth went down."""


def mouth_of(person: Person, units: FloatArray) -> Mouth:
    """Form of a person's mouth with the action units (A,)."""
    shape, old = person.shape, person.oldness
    smile, drop, part = unit(units, 12), unit(units, 26), unit(units, 25)
    stretch, tight, raised = unit(units, 20), unit(units, 23), unit(units, 10) + 0.35 * unit(units, 9)
    sad, chin = unit(units, 15), unit(units, 17)
    opened = max(part, min(1.0, 2.0 * drop) if drop > 0.1 else 0.0)
    half = (
        25.0
        + 1.3 * shape.mouth_width
        + 7.5 * smile
        + 6.0 * stretch
        - 3.0 * tight
        - 6.5 * drop * (1.0 - min(1.0, smile + raised))
    )
    sag = 0.9 * old + 0.2
    corner = sag - 9.0 * smile + 6.0 * sad + 2.6 * stretch + 1.0 * raised * (1.0 - smile) + 2.0 * chin
    thin = (1.0 - 0.38 * old) * (1.0 - 0.6 * tight) * (1.0 - 0.22 * smile) * (1.0 - 0.25 * stretch)
    plump = 1.0 + 0.16 * shape.lip_thickness + (0.1 if person.feminine else -0.05)
    return Mouth(
        half_width=max(half, 14.0),
        middle_y=_REST_Y + 1.2 * shape.mouth_height - 2.6 * chin - 2.0 * raised + 0.8 * smile,
        corner_y=corner,
        bend=1.7 + 0.9 * min(1.0, sad + chin),
        gap_up=opened * (2.6 + 2.0 * raised + 1.4 * smile + 1.2 * stretch + 2.0 * drop * (1.0 - smile)),
        gap_down=opened * (4.2 + 2.4 * stretch + 1.8 * tight + 1.5 * raised) + 18.5 * drop,
        square=0.75 - 0.35 * min(1.0, stretch + 0.6 * raised) * (1.0 - smile) - 0.25 * min(1.0, drop * (1.0 - smile)),
        upper=6.2 * thin * plump * (1.0 - 0.15 * raised),
        lower=8.2 * thin * plump * (1.0 + 0.25 * chin),
        jaw=18.0 * drop,
    )


def mouth_corners(mouth: Mouth) -> FloatArray:
    """(2, 2) float32 millimetres, image-left corner first."""
    y = mouth.middle_y + mouth.corner_y
    return np.array([(-mouth.half_width, y), (mouth.half_width, y)], np.float32)


def draw_mouth(surface: Surface, person: Person, units: FloatArray, canvas: Canvas) -> None:
    """Draw lips and what is behind them."""
    mouth = mouth_of(person, units)
    reach = mouth.half_width + 6.0
    part = patch(canvas, (-reach, reach), (44.0, 108.0 + mouth.jaw), 2)
    across = np.clip(part.x / mouth.half_width, -1.0, 1.0)
    arch = np.maximum(1.0 - across**2, 0.0)
    line = mouth.middle_y + mouth.corner_y * np.abs(across) ** mouth.bend
    inner_up = line - mouth.gap_up * arch**mouth.square
    inner_low = line + mouth.gap_down * arch**mouth.square
    bow = 1.0 - 0.24 * np.exp(-0.5 * (across / 0.10) ** 2) + 0.10 * np.exp(-0.5 * ((np.abs(across) - 0.22) / 0.12) ** 2)
    outer_up = inner_up - mouth.upper * arch**0.85 * bow
    outer_low = inner_low + mouth.lower * arch**0.75
    _draw_lips(surface, part, person, units, (outer_up, inner_up, inner_low, outer_low))
    _draw_inside(surface, part, mouth, inner_up, inner_low)
    _draw_line(surface, part, mouth, (inner_up, inner_low), across)


def _draw_lips(surface: Surface, part: Patch, person: Person, units: FloatArray, edges: tuple[FloatArray, ...]) -> None:
    outer_up, inner_up, inner_low, outer_low = edges
    upper, lower = _band(part, outer_up, inner_up, 0.7), _band(part, inner_low, outer_low, 1.0)
    skin = (np.asarray(person.skin, np.float32) / 255.0) ** 2
    rosy = np.array([0.50, 0.44, 0.80] if person.feminine else [0.58, 0.53, 0.78], np.float32)
    pale = 1.0 - (1.0 - rosy) * (1.0 - 0.25 * person.oldness)
    surface.tint(part, np.asarray(skin * pale * 0.86, np.float32), upper * np.float32(0.92))
    surface.tint(part, np.asarray(skin * pale * 1.02, np.float32), lower * np.float32(0.88))
    roll, swell = _bulge(part, outer_up, inner_up), _bulge(part, inner_low, outer_low)
    thick = np.clip((outer_low - inner_low) / 7.0, 0.0, 1.0)
    press = 1.0 - 0.6 * unit(units, 23)
    surface.raise_by(part, np.asarray((1.7 * roll * thick + 2.6 * swell * thick) * press, np.float32))
    place = (part.rows, part.columns)
    surface.gloss[place] += patch_gloss(part, lower * 0.5 + upper * 0.25)
    below = np.exp(-0.5 * ((part.y - outer_low - 2.0) / 1.8) ** 2) * np.clip(thick * 2.0, 0.0, 1.0)
    surface.darken(part, np.asarray(1.0 - 0.16 * below, np.float32))


def _bulge(part: Patch, top: FloatArray, bottom: FloatArray) -> FloatArray:
    """How far a lip swells between its edges: 0 at both, 1 in the middle."""
    across = np.clip((part.y - top) / np.maximum(bottom - top, 0.5), 0.0, 1.0)
    return np.asarray(np.clip(np.sin(np.pi * across), 0.0, 1.0) ** 0.8, np.float32)


def patch_gloss(part: Patch, wet: FloatArray) -> FloatArray:
    """Wetness of subpixels as share of mirrored light."""
    return part.shrink(wet) * np.float32(0.16)


def _draw_inside(surface: Surface, part: Patch, mouth: Mouth, upper: FloatArray, lower: FloatArray) -> None:
    if mouth.gap_up + mouth.gap_down < 0.6:
        return
    opening = _band(part, upper, lower, 0.35) * (np.abs(part.x) < mouth.half_width - 0.5)
    colour = np.empty((*opening.shape, 3), np.float32)
    colour[:] = (0.012, 0.010, 0.035)
    tongue_top = _REST_Y + 9.0 + 0.72 * mouth.jaw + 0.012 * part.x**2
    tongue = _soft((part.y - tongue_top) / 2.0) * np.exp(-0.5 * (part.x / 15.0) ** 2)
    colour += tongue[..., None] * np.array([0.10, 0.10, 0.27], np.float32)
    bottom = _REST_Y + 5.2 - 0.13 * mouth.jaw * (mouth.corner_y > -3.0) - 0.0045 * part.x**2 + mouth.corner_y * 0.25
    colour = _teeth(colour, part, _soft((bottom - part.y) / 0.5), 8.3, 0.62)
    top = _REST_Y + 8.0 + mouth.jaw - 0.004 * part.x**2
    colour = _teeth(colour, part, _soft((part.y - top) / 0.5), 5.6, 0.40)
    shadow = 1.0 - 0.65 * np.exp(-np.maximum(part.y - upper, 0.0) / 1.6)
    sides = np.clip(1.25 - 1.05 * (np.abs(part.x) / mouth.half_width) ** 2.2, 0.15, 1.0)
    surface.lay_over(
        part, np.asarray(colour * (shadow * sides)[..., None], np.float32), np.asarray(opening, np.float32)
    )


def _teeth(colour: FloatArray, part: Patch, mask: FloatArray, width: float, light: float) -> FloatArray:
    """Lay a row of teeth, each ``width`` mm wide in front and narrower at the sides."""
    turn = np.arctan(part.x / 26.0) * 26.0 / width
    gap = np.exp(-0.5 * ((turn - np.round(turn)) * width / 0.35) ** 2)
    seen = (mask * np.clip(1.15 - (np.abs(part.x) / 27.0) ** 3, 0.0, 1.0))[..., None]
    ivory = np.array([0.72, 0.86, 0.92], np.float32) * np.float32(light) * (1.0 - 0.45 * gap)[..., None]
    return np.asarray(colour * (1.0 - seen) + seen * ivory, np.float32)


def _draw_line(
    surface: Surface, part: Patch, mouth: Mouth, inner: tuple[FloatArray, FloatArray], across: FloatArray
) -> None:
    """The dark seam between the lips and the pits at the corners."""
    seam = np.exp(-0.5 * ((part.y - 0.5 * (inner[0] + inner[1])) / 0.75) ** 2)
    seam = seam * np.clip((1.04 - np.abs(part.x) / mouth.half_width) * 8.0, 0.0, 1.0)
    shut = float(np.clip(1.0 - (mouth.gap_up + mouth.gap_down) / 3.0, 0.0, 1.0))
    corner = np.exp(
        -0.5 * ((np.abs(part.x) - mouth.half_width) / 2.2) ** 2
        - 0.5 * ((part.y - mouth.middle_y - mouth.corner_y) / 1.8) ** 2
    )
    surface.darken(
        part, np.asarray(1.0 - 0.72 * seam * max(shut, 0.0) - 0.5 * corner * (1.0 - seam * shut), np.float32)
    )
    surface.raise_by(part, np.asarray(-1.2 * seam * shut - 1.6 * corner + 0.0 * across, np.float32))


def _band(part: Patch, upper: FloatArray, lower: FloatArray, soft_mm: float) -> FloatArray:
    above = np.clip((part.y - upper) / soft_mm + 0.5, 0.0, 1.0)
    return np.asarray(above * np.clip((lower - part.y) / soft_mm + 0.5, 0.0, 1.0), np.float32)


def _soft(signed: npt.NDArray[np.floating[Any]]) -> FloatArray:
    return np.asarray(np.clip(signed + 0.5, 0.0, 1.0), np.float32)
