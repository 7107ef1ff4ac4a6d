"""An elderly person in a room who moves between the nine expressions, with the truth of every frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from ffe_edge.emotions import Emotion
from ffe_edge.rendered.people import sample_person
from ffe_edge.rendered.render import Layers, finished, render_layers
from ffe_edge.rendered.room import room
from ffe_edge.rendered.units import expression_units, unit_index, variants
from ffe_edge.rendered.view import View
from ffe_edge.types import FloatArray, ImageArray

HOLD_SECONDS: Final = 4.0
"""From one onset to the next, on average."""
ONSET_SECONDS: Final = 0.6
BLINK_SECONDS: Final = 0.18
BLINK_EVERY_SECONDS: Final = 3.7
GLANCE_SECONDS: Final = 1.7
"""How long the eyes rest on one point."""
BREATH_HZ: Final = 0.25
FACE_SHARE: Final = 0.5
"""Side of the portrait in shares of the picture's height."""


@dataclass(frozen=True, slots=True)
class TimelineFrame:
    """One picture and its truth."""

    image: ImageArray
    """(H, W, 3) uint8 BGR."""
    emotion: Emotion
    """What the person was told to show; changes in the middle of an onset."""
    landmarks: FloatArray
    """(5, 2) float32 pixels, in the order of the ArcFace template."""
    xyxy: FloatArray
    """(4,) float32 pixels, forehead to chin."""
    seconds: float


@dataclass(frozen=True, slots=True)
class _Scene:
    emotion: Emotion
    units: FloatArray
    begin_seconds: float


def demo_timeline(seed: int, *, fps: float = 15.0, size_px: tuple[int, int] = (640, 480)) -> Iterator[TimelineFrame]:
    """Frames without end; the same seed gives the same frames.

    Args:
        seed: of person, room and order of the expressions.
        fps: frames per second of the timeline's own clock.
        size_px: width and height.
    """
    rng = np.random.default_rng(seed)
    person = sample_person(rng)
    width, height = size_px
    behind = room(seed, width, height)
    side = round(height * FACE_SHARE)
    corner = ((width - side) // 2, height - side)
    scenes = _scenes(np.random.default_rng([seed, 1]))
    before, now, following = next(scenes), next(scenes), next(scenes)
    for index in itertools.count():
        seconds = index / fps
        if seconds >= following.begin_seconds:
            before, now, following = now, following, next(scenes)
        emotion, units = _acted(before, now, seconds)
        layers = render_layers(person, _blinking(units, seconds), _view(seed, seconds), side)
        image = finished(_placed(layers, behind, corner), 1.0)
        shift = np.array(corner, np.float32)
        yield TimelineFrame(
            image, emotion, layers.landmarks + shift, layers.xyxy + np.tile(shift, 2).astype(np.float32), seconds
        )


def _scenes(rng: np.random.Generator) -> Iterator[_Scene]:
    """Neutral first, then all nine in random order, again and again, none twice in a row."""
    begin, last = 0.0, Emotion.NEUTRAL
    yield _Scene(last, expression_units(last), -HOLD_SECONDS)
    yield _Scene(last, expression_units(last), begin)
    while True:
        emotions = [list(Emotion)[index] for index in rng.permutation(len(Emotion))]
        for emotion in emotions:
            if emotion == last:
                continue
            begin += HOLD_SECONDS * float(rng.uniform(0.8, 1.2))
            last = emotion
            units = expression_units(last, int(rng.integers(variants(last)))) * np.float32(rng.uniform(0.85, 1.1))
            yield _Scene(last, units, begin)


def _acted(before: _Scene, now: _Scene, seconds: float) -> tuple[Emotion, FloatArray]:
    """The truth, and the action units on their smooth way from one expression to the next."""
    share = np.clip((seconds - now.begin_seconds) / ONSET_SECONDS, 0.0, 1.0)
    smooth = np.float32(share * share * (3.0 - 2.0 * share))
    emotion = now.emotion if share >= 0.5 else before.emotion
    return emotion, np.asarray(before.units + smooth * (now.units - before.units), np.float32)


def _blinking(units: FloatArray, seconds: float) -> FloatArray:
    phase = seconds % BLINK_EVERY_SECONDS
    if phase >= BLINK_SECONDS:
        return units
    blinked = units.copy()
    blinked[unit_index(43)] = max(float(units[unit_index(43)]), float(np.sin(np.pi * phase / BLINK_SECONDS)))
    return blinked


def _view(seed: int, seconds: float) -> View:
    """Slow turns of the head, and breath."""
    phases = np.random.default_rng([seed, 2]).uniform(0.0, 2.0 * np.pi, 6)
    yaw, pitch, roll, side = (
        float(np.sin(2.0 * np.pi * hertz * seconds + phase))
        for hertz, phase in zip((0.07, 0.09, 0.05, 0.04), phases, strict=False)
    )
    breath = float(np.sin(2.0 * np.pi * BREATH_HZ * seconds + phases[4]))
    glance = np.random.default_rng([seed, 3, int(seconds / GLANCE_SECONDS)]).uniform(-1.0, 1.0, 2)
    return View(
        yaw_degrees=6.0 * yaw,
        pitch_degrees=3.0 * pitch,
        roll_degrees=2.5 * roll,
        shift_mm=(4.0 * side, 1.0 * breath),
        gaze_mm=(1.2 * float(glance[0]), 0.4 * float(glance[1])),
    )


def _placed(layers: Layers, behind: FloatArray, corner: tuple[int, int]) -> FloatArray:
    """The person laid over the room, linear light (H, W, 3)."""
    side = layers.alpha.shape[0]
    scene = behind.copy()
    part = scene[corner[1] : corner[1] + side, corner[0] : corner[0] + side]
    part *= 1.0 - layers.alpha
    part += layers.colour
    return scene
