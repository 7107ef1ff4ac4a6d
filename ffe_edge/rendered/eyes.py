"""Eyes: lids that open and close over a ball with iris, pupil and catch-light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ffe_edge.rendered.canvas import Canvas, Patch, patch
from ffe_edge.rendered.head import eye_x
from ffe_edge.rendered.people import Person
from ffe_edge.rendered.surface import Surface
from ffe_edge.rendered.units import unit
from ffe_edge.types import FloatArray

_HALF_WIDTH = 14.6
_IRIS = 6.0


@dataclass(frozen=True, slots=True)
class _Lids:
    """Edges of one eye over the local x of a patch, millimetres; all (1, w)."""

    along: FloatArray
    """0 at the inner corner, 1 at the outer one."""
    upper: FloatArray
    lower: FloatArray
    crease: FloatArray
    closed: float
    """0 open, 1 shut."""


def draw_eyes(surface: Surface, person: Person, units: FloatArray, gaze: tuple[float, float], canvas: Canvas) -> None:
    """Draw both eyes of a person; ``gaze`` is the shift of the irises in millimetres."""
    for side in (-1.0, 1.0):
        middle = side * eye_x(person)
        part = patch(canvas, (middle - 22.0, middle + 22.0), (-19.0, 17.0), 3)
        x = (side * part.x - eye_x(person)).astype(np.float32)
        lids = _lids(person, units, x)
        opening = _between(part, lids.upper, lids.lower, canvas) * (np.abs(x) < _HALF_WIDTH)
        _draw_lids(surface, part, lids, person, units)
        colour = _ball(part, x, lids, person, (side * gaze[0], gaze[1]))
        surface.lay_over(part, colour, np.asarray(opening, np.float32))
        _draw_lashes(surface, part, lids, person, x)


def _lids(person: Person, units: FloatArray, x: FloatArray) -> _Lids:
    shape, old = person.shape, person.oldness
    along = np.clip((x + _HALF_WIDTH) / (2 * _HALF_WIDTH), 0.0, 1.0)
    size = 1.0 + 0.08 * shape.eye_size
    line = 1.8 - along * (2.6 + 0.9 * shape.eye_tilt - 1.8 * old)
    up = (
        (5.9 - 1.3 * old) * size
        + 3.1 * unit(units, 5)
        - 1.3 * unit(units, 7)
        - 0.9 * unit(units, 6)
        - 0.6 * unit(units, 9)
        - 0.5 * unit(units, 4)
    )
    down = 4.0 * size + 0.7 * unit(units, 5) - 1.9 * unit(units, 7) - 1.7 * unit(units, 6) - 0.4 * unit(units, 12)
    closed = float(np.clip(unit(units, 43), 0.0, 1.0))
    down, up = max(down, 0.8) * (1.0 - 0.35 * closed), max(up, 1.2)
    round_up = (4 * along * (1 - along)) ** 0.62 * (1.0 + 0.22 * (0.5 - along))
    round_low = (4 * along * (1 - along)) ** 0.75 * (1.0 - 0.22 * (0.5 - along))
    lower = line + down * round_low
    upper = line - up * round_up + old * 1.1 * np.clip(along - 0.55, 0.0, 1.0) * (1.0 - unit(units, 5)) * round_up
    cross = unit(units, 4) * (1.0 - 0.7 * min(1.0, unit(units, 1)))
    plead = unit(units, 1) * (1.0 - min(1.0, unit(units, 2)))
    upper = upper + (1.9 * cross * (1.0 - along) + plead * (1.8 * along - 0.9)) * round_up
    upper = upper + (lower - upper) * closed * 0.99
    fold = 2.2 + 0.8 * shape.lid_crease - 0.9 * old + 1.5 * unit(units, 5)
    crease = line - (5.9 - 1.1 * old + 2.2 * unit(units, 5) - 0.4 * unit(units, 4)) * round_up * size - fold
    crease = crease + 1.6 * old * np.clip(along - 0.45, 0.0, 1.0) * 2.0
    edges = [np.asarray(edge, np.float32) for edge in (along, upper, lower, crease)]
    return _Lids(edges[0], edges[1], edges[2], edges[3], closed)


def _between(part: Patch, upper: FloatArray, lower: FloatArray, canvas: Canvas) -> FloatArray:
    sharp = part.factor * canvas.scale
    return np.asarray(
        np.clip((part.y - upper) * sharp + 0.5, 0.0, 1.0) * np.clip((lower - part.y) * sharp + 0.5, 0, 1), np.float32
    )


def _ball(part: Patch, x: FloatArray, lids: _Lids, person: Person, gaze: tuple[float, float]) -> FloatArray:
    """(h, w, 3) linear BGR of eyeball, iris and pupil under the shadow of the upper lid."""
    old = person.oldness
    gx, gy = gaze[0], gaze[1] - 0.3
    distance = np.hypot(x - gx, part.y - gy)
    white = np.array([0.60, 0.64, 0.68], np.float32) * np.array([1.0 - 0.10 * old, 1.0 - 0.04 * old, 1.0], np.float32)
    shade = np.clip(1.0 - (np.abs(x) / 17.0) ** 2.2, 0.25, 1.0) * (1.0 - 0.02 * np.abs(part.y))
    colour = shade[..., None] * white
    pink = np.exp(-0.5 * ((x + _HALF_WIDTH - 1.0) / 1.6) ** 2)[..., None] * np.ones_like(colour)
    colour = colour * (1.0 - 0.6 * pink) + 0.6 * pink * np.array([0.16, 0.18, 0.42], np.float32)
    iris = _edge(_IRIS - distance)[..., None]
    ring = np.clip(0.35 + 0.65 * np.exp(-0.5 * ((distance - 3.9) / 1.3) ** 2), 0.0, 1.0)[..., None]
    low = (1.0 + 0.5 * np.clip((part.y - gy) / _IRIS, -0.8, 1.0))[..., None]
    brown = np.array([0.022, 0.042, 0.095], np.float32) + old * np.array([0.02, 0.015, 0.0], np.float32)
    colour = colour * (1.0 - iris) + iris * ring * low * brown
    colour = colour * (1.0 - 0.95 * _edge(2.3 - distance)[..., None])
    colour = colour * (1.0 - 0.62 * np.exp(-np.maximum(part.y - lids.upper, 0.0) / 1.7))[..., None]
    spark = _edge(1.15 - np.hypot(part.x - part.x.mean() - gx + 1.9, part.y - gy + 2.2))
    return np.asarray(colour + 0.85 * spark[..., None], np.float32)


def _draw_lids(surface: Surface, part: Patch, lids: _Lids, person: Person, units: FloatArray) -> None:
    old = person.oldness
    inside = np.clip(np.sin(np.pi * np.clip(lids.along, 0.02, 0.98)), 0.0, 1.0) ** 0.5
    line = np.exp(-0.5 * ((part.y - lids.crease) / 0.75) ** 2) * inside
    depth = (0.30 + 0.10 * person.shape.lid_crease + 0.22 * unit(units, 5)) * (1.0 - 0.5 * lids.closed) + 0.10 * old
    above = np.exp(-np.maximum(lids.crease - part.y, 0.0) / 3.5) * (part.y < lids.crease)
    rim = np.exp(-np.maximum(part.y - lids.lower, 0.0) / 0.9) * (part.y > lids.lower) * inside
    surface.darken(part, np.asarray(1.0 - max(depth, 0.05) * line - 0.13 * above * inside - 0.16 * rim, np.float32))
    puff = 1.5 * np.exp(-0.5 * ((part.y - lids.crease + 3.0) / 2.0) ** 2) * inside * (0.5 + 0.7 * old)
    edge = 1.3 * np.exp(-0.5 * ((part.y - lids.upper + 1.3) / 1.3) ** 2) * inside
    under = 1.0 * np.exp(-0.5 * ((part.y - lids.lower - 1.8) / 1.3) ** 2) * inside
    surface.raise_by(part, np.asarray(puff + edge + under, np.float32))


def _draw_lashes(surface: Surface, part: Patch, lids: _Lids, person: Person, x: FloatArray) -> None:
    within = np.clip((_HALF_WIDTH + 1.0 * lids.along - np.abs(x)) / 1.2, 0.0, 1.0)
    thick = (1.15 if person.feminine else 0.85) * (0.55 + 0.6 * lids.along)
    top = np.exp(-0.5 * ((part.y - lids.upper + 0.15) / thick * 1.5) ** 2) * within
    bottom = np.exp(-0.5 * ((part.y - lids.lower) / 0.5) ** 2) * within * 0.38
    dark = np.broadcast_to(np.array([0.010, 0.012, 0.018], np.float32), (*top.shape, 3))
    surface.lay_over(part, dark, np.asarray(0.92 * top, np.float32))
    red = np.broadcast_to(np.array([0.09, 0.11, 0.24], np.float32), (*top.shape, 3))
    surface.lay_over(part, red, np.asarray(bottom, np.float32))


def _edge(signed: FloatArray) -> FloatArray:
    """1 inside, 0 outside of a border, soft over about half a millimetre."""
    return np.asarray(np.clip(signed * 2.0 + 0.5, 0.0, 1.0), np.float32)
