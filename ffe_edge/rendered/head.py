"""The head at rest: its outline, its relief and the colour of its skin."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ffe_edge.rendered.brows import brow_hair
from ffe_edge.rendered.canvas import Canvas, noise, smooth
from ffe_edge.rendered.people import Person
from ffe_edge.types import FloatArray

_CENTRE_Y = 5.0
EYE_X = 31.0


@dataclass(frozen=True, slots=True)
class Head:
    """What does not change with the expression. All layers (H, W) float32."""

    alpha: FloatArray
    """1 inside the head."""
    height: FloatArray
    """Millimetres towards the camera."""
    albedo: FloatArray
    """(H, W, 3) linear BGR in [0, 1]."""
    depth: FloatArray
    """Smooth height for parallax, millimetres."""


def eye_x(person: Person) -> float:
    """Distance of an eye from the middle of the face, millimetres."""
    return EYE_X + 1.2 * person.shape.eye_spacing


def outline(person: Person) -> FloatArray:
    """Closed outline of skull and jaw, (P, 2) float32 millimetres."""
    shape, old = person.shape, person.oldness
    wide = 67.0 + 2.5 * shape.face_width + 1.5 * shape.fullness
    jaw = 56.0 + 2.5 * shape.jaw_width + 2.5 * shape.fullness + 3.0 * old - (3.0 if person.feminine else -1.0)
    chin = 27.0 + 2.5 * shape.chin_width + (0.0 if person.feminine else 2.5)
    low = 114.0 + 3.5 * shape.face_length - (2.0 if person.feminine else -2.0)
    sag = 2.5 * old + 1.2 * shape.fullness
    half = [
        (0.0, -107.0),
        (23.0, -104.0),
        (43.0, -92.0),
        (56.0, -72.0),
        (wide - 3.0, -46.0),
        (wide, -20.0),
        (wide + 0.5, 6.0),
        (wide - 3.0, 34.0),
        (jaw + 1.0, 62.0),
        (jaw - 13.0 + sag, 88.0),
        (chin + 1.0 + 0.5 * sag, low - 8.0),
        (chin * 0.5, low - 1.0),
        (0.0, low),
    ]
    left = [(-x, y) for x, y in reversed(half[1:-1])]
    return smooth([*half, *left, half[0]], 8)


def head(person: Person, canvas: Canvas) -> Head:
    """The head of a person with a resting face."""
    rng = np.random.default_rng(person.seed)
    radius = _radius(outline(person), canvas)
    inside = np.clip((1.0 - radius) * 62.0 * canvas.scale + 0.5, 0.0, 1.0)
    ears = _ears(canvas)
    alpha = np.maximum(inside, np.clip(ears * 8.0, 0.0, 1.0))
    far = np.minimum(radius, 1.12)
    dome = 62.0 * (1.0 - 0.55 * far**2 - 0.45 * far**4)
    height = dome + _relief(person, canvas) * np.clip((1.0 - radius) * 5.0, 0.0, 1.0)
    height = np.where((inside > 0.5) | (ears <= 0.0), height, 6.0 + 8.0 * ears)
    height = height + 0.04 * noise(rng, canvas.size_px, canvas.size_px // 2) + _creases(person, canvas, rng)
    albedo = _skin(person, canvas, rng)
    depth = 60.0 * np.exp(-0.5 * (radius / 0.72) ** 2) + 13.0 * canvas.bump(0.0, 36.0, 10.0, 14.0)
    layers = (alpha, height, albedo, canvas.blur(np.asarray(depth, np.float32), 2.0))
    return Head(*(np.ascontiguousarray(layer, np.float32) for layer in layers))


def _radius(border: FloatArray, canvas: Canvas) -> FloatArray:
    """Distance from the middle of the head as a share of the distance of the outline."""
    angles = np.arctan2(border[:-1, 1] - _CENTRE_Y, border[:-1, 0])
    reach = np.hypot(border[:-1, 0], border[:-1, 1] - _CENTRE_Y)
    angle, distance = np.arctan2(canvas.y - _CENTRE_Y, canvas.x), np.hypot(canvas.x, canvas.y - _CENTRE_Y)
    order = np.argsort(angles)
    limit = np.interp(angle.ravel(), angles[order], reach[order], period=2 * np.pi).reshape(angle.shape)
    return np.asarray(distance / limit, np.float32)


def _ears(canvas: Canvas) -> FloatArray:
    x, y = np.abs(canvas.x) - 71.0 - 0.06 * (10.0 - canvas.y), canvas.y - 12.0
    dome = np.maximum(0.0, 1.0 - (x / 9.5) ** 2 - (y / (25.0)) ** 2)
    hollow = np.exp(-0.5 * ((x - 0.5) / 3.5) ** 2 - 0.5 * ((y + 2.0) / 11.0) ** 2)
    return np.asarray(np.sqrt(dome) * (1.0 - 0.45 * hollow), np.float32)


def _relief(person: Person, canvas: Canvas) -> FloatArray:
    """Height of the features over the dome, millimetres."""
    shape, old, eye = person.shape, person.oldness, eye_x(person)
    strong = 0.7 if person.feminine else 1.25
    hollow = np.clip(0.5 * old - 0.5 * shape.fullness, 0.0, 1.6)
    height = 2.4 * strong * canvas.pair(24.0, -16.0, 16.0, 5.5) + 1.5 * canvas.bump(0.0, -14.0, 10.0, 7.0)
    height -= (7.0 + 2.0 * old) * canvas.pair(eye - 2.0, -3.0, 15.0, 8.5)
    height += 4.6 * canvas.pair(eye, 0.0, 10.5, 7.5)
    height += (4.0 + 0.8 * shape.fullness) * canvas.pair(44.0, 28.0, 16.0, 12.0)
    height -= 3.2 * hollow * canvas.pair(47.0, 60.0, 9.0, 17.0) + (1.0 + 2.5 * old) * canvas.pair(
        62.0, -28.0, 9.0, 15.0
    )
    height += 5.5 * canvas.bump(0.0, 68.0, 25.0, 17.0) - 1.0 * canvas.bump(0.0, 55.0, 2.4, 6.0)
    height += 5.5 * canvas.bump(0.0, 103.0, 14.0, 8.5) - 3.2 * canvas.bump(0.0, 88.5, 17.0, 3.8)
    height += (4.6 * old + 1.0 * shape.fullness) * canvas.pair(42.0, 91.0, 8.5, 11.0)
    height -= 3.0 * old * canvas.pair(28.0, 98.0, 4.5, 9.0)
    height += (3.0 * old + 0.3) * canvas.pair(eye, 13.0, 11.0, 3.8) - 2.6 * old * canvas.pair(
        eye - 4.0, 20.5, 13.0, 2.8
    )
    height += 2.2 * old * canvas.pair(eye + 4.0, -9.0, 12.0, 3.2)
    return np.asarray(height + _nose(person, canvas), np.float32)


def _creases(person: Person, canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """The slack, finely wrinkled skin of old cheeks, millimetres."""
    fine = cv2.resize(
        rng.standard_normal((70, 34)).astype(np.float32),
        (canvas.size_px, canvas.size_px),
        interpolation=cv2.INTER_CUBIC,
    )
    slack = 0.45 * noise(rng, canvas.size_px, 20)
    where = canvas.pair(44.0, 50.0, 18.0, 30.0) + 0.4 * canvas.bump(0.0, 10.0, 60.0, 60.0)
    return np.asarray(person.oldness**2 * where * (0.20 * np.rot90(fine) + slack), np.float32)


def _nose(person: Person, canvas: Canvas) -> FloatArray:
    shape = person.shape
    wide, tip = 1.0 + 0.09 * shape.nose_width, 37.0 + 2.0 * shape.nose_length
    tall = 1.0 + 0.12 * shape.nose_height
    along = np.clip((canvas.y + 12.0) / (tip + 12.0), 0.0, 1.0)
    end = np.where(canvas.y > tip, np.exp(-0.5 * ((canvas.y - tip) / 6.6) ** 2), 1.0)
    start = np.clip((canvas.y + 16.0) / 14.0, 0.0, 1.0)
    bridge = (4.5 + 11.0 * along**1.3) * start * end * np.exp(-0.5 * (canvas.x / (wide * (5.2 + 3.4 * along))) ** 2)
    wings = 6.6 * canvas.pair(12.6 * wide, tip + 5.5, 4.6 * wide, 4.6)
    ball = 4.2 * canvas.bump(0.0, tip + 1.0, 7.6 * wide, 6.4)
    holes = 3.0 * canvas.pair(6.3 * wide, tip + 9.6, 2.6, 1.5)
    crease = 3.6 * canvas.pair(17.8 * wide, tip + 5.0, 2.2, 5.0)
    return np.asarray(tall * bridge + wings + ball - holes - crease, np.float32)


def _skin(person: Person, canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """(H, W, 3) linear BGR."""
    size, old, eye = canvas.size_px, person.oldness, eye_x(person)
    albedo = np.empty((size, size, 3), np.float32)
    albedo[:] = (np.asarray(person.skin, np.float32) / 255.0) ** 2
    red = 0.5 * canvas.pair(42.0, 34.0, 17.0, 14.0) + 0.55 * canvas.bump(0.0, 40.0, 12.0, 8.0)
    red += 0.3 * canvas.bump(0.0, 104.0, 12.0, 8.0) + 0.5 * canvas.pair(74.0, 12.0, 8.0, 22.0)
    red += 0.10 * noise(rng, size, 14) + 0.10 * old * noise(rng, size, 40)
    brown = (
        0.10 * noise(rng, size, 9) + 0.35 * canvas.pair(eye, 8.0, 15.0, 5.0) + 1.6 * canvas.pair(eye, -4.0, 17.0, 9.5)
    )
    brown += 0.35 * canvas.pair(15.5, 43.0 + 2.0 * person.shape.nose_length, 2.0, 4.5) + 0.4 * canvas.bump(
        0.0, 50.0, 9.0, 2.2
    )
    brown += old * _spots(canvas, rng, int(26 * max(0.0, old - 0.2)))
    holes = canvas.pair(6.2, 46.6 + 2.0 * person.shape.nose_length, 2.9, 1.5)
    beard = (person.beard + (0.0 if person.feminine else 0.12)) * _beard(canvas)
    albedo *= 1.0 - red[..., None] * np.array([0.20, 0.22, 0.04], np.float32)
    albedo *= np.clip(1.0 - brown[..., None] * np.array([0.42, 0.36, 0.29], np.float32), 0.2, 1.1)
    albedo *= 1.0 - np.clip(holes, 0.0, 1.0)[..., None] * np.array([0.86, 0.84, 0.74], np.float32)
    albedo *= 1.0 + 0.36 * canvas.pair(40.0, 30.0, 15.0, 13.0)[..., None]
    grain = 1.0 + 0.45 * rng.standard_normal((size, size, 1)).astype(np.float32)
    albedo *= 1.0 - np.clip(beard[..., None] * grain, 0.0, 0.6) * np.array([0.50, 0.55, 0.62], np.float32)
    return brow_hair(person, canvas, np.clip(albedo, 0.005, 1.0), rng)


def _spots(canvas: Canvas, rng: np.random.Generator, count: int) -> FloatArray:
    layer = canvas.blank()
    for _ in range(count):
        x, y = rng.choice([-1.0, 1.0]) * rng.uniform(10.0, 62.0), rng.uniform(-95.0, 90.0)
        radius = float(np.clip(rng.lognormal(0.5, 0.5), 0.9, 5.0))
        turn = np.linspace(0.0, 2 * np.pi, 12, dtype=np.float32)
        wobble = radius * (1.0 + 0.25 * rng.standard_normal(12))
        blob = np.stack([x + wobble * np.cos(turn), y + 0.8 * wobble * np.sin(turn)], 1).astype(np.float32)
        mark = canvas.blank()
        canvas.fill(mark, blob, int(rng.uniform(60, 200)))
        layer = np.maximum(layer, mark)
    return canvas.blur(layer.astype(np.float32) / 255.0, 0.8)


def _beard(canvas: Canvas) -> FloatArray:
    low = np.clip((canvas.y - 48.0 - 0.012 * (canvas.x**2 - 400.0)) / 14.0, 0.0, 1.0)
    side = np.clip((np.abs(canvas.x) - 50.0) / 8.0, 0.0, 1.0) * np.clip((canvas.y - 10.0) / 20.0, 0.0, 1.0)
    return np.asarray(np.maximum(low * (1.0 - 0.5 * side), 0.6 * side), np.float32)


def shrunk(layer: FloatArray, canvas: Canvas) -> FloatArray:
    """A larger layer averaged to the canvas."""
    size = (canvas.size_px, canvas.size_px)
    return np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.float32)
