"""From a person, action units and a view to a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from ffe_edge.rendered.body import body
from ffe_edge.rendered.canvas import Canvas
from ffe_edge.rendered.eyes import draw_eyes
from ffe_edge.rendered.glasses import glasses
from ffe_edge.rendered.hair import Hair, hair
from ffe_edge.rendered.head import Head, eye_x, head, outline
from ffe_edge.rendered.motion import displacement, moved
from ffe_edge.rendered.mouth import draw_mouth, mouth_corners, mouth_of
from ffe_edge.rendered.people import Person
from ffe_edge.rendered.pose import posed, source_map
from ffe_edge.rendered.room import room
from ffe_edge.rendered.shading import shade
from ffe_edge.rendered.surface import Surface
from ffe_edge.rendered.view import View, sample_view
from ffe_edge.rendered.wrinkles import relief_maps, relief_weights
from ffe_edge.types import FloatArray, ImageArray

__all__ = ["Layers", "RenderedFace", "View", "render_face", "render_layers", "sample_view"]


@dataclass(frozen=True, slots=True)
class RenderedFace:
    """A picture whose truth is known."""

    image: ImageArray
    """(H, W, 3) uint8 BGR."""
    landmarks: FloatArray
    """(5, 2) float32 pixels: image-left eye, image-right eye, nose tip, image-left and image-right mouth corner."""
    xyxy: FloatArray
    """(4,) float32 pixels: forehead to chin."""


@dataclass(frozen=True, slots=True)
class Layers:
    """A person without a background."""

    colour: FloatArray
    """(H, W, 3) linear BGR, premultiplied."""
    alpha: FloatArray
    """(H, W, 1)."""
    landmarks: FloatArray
    xyxy: FloatArray


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a person looks like whatever the expression; dear to make, so the last few are kept."""

    head: Head
    hair: Hair
    body: Surface
    packed: FloatArray
    """(H, W, 4) albedo and alpha of the head."""
    relief: FloatArray
    spectacles: tuple[FloatArray, FloatArray, FloatArray] | None


def render_face(person: Person, units: FloatArray, view: View | None = None, *, size_px: int = 224) -> RenderedFace:
    """Square portrait of a person with action units (A,): head, neck and shoulders before a room.

    Pictures of one person in a row are several times faster than changing persons.
    """
    seen = view or View()
    layers = render_layers(person, units, seen, size_px)
    behind = _room(seen.background, size_px)
    image = finished(layers.colour + behind * (1.0 - layers.alpha), seen.exposure)
    return RenderedFace(image, layers.landmarks, layers.xyxy)


def finished(linear: FloatArray, exposure: float) -> ImageArray:
    """Linear light (H, W, 3) as a uint8 image."""
    bright = cv2.sqrt(linear * np.float32(exposure * 65025.0))
    return np.asarray(cv2.convertScaleAbs(np.minimum(bright, 255.0)), np.uint8)


def render_layers(person: Person, units: FloatArray, view: View, size_px: int) -> Layers:
    """The person alone, to be laid over any background."""
    canvas, turn = Canvas(size_px), view.turn
    identity = _identity(person, size_px)
    surface = _expression(identity, person, units, view, canvas)
    lit = shade(surface, view.light(turn), canvas)
    if identity.spectacles is not None:
        cover, colour, lens = identity.spectacles
        lit = lit * (lens * (1.0 - cover))[..., None] + cover[..., None] * colour * np.float32(view.ambient + 0.4)
    shift = view.shift_mm
    source = source_map(identity.head.depth, turn, shift, canvas)
    flat = np.dstack([lit * surface.alpha[..., None], surface.alpha]).astype(np.float32)
    front = _looked_up(flat, source, cv2.BORDER_CONSTANT)
    torso = _torso(person, _lamp(view), size_px)
    over = 1.0 - front[..., 3:]
    alpha = front[..., 3:] + torso[..., 3:] * over
    points = posed(_marks(person, units), identity.head.depth, turn, shift, canvas)
    pixels = canvas.to_px(points)
    box = np.concatenate([pixels[5:].min(0), pixels[5:].max(0)]).astype(np.float32)
    return Layers(front[..., :3] + torso[..., :3] * over, alpha, pixels[:5], box)


@lru_cache(maxsize=8)
def _identity(person: Person, size_px: int) -> _Identity:
    canvas = Canvas(size_px)
    rng = np.random.default_rng(person.seed + 3)
    spectacles = glasses(person, canvas) if person.glasses else None
    rest = head(person, canvas)
    packed = np.dstack([rest.albedo, rest.alpha])
    return _Identity(rest, hair(person, canvas), body(person, canvas), packed, relief_maps(canvas, rng), spectacles)


def _lamp(view: View) -> View:
    """The view without what only the head does."""
    still = {"yaw_degrees": 0.0, "pitch_degrees": 0.0, "roll_degrees": 0.0, "exposure": 1.0}
    return replace(view, shift_mm=(0.0, 0.0), gaze_mm=(0.0, 0.0), background=0, **still)


@lru_cache(maxsize=8)
def _torso(person: Person, lamp: View, size_px: int) -> FloatArray:
    """(H, W, 4) premultiplied linear BGR and alpha of neck and shoulders."""
    surface = _identity(person, size_px).body
    lit = shade(surface, lamp.light(np.eye(3, dtype=np.float32)), Canvas(size_px))
    return np.dstack([lit * surface.alpha[..., None], surface.alpha]).astype(np.float32)


@lru_cache(maxsize=8)
def _room(seed: int, size_px: int) -> FloatArray:
    return room(seed, size_px, size_px)


@lru_cache(maxsize=4)
def _grid(size_px: int) -> FloatArray:
    rows, columns = np.mgrid[0:size_px, 0:size_px].astype(np.float32)
    return np.stack([columns, rows], -1)


def _expression(identity: _Identity, person: Person, units: FloatArray, view: View, canvas: Canvas) -> Surface:
    """The head's surface with the skin moved, wrinkles dug, eyes, mouth and hair drawn."""
    rest = identity.head
    source = _grid(canvas.size_px) - displacement(units, person.shape.asymmetry, canvas)
    relief = np.tensordot(relief_weights(person, units), identity.relief, 1) + rest.height
    skin = _looked_up(identity.packed, source, cv2.BORDER_REPLICATE)
    height = _looked_up(np.asarray(relief, np.float32), source, cv2.BORDER_REPLICATE)
    zeros = np.zeros_like(rest.alpha)
    surface = Surface(
        np.ascontiguousarray(skin[..., 3]),
        height,
        np.ascontiguousarray(skin[..., :3]),
        np.full_like(zeros, 0.028 + 0.05 * (1.0 - max(person.skin) / 255.0)),
        np.zeros_like(skin[..., :3]),
        zeros,
    )
    draw_mouth(surface, person, units, canvas)
    draw_eyes(surface, person, units, view.gaze_mm, canvas)
    _put_hair(surface, identity.hair)
    return surface


def _looked_up(layer: FloatArray, source: FloatArray, border: int) -> FloatArray:
    """What lies in ``layer`` at the pixels ``source`` (H, W, 2)."""
    columns, rows = cv2.split(source)
    return np.asarray(cv2.remap(layer, columns, rows, cv2.INTER_LINEAR, borderMode=border), np.float32)


def _put_hair(surface: Surface, strands: Hair) -> None:
    bare = 1.0 - strands.alpha
    surface.albedo = surface.albedo * bare[..., None] + strands.albedo * strands.alpha[..., None]
    volume = np.clip(strands.height, surface.height + 2.0, surface.height + 9.0)
    surface.height = surface.height + (volume - surface.height) * strands.soft
    surface.cover = surface.cover * bare
    surface.overlay = surface.overlay * bare[..., None]
    surface.alpha = np.maximum(surface.alpha, strands.alpha)


def _marks(person: Person, units: FloatArray) -> FloatArray:
    """(5 + P, 2) millimetres: the landmarks, then the outline of the face from the forehead down."""
    x, tip = eye_x(person), 36.0 + 2.0 * person.shape.nose_length
    nose = moved((0.0, tip), units, person.shape.asymmetry)
    border = outline(person)
    chin = moved((0.0, float(border[:, 1].max())), units, person.shape.asymmetry)
    border = border[(border[:, 1] > -58.0)]
    points = [(-x, 0.5), (x, 0.5), nose, *mouth_corners(mouth_of(person, units)), chin, *border]
    return np.asarray(points, np.float32)
