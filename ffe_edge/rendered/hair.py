"""Hair, drawn strand by strand over the skull."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ffe_edge.rendered.canvas import Canvas, Points, mirrored, noise, smooth
from ffe_edge.rendered.people import HairStyle, Person
from ffe_edge.types import FloatArray

_SILHOUETTES: dict[HairStyle, tuple[Points, Points]] = {
    # outer edge from the crown down, inner edge from below up to the hairline; right half, millimetres
    "perm": (
        ((0, -118), (38, -115), (68, -98), (86, -68), (92, -32), (88, 0), (80, 26)),
        ((70, 24), (69, 0), (66, -22), (57, -43), (40, -57), (18, -62), (0, -61)),
    ),
    "bob": (
        ((0, -114), (38, -109), (66, -90), (81, -52), (86, 0), (88, 48), (83, 84)),
        ((62, 88), (67, 50), (68, 10), (65, -20), (54, -40), (28, -48), (0, -50)),
    ),
    "parted": (
        ((0, -113), (36, -109), (60, -90), (73, -56), (77, -22), (75, 2)),
        ((69, 6), (67, -22), (60, -42), (51, -57), (30, -64), (0, -66)),
    ),
    "swept": (
        ((0, -117), (38, -112), (66, -92), (80, -56), (83, -18), (79, 14)),
        ((70, 14), (68, -20), (61, -44), (50, -61), (26, -70), (0, -68)),
    ),
    "thin": (
        ((0, -109), (34, -104), (58, -84), (71, -52), (76, -20), (74, 4)),
        ((69, 7), (67, -20), (62, -44), (55, -64), (32, -77), (0, -80)),
    ),
    "bald": (((60, -74), (68, -60), (73, -44), (77, -18), (74, 8)), ((69, 10), (67, -16), (64, -40), (60, -60))),
    "bun": (
        ((0, -109), (35, -104), (60, -83), (71, -46), (74, -12)),
        ((68, -4), (66, -24), (58, -46), (32, -64), (0, -68)),
    ),
}


@dataclass(frozen=True, slots=True)
class Hair:
    """Hair in the head plane, layers (H, W) float32."""

    alpha: FloatArray
    soft: FloatArray
    """Opacity blurred: where the hair's volume begins."""
    height: FloatArray
    """Millimetres."""
    albedo: FloatArray
    """(H, W, 3) linear BGR."""


def hair(person: Person, canvas: Canvas) -> Hair:
    """The hair of a person."""
    rng = np.random.default_rng(person.seed + 1)
    lumps = canvas.blur(noise(rng, canvas.size_px, 24), 1.5)
    flow = _combed(person, canvas, rng)
    if person.hair_style == "perm":
        flow = _unit(flow + 1.1 * _swirl(lumps))
    strands = _strands(flow, rng, 1.1)
    locks = _strands(flow, rng, 2.6 * canvas.scale)
    mask = _mask(person, canvas)
    alpha = np.clip((canvas.blur(mask, 2.4) - 0.5) * 2.6 + 0.5 + 0.28 * strands + 0.15 * locks, 0.0, 1.0)
    alpha = alpha * np.clip(canvas.blur(mask, 3.0) * 5.0 - 0.5, 0.0, 1.0)
    if person.hair_style in ("thin", "bald"):
        sparse = np.clip(0.62 + 0.35 * strands + 0.2 * locks - 0.25 * (canvas.y < -40.0), 0.0, 1.0)
        alpha = alpha * sparse
    height = _dome(canvas) + 0.45 * locks + (1.6 * lumps if person.hair_style == "perm" else 0.0)
    soft = canvas.blur(np.asarray(alpha, np.float32), 2.0)
    albedo = _colour(person, strands, locks)
    return Hair(*(np.ascontiguousarray(part, np.float32) for part in (alpha, soft, height, albedo)))


def _dome(canvas: Canvas) -> FloatArray:
    """(H, W) float32 millimetres: the crown the hair lies on."""
    share = 1.0 - (canvas.x / 99.0) ** 2 - ((canvas.y + 10.0) / 121.0) ** 2
    return np.asarray(60.0 * np.sqrt(np.maximum(0.05, share)), np.float32)


def _colour(person: Person, strands: FloatArray, locks: FloatArray) -> FloatArray:
    """(H, W, 3) linear BGR; grey hair is a mixture of white and dark strands."""
    colour = np.asarray(person.hair, np.float32) / 255.0
    contrast = 0.09 + 0.06 * np.sin(np.pi * float(colour.mean()))
    bright = np.clip(0.92 + contrast * (strands + 0.7 * locks), 0.3, 1.5)
    return np.asarray(np.clip(colour * bright[..., None], 0.02, 0.97) ** 2, np.float32)


def _mask(person: Person, canvas: Canvas) -> FloatArray:
    outer, inner = _SILHOUETTES[person.hair_style]
    layer = canvas.blank()
    half = np.concatenate([smooth(outer), smooth(inner)])
    wide = np.array([1.0 + 0.035 * person.shape.face_width + 0.015 * person.shape.fullness, 1.0], np.float32)
    canvas.fill(layer, half * wide)
    canvas.fill(layer, mirrored(half) * wide)
    if person.hair_style == "bun":
        turn = np.linspace(0, 2 * np.pi, 24, dtype=np.float32)
        canvas.fill(layer, np.stack([20 * np.cos(turn), -108 + 14 * np.sin(turn)], 1))
    return np.asarray(layer.astype(np.float32) / 255.0, np.float32)


def _swirl(lumps: FloatArray) -> FloatArray:
    """(H, W, 2) unit directions round the lumps: the curls of a perm."""
    x = cv2.Scharr(lumps, cv2.CV_32F, 1, 0)
    y = cv2.Scharr(lumps, cv2.CV_32F, 0, 1)
    return _unit(np.stack([-y, x], -1))


def _combed(person: Person, canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """(H, W, 2) unit directions from the parting over the skull and down."""
    back = person.hair_style in ("swept", "bun")
    parting = (0.0, -70.0) if back else (float(rng.choice([-1.0, 1.0]) * rng.uniform(14.0, 28.0)), -88.0)
    fall = 0.0 if back else 0.8 if person.hair_style in ("bob", "bald") else 0.3
    away = np.stack(np.broadcast_arrays(canvas.x - parting[0], canvas.y - parting[1]), -1)
    wave = noise(rng, canvas.size_px, 9) * 0.16
    heading = _unit(np.asarray(away, np.float32)) + np.array([0.0, fall], np.float32)
    turned = np.stack([heading[..., 0] - wave * heading[..., 1], heading[..., 1] + wave * heading[..., 0]], -1)
    return _unit(np.asarray(turned, np.float32))


def _unit(field: FloatArray) -> FloatArray:
    return np.asarray(field / np.maximum(np.linalg.norm(field, axis=-1, keepdims=True), 1e-6), np.float32)


def _strands(flow: FloatArray, rng: np.random.Generator, width_px: float) -> FloatArray:
    """(H, W) float32 of unit variance, smeared along the flow.

    Source: Cabral & Leedom, Imaging vector fields using line integral convolution, SIGGRAPH 1993.
    """
    size = len(flow)
    grain = rng.standard_normal((size, size)).astype(np.float32)
    if width_px > 1.5:
        grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), width_px / 2.0), np.float32)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    total = grain.copy()
    for direction in (-1.0, 1.0):
        x, y = columns, rows
        for _ in range(8):
            along = cv2.remap(flow, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            x, y = x + direction * 1.4 * along[..., 0], y + direction * 1.4 * along[..., 1]
            total += cv2.remap(grain, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray((total - total.mean()) / total.std(), np.float32)
