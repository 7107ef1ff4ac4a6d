"""Facial action units: what every emotion does to a face, and how people fail to act it.

Source: Ekman & Friesen, Facial Action Coding System, 1978; the prototypes follow EMFACS.
"""

from __future__ import annotations

import numpy as np

from ffe_edge.emotions import Emotion
from ffe_edge.types import FloatArray

UNITS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 17, 20, 23, 25, 26, 43)
"""Action units that are rendered: 1, 2, 4 brows; 5, 6, 7, 43 lids; 9 nose; 10 to 23 mouth; 25, 26 lips and jaw."""

_INDEX = {number: index for index, number in enumerate(UNITS)}

_PROTOTYPES: dict[Emotion, tuple[dict[int, float], ...]] = {
    Emotion.JOY: ({6: 0.9, 12: 0.9, 7: 0.2}, {6: 0.9, 12: 0.95, 7: 0.2, 25: 0.7, 26: 0.15}),
    Emotion.SADNESS: ({1: 1.0, 4: 0.5, 15: 0.95, 17: 0.55, 43: 0.2},),
    Emotion.FEAR: ({1: 1.0, 2: 0.35, 4: 0.6, 5: 0.95, 20: 0.95, 25: 0.7, 26: 0.25},),
    Emotion.SURPRISE: ({1: 0.95, 2: 1.0, 5: 0.8, 25: 0.6, 26: 0.95},),
    Emotion.ANGER: (
        {4: 1.0, 5: 0.6, 7: 0.5, 17: 0.4, 23: 1.0},
        {4: 1.0, 5: 0.6, 7: 0.45, 10: 0.6, 15: 0.45, 20: 0.2, 23: 0.3, 25: 1.0, 26: 0.5},
    ),
    Emotion.DISGUST: (
        {4: 0.45, 6: 0.3, 7: 0.6, 9: 1.0, 10: 0.75, 15: 0.4, 17: 0.5},
        {4: 0.45, 6: 0.35, 7: 0.6, 9: 1.0, 10: 1.0, 15: 0.35, 25: 0.5, 26: 0.1},
    ),
    Emotion.EXCITEMENT: ({1: 0.75, 2: 0.85, 5: 0.75, 6: 0.25, 12: 0.95, 25: 0.95, 26: 0.75},),
    Emotion.RELAXATION: ({6: 0.15, 12: 0.38, 43: 0.62},),
    Emotion.NEUTRAL: ({},),
}

LIMIT = 1.3
"""The strongest movement that is still drawn as a face."""


def unit(units: FloatArray, number: int) -> float:
    """Strength of the action unit ``number`` in ``units`` (A,) float32."""
    return float(units[_INDEX[number]])


def unit_index(number: int) -> int:
    """Position of the action unit ``number`` in every (A,) array."""
    return _INDEX[number]


def variants(emotion: Emotion) -> int:
    """How many prototypes an emotion has: joy, anger and disgust have a closed (0) and an open mouth (1)."""
    return len(_PROTOTYPES[emotion])


def expression_units(emotion: Emotion, variant: int = 0) -> FloatArray:
    """The prototype of an emotion, (A,) float32 in [0, 1]."""
    if not 0 <= variant < variants(emotion):
        raise ValueError(f"{emotion.value} has {variants(emotion)} variants, there is no variant {variant}")
    units = np.zeros(len(UNITS), np.float32)
    for number, strength in _PROTOTYPES[emotion][variant].items():
        units[_INDEX[number]] = strength
    return units


def acted_units(
    emotion: Emotion,
    rng: np.random.Generator,
    *,
    intensity: tuple[float, float] = (0.35, 1.15),
    drop_out: float = 0.15,
    stray: float = 0.10,
    stray_strength: float = 0.3,
) -> FloatArray:
    """One attempt of a person to act an emotion.

    Args:
        emotion: What is acted; it is never swapped for another one.
        rng: Source of chance.
        intensity: Range of the strength of the whole attempt, 1 is the prototype.
        drop_out: Chance of each unit to be left out.
        stray: Chance of each unit to move although it should not.
        stray_strength: Standard deviation of a stray movement.

    Returns:
        (A,) float32 in [0, ``LIMIT``].
    """
    prototype = expression_units(emotion, int(rng.integers(variants(emotion))))
    low, high = intensity
    strength = low + (high - low) * rng.beta(2.2, 1.8)
    wobble = rng.lognormal(0.0, 0.18, prototype.shape)
    kept = rng.random(prototype.shape) > drop_out
    strays = np.abs(rng.normal(0.0, stray_strength, prototype.shape)) * (rng.random(prototype.shape) < stray)
    return np.asarray(np.clip(prototype * strength * wobble * kept + strays, 0.0, LIMIT), np.float32)
