"""One shape an emotion and one a state, so that nothing is told by colour alone. All fit a square of 48."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from markupsafe import Markup, escape

from ffe_edge.dashboard.words import WORDS


def _polygon(corners: int, outer: float, inner: float, turn: float = -math.pi / 2) -> str:
    points = []
    for number in range(corners):
        radius, angle = (inner if number % 2 else outer), turn + number * 2 * math.pi / corners
        points.append(f"{24 + radius * math.cos(angle):.2f} {24 + radius * math.sin(angle):.2f}")
    return f"M{'L'.join(points)}z"


_ROUND: Final = "M24 3a21 21 0 1 0 0 42a21 21 0 1 0 0-42z"
_SQUARE: Final = "M9 4h30a5 5 0 0 1 5 5v30a5 5 0 0 1-5 5H9a5 5 0 0 1-5-5V9a5 5 0 0 1 5-5z"
_DIAMOND: Final = (
    "M21.5 1.5a3.5 3.5 0 0 1 5 0l20 20a3.5 3.5 0 0 1 0 5l-20 20a3.5 3.5 0 0 1-5 0l-20-20a3.5 3.5 0 0 1 0-5z"
)
OTHER: Final = "other"
"""A label of another task."""
BADGES: Final[Mapping[str, tuple[str, str, int]]] = {
    "joy": ("喜", "M24 2a22 22 0 1 0 0 44a22 22 0 1 0 0-44z", 24),
    "sadness": ("悲", "M24 0C31 11 43 20 43 30a19 17 0 0 1-38 0C5 20 17 11 24 0z", 29),
    "fear": ("恐", "M4 3h40a3.4 3.4 0 0 1 3 5L27 45a3.4 3.4 0 0 1-6 0L1 8a3.4 3.4 0 0 1 3-5z", 18),
    "surprise": ("驚", _polygon(20, 24, 19), 24),
    "anger": ("怒", "M21 3a3.4 3.4 0 0 1 6 0l20 37a3.4 3.4 0 0 1-3 5H4a3.4 3.4 0 0 1-3-5z", 31),
    "disgust": ("嫌", _polygon(6, 23.5, 23.5, 0), 24),
    "excitement": ("興", _DIAMOND, 24),
    "relaxation": ("安", "M14 9h20a15 15 0 0 1 0 30H14a15 15 0 0 1 0-30z", 24),
    "neutral": ("無", _SQUARE, 24),
    "uncertain": ("?", _ROUND, 24),
    OTHER: ("・", _SQUARE, 24),
}
"""Sign, shape, and where the middle of the sign stands."""
MARKS: Final[Mapping[str, str]] = {
    "good": "M24 4a20 20 0 1 0 0 40a20 20 0 1 0 0-40zM13 25l8 8l15-17",
    "bad": "M24 5L45 42H3zM24 18v12M24 35v2",
    "paused": "M24 4a20 20 0 1 0 0 40a20 20 0 1 0 0-40zM19 16v16M29 16v16",
    "empty": "M24 4a20 20 0 1 0 0 40a20 20 0 1 0 0-40z",
    "unknown": "M24 4a20 20 0 1 0 0 40a20 20 0 1 0 0-40zM18 19a6 6 0 1 1 8 6q-2 1-2 4M24 34v2",
    "no-picture": "M6 14h26v22H6zM32 22l10-6v18l-10-6M4 6l38 38",
    "private": "M4 24q20-24 40 0q-20 24-40 0zM8 42L40 6",
    "unlinked": "M20 14h-6a10 10 0 0 0 0 20h6M28 14h6a10 10 0 0 1 0 20h-6M24 8v32",
}
"""Lines. A camera's, a device's and the broker's trouble, privacy and an empty room differ in shape, too."""


def drawn_as(emotion: str) -> str:
    """Whose colour and shape stand for an emotion."""
    return emotion if emotion in BADGES and f"emotion.{emotion}" in WORDS else OTHER


def badge(emotion: str) -> Markup:
    """An emotion's shape with its sign. Words beside it say the same: screen readers do not see it."""
    drawn = drawn_as(emotion)
    sign, path, middle = BADGES[drawn]
    return Markup(
        '<svg viewBox="-1 -1 50 50" class="badge" aria-hidden="true" data-emotion="{}"><path class="shape" d="{}"/>'
        '<text class="sign" x="24" y="{}">{}</text></svg>'
    ).format(drawn, path, middle, escape(sign))


def mark(kind: str) -> Markup:
    """A state's sign."""
    return Markup('<svg viewBox="0 0 48 48" class="mark {}" aria-hidden="true"><path d="{}"/></svg>').format(
        kind, MARKS[kind]
    )
