"""Neck, shoulders and clothes."""

from __future__ import annotations

import numpy as np

from ffe_edge.rendered.canvas import Canvas, mirrored, noise, smooth
from ffe_edge.rendered.people import Person
from ffe_edge.rendered.surface import Surface
from ffe_edge.types import FloatArray


def body(person: Person, canvas: Canvas) -> Surface:
    """What carries the head, in the picture's plane."""
    rng = np.random.default_rng(person.seed + 2)
    size, slim = canvas.size_px, 3.0 if person.feminine else -1.0
    neck = _closed(
        canvas, [(0, 40), (50 - slim, 40), (47 - slim, 96), (50 - slim, 122), (62, 136), (70, 170), (0, 170)]
    )
    coat = _closed(
        canvas,
        [
            (0, 166),
            (0, 152 - 8 * (person.collar == 0)),
            (30, 138),
            (51 - slim, 122),
            (60, 121),
            (92, 131),
            (122, 143),
            (132, 158),
            (136, 172),
        ],
    )
    mane = neck * 0.0
    if person.hair_style == "bob":
        mane = _closed(canvas, [(0, 0), (84, 0), (83, 60), (74, 98), (56, 108), (0, 110)])
    skin = _neck_colour(person, canvas, rng)
    cloth = _cloth_colour(person, canvas, rng)
    behind = 0.22 * (np.asarray(person.hair, np.float32) / 255.0) ** 2
    mixed = behind * (1.0 - neck[..., None]) + skin * neck[..., None]
    mixed = mixed * (1.0 - coat[..., None]) + cloth * coat[..., None]
    folds = noise(rng, size, 7) * 2.5 + 0.5 * noise(rng, size, 16)
    column = 40.0 * np.sqrt(np.maximum(0.05, 1.0 - (canvas.x / 58.0) ** 2)) - 30.0
    cords = 1.3 * person.oldness * (canvas.pair(15.0, 125.0, 3.0, 22.0) + canvas.bump(0.0, 122.0, 4.0, 9.0))
    chest = 13.0 - 34.0 * (canvas.x / 140.0) ** 2 + folds
    height = (column + cords) * (1.0 - coat) + chest * coat
    alpha = np.maximum(np.maximum(neck, coat), mane)
    zeros = np.zeros((size, size), np.float32)
    layers = (alpha, height, mixed, zeros, np.zeros((size, size, 3), np.float32), zeros)
    return Surface(*(np.ascontiguousarray(layer, np.float32) for layer in layers))


def _closed(canvas: Canvas, half: list[tuple[float, float]]) -> FloatArray:
    layer = canvas.blank()
    curve = smooth(half)
    canvas.fill(layer, curve)
    canvas.fill(layer, mirrored(curve))
    return canvas.blur(np.asarray(layer.astype(np.float32) / 255.0, np.float32), 0.6)


def _neck_colour(person: Person, canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    skin = (np.asarray(person.skin, np.float32) / 255.0) ** 2
    under = 0.62 * np.exp(-0.5 * ((canvas.y - 104.0 + 0.006 * canvas.x**2) / 15.0) ** 2)
    creases = sum(
        0.25 * person.oldness * np.exp(-0.5 * ((canvas.y - at + 0.004 * canvas.x**2) / 1.0) ** 2)
        for at in rng.uniform(120.0, 150.0, 3)
    )
    red = 1.0 - np.clip(under + creases + 0.05 * noise(rng, canvas.size_px, 30), 0.0, 0.85)
    return np.asarray(skin * red[..., None] ** np.array([1.1, 1.05, 0.9], np.float32), np.float32)


def _cloth_colour(person: Person, canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    cloth = (np.asarray(person.clothes, np.float32) / 255.0) ** 2
    weave = 1.0 + 0.02 * rng.standard_normal((canvas.size_px, canvas.size_px)).astype(np.float32)
    colour = cloth * weave[..., None]
    if person.collar == 0:
        return np.asarray(colour, np.float32)
    if person.collar == 1:
        part = _closed(canvas, [(2, 153), (18, 146), (34, 134), (50, 121), (58, 124), (50, 138), (28, 160), (20, 163)])
        shirt = np.clip(cloth * 1.25 + 0.04, 0.0, 0.9)
    else:
        part = _closed(canvas, [(0, 150), (28, 138), (44, 128), (34, 146), (20, 172), (0, 172)])
        shirt = np.array([0.62, 0.64, 0.66], np.float32)
    hem = 1.0 - 0.35 * np.clip(4.0 * part * (1.0 - part), 0.0, 1.0)[..., None]
    mixed = colour * (1.0 - part[..., None]) + shirt * weave[..., None] * part[..., None]
    return np.asarray(mixed * hem, np.float32)
