"""Eyebrows, hair by hair."""

from __future__ import annotations

import cv2
import numpy as np

from ffe_edge.rendered.canvas import Canvas, smooth
from ffe_edge.rendered.people import Person
from ffe_edge.types import FloatArray

_HAIRS = 110


def brow_hair(person: Person, canvas: Canvas, albedo: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The skin ``albedo`` (H, W, 3), linear BGR, with both eyebrows on it."""
    fine = Canvas(canvas.size_px * 2)
    layer, under = fine.blank(), fine.blank()
    for side in (-1.0, 1.0):
        axis = _axis(person) * np.array([side, 1.0], np.float32)
        fine.stroke(under, axis[2:-3], 255, 4.6 + 1.0 * person.shape.brow_thickness)
        for _ in range(_HAIRS):
            fine.stroke(layer, _hair(axis, side, person, rng), int(rng.uniform(120, 255)), 0.5)
    soft = 0.42 * fine.blur(under.astype(np.float32) / 255.0, 1.6)
    thick = np.clip(np.maximum(layer.astype(np.float32) / 255.0, 0.0) * 0.9 + soft, 0.0, 1.0)
    size = (canvas.size_px, canvas.size_px)
    cover = cv2.resize(thick, size, interpolation=cv2.INTER_AREA)[..., None]
    cover = cover * np.float32(0.95 - 0.22 * person.brow_grey + 0.06 * person.shape.brow_thickness)
    return np.asarray(albedo * (1.0 - cover) + cover * _colour(person), np.float32)


def _colour(person: Person) -> FloatArray:
    dark, white = np.array([34.0, 38.0, 46.0]), np.array([128.0, 132.0, 136.0])
    return np.asarray(((dark + (white - dark) * person.brow_grey) / 255.0) ** 2, np.float32)


def _axis(person: Person) -> FloatArray:
    shape = person.shape
    y = -19.5 - 1.2 * shape.brow_height + (1.5 if not person.feminine else 0.0)
    arch = 3.5 + 1.2 * shape.brow_arch + (1.0 if person.feminine else 0.0)
    return smooth([(12.0, y + 1.0), (23.0, y - arch * 0.75), (36.0, y - arch), (50.0, y + 3.0 + person.oldness)], 10)


def _hair(axis: FloatArray, side: float, person: Person, rng: np.random.Generator) -> FloatArray:
    """One hair (P, 2): upright at the inner end, along the brow farther out."""
    place = rng.uniform(0.0, 0.97)
    root = axis[int(place * (len(axis) - 1))]
    half = (2.3 + 0.5 * person.shape.brow_thickness) * (1.0 - 0.75 * max(0.0, place - 0.35) ** 1.3)
    offset = np.clip(rng.normal(0.0, 0.5), -1.0, 1.0) * half
    angle = -1.15 + 1.35 * place + 0.25 * rng.standard_normal() + 0.35 * offset / half
    length = rng.uniform(4.0, 7.0) * (1.0 + 0.4 * person.brow_grey * rng.random())
    start = root + np.array([0.0, offset])
    step = np.array([side * np.cos(angle), np.sin(angle)]) * length
    middle = start + 0.5 * step + np.array([0.0, -0.5])
    return np.asarray([start, middle, start + step], np.float32)
