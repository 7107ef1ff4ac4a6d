"""Light on a relief: from height and albedo to colour."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ffe_edge.rendered.canvas import Canvas
from ffe_edge.rendered.surface import Surface
from ffe_edge.types import FloatArray

_WRAP = np.array([0.06, 0.10, 0.24], np.float32)
"""How far light bleeds round a form, BGR: skin lets red through."""


@dataclass(frozen=True, slots=True)
class Light:
    """One lamp and the room's light. Colours are linear BGR."""

    direction: FloatArray
    """(3,) unit vector towards the lamp: x right, y down, z to the camera."""
    strength: float
    ambient: float
    colour: FloatArray
    """(3,) of the lamp."""


def shade(surface: Surface, light: Light, canvas: Canvas) -> FloatArray:
    """(H, W, 3) float32 linear BGR of the lit surface."""
    height = surface.height * np.float32(canvas.scale)
    normal_z, facing, mirrored, up = _angles(height, light)
    room = _occlusion(surface.height, canvas) * (light.ambient * (0.82 - 0.18 * up))
    lamp = light.colour * np.float32(light.strength)
    shadow = _cast_shadow(surface.height, light, canvas)
    gleam = surface.gloss * mirrored * shadow
    bare = (1.0 - surface.cover) * (0.82 + 0.18 * normal_z)
    level = np.sqrt(light.colour) * np.float32(light.ambient * 0.8 + 0.62 * light.strength)
    planes = []
    for albedo, over, wrap, beam, dim in zip(
        cv2.split(surface.albedo), cv2.split(surface.overlay), _WRAP, lamp, level, strict=True
    ):
        diffuse = np.maximum((facing + wrap) * (beam / (1.0 + wrap)), 0.0) * shadow
        planes.append((albedo * (room + diffuse) + gleam * beam) * bare + over * dim)
    return np.asarray(cv2.merge(planes), np.float32)


def _angles(height: FloatArray, light: Light) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Normal's z, cosine to the lamp, mirror term, and normal's y of a relief in pixels."""
    slope_x = cv2.Scharr(height, cv2.CV_32F, 1, 0, scale=1 / 32)
    slope_y = cv2.Scharr(height, cv2.CV_32F, 0, 1, scale=1 / 32)
    inverse = np.asarray(1.0 / np.sqrt(1.0 + slope_x * slope_x + slope_y * slope_y), np.float32)
    lx, ly, lz = (np.float32(value) for value in light.direction)
    facing = (lz - lx * slope_x - ly * slope_y) * inverse
    half = light.direction + np.array([0.0, 0.0, 1.0], np.float32)
    hx, hy, hz = (np.float32(value) for value in half / np.linalg.norm(half))
    mirror = np.maximum((hz - hx * slope_x - hy * slope_y) * inverse, 0.0)
    for _ in range(4):
        mirror = mirror * mirror
    return (
        inverse,
        np.asarray(facing, np.float32),
        np.asarray(mirror, np.float32),
        np.asarray(-slope_y * inverse, np.float32),
    )


def _occlusion(height: FloatArray, canvas: Canvas) -> FloatArray:
    """Share of the room's light that reaches a place: hollows get less."""
    near = canvas.blur(height, 2.2) - height
    small = cv2.resize(height, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), 4.5 * canvas.scale)
    far = cv2.resize(wide, height.shape[::-1], interpolation=cv2.INTER_LINEAR) - height
    return np.asarray(np.clip(1.0 - 0.24 * near - 0.065 * far, 0.42, 1.18), np.float32)


def _cast_shadow(height: FloatArray, light: Light, canvas: Canvas) -> FloatArray:
    """1 in the light, less where nose or brow stand before the lamp."""
    small = cv2.resize(height, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    lx, ly, lz = (float(value) for value in light.direction)
    blocked = np.zeros_like(small)
    for reach in (4.0, 8.0, 13.0):
        move = np.array([[1, 0, -lx * reach * canvas.scale / 2], [0, 1, -ly * reach * canvas.scale / 2]], np.float32)
        moved = cv2.warpAffine(small, move, small.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        np.maximum(blocked, moved - small - lz * reach, out=blocked)
    soft = cv2.GaussianBlur(np.clip(blocked * 0.30, 0.0, 0.62), (0, 0), max(0.5, 1.1 * canvas.scale))
    return np.asarray(1.0 - cv2.resize(soft, height.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
