"""The nine emotions of the wire: the one place where their ids, names and affect values stand.

Valence and arousal are points of the circumplex model, in [-1, 1].
Source: Russell, A circumplex model of affect, J. Pers. Soc. Psychol. 39(6), 1980.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Emotion(str, Enum):
    """An emotion's id on the wire. The order is the order of the contract."""

    JOY = "joy"
    SADNESS = "sadness"
    FEAR = "fear"
    SURPRISE = "surprise"
    ANGER = "anger"
    DISGUST = "disgust"
    EXCITEMENT = "excitement"
    RELAXATION = "relaxation"
    NEUTRAL = "neutral"


UNCERTAIN = "uncertain"
"""Told when the model abstains. Never a class of a model."""


@dataclass(frozen=True, slots=True)
class Affect:
    """What a person reads for one emotion."""

    japanese: str
    """Name shown to Japanese readers."""
    valence: float
    """Unpleasant -1 ... +1 pleasant."""
    arousal: float
    """Calm -1 ... +1 aroused."""


AFFECT: dict[Emotion, Affect] = {
    Emotion.JOY: Affect("喜び", 0.8, 0.5),
    Emotion.SADNESS: Affect("悲しみ", -0.7, -0.4),
    Emotion.FEAR: Affect("恐怖", -0.7, 0.7),
    Emotion.SURPRISE: Affect("驚き", 0.1, 0.8),
    Emotion.ANGER: Affect("怒り", -0.6, 0.7),
    Emotion.DISGUST: Affect("嫌悪", -0.7, 0.3),
    Emotion.EXCITEMENT: Affect("興奮", 0.6, 0.9),
    Emotion.RELAXATION: Affect("リラックス", 0.6, -0.6),
    Emotion.NEUTRAL: Affect("無感情", 0.0, 0.0),
}

LABELS: tuple[str, ...] = tuple(emotion.value for emotion in Emotion)
"""The labels in the contract's order."""


def japanese(label: str) -> str:
    """Japanese name of a label; ``uncertain`` is 不明, a label of another task is given back as it is."""
    if label == UNCERTAIN:
        return "不明"
    return AFFECT[Emotion(label)].japanese if label in LABELS else label


def affect(label: str) -> tuple[float, float]:
    """Valence and arousal of a label, (0, 0) where none is defined."""
    if label not in LABELS:
        return (0.0, 0.0)
    point = AFFECT[Emotion(label)]
    return (point.valence, point.arousal)
