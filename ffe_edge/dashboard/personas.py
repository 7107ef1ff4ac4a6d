"""Three residents who do not exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody who does not exist."""

    id: str
    name: str
    name_en: str
    camera: str
    moods: Mapping[str, float]
    """How often which emotion, at other times than these ..."""
    evening: Mapping[str, float] = field(default_factory=dict)
    """... after 16 o'clock."""


PERSONAS: Final = (
    Persona(
        "hana", "花田 はな", "Hana Hanada", "room-101",
        {"neutral": 5, "joy": 4, "relaxation": 3, "surprise": 1, "excitement": 1},
    ),
    Persona(
        "kenji", "松野 健二", "Kenji Matsuno", "room-102",
        {"neutral": 8, "relaxation": 2, "joy": 1, "sadness": 1, "disgust": 0.5},
        {"sadness": 6, "neutral": 4, "fear": 2},
    ),
    Persona(
        "tomi", "竹内 とみ", "Tomi Takeuchi", "day-room",
        {"neutral": 4, "joy": 3, "anger": 1, "excitement": 2, "uncertain": 1},
        {"anger": 4, "fear": 2, "neutral": 3, "joy": 1},
    ),
)  # fmt: skip
