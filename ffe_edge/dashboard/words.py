"""Every word of the pages, in Japanese and English; they stand in ``words.toml`` beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ffe_edge.config_file import read_toml
from ffe_edge.dashboard.settings import Language

FILE: Final = Path(__file__).with_suffix(".toml")
SHARES: Final = frozenset({"share", "usual", "at_least", "at_least_unknown", "usual_at_least", "of_usual"})
"""Figures of sentences that are parts of a whole."""
Figure = int | float | str | None


def _read() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for section, words in read_toml(FILE).items():
        for key, (japanese, english) in words.items():
            found[f"{section}.{key}"] = (japanese, english)
    return found


WORDS: Final[Mapping[str, tuple[str, str]]] = _read()
"""Japanese and English of every key."""


def text(language: Language, key: str, **figures: object) -> str:
    """What to say.

    Args:
        language: in which.
        key: as ``floor.title``.
        figures: what is filled in.

    Raises:
        KeyError: there is no such key, or a figure is missing.
    """
    return WORDS[key][language == "en"].format_map(figures) if figures else WORDS[key][language == "en"]


def section(language: Language, name: str) -> dict[str, str]:
    """All words of one section, for a script."""
    start = f"{name}."
    return {key.removeprefix(start): words[language == "en"] for key, words in WORDS.items() if key.startswith(start)}


def or_itself(language: Language, name: str, label: str) -> str:
    """The word for a label of the wire; what is not known to us is shown as it came."""
    return WORDS[f"{name}.{label}"][language == "en"] if f"{name}.{label}" in WORDS else label


def emotion_word(language: Language, label: str) -> str:
    """The word for an emotion."""
    return or_itself(language, "emotion", label)


def percent(share: float, *, digits: int = 0) -> str:
    """A part of a whole; what is there but small does not become nothing."""
    if 0 < share < 0.005 and digits == 0:
        return f"{share * 100:.1f}%"
    return f"{share * 100:.{digits}f}%"


def sentence(language: Language, key: str, figures: Mapping[str, Figure]) -> str:
    """A sentence of the rules (``alert_rules.Sentence``) in words; an unknown one is shown by its key."""
    pattern = WORDS.get(f"alert.{key}")
    if pattern is None:
        return key
    said = {name: _said(language, name, figure) for name, figure in figures.items()}
    try:
        return pattern[language == "en"].format_map(said)
    except KeyError:
        return key


def _said(language: Language, name: str, figure: Figure) -> str:
    if name in SHARES and isinstance(figure, int | float):
        return percent(figure)
    if name == "emotion":
        return emotion_word(language, str(figure))
    if name == "state":
        return or_itself(language, "camera_state", str(figure))
    if isinstance(figure, float):
        return f"{figure:g}"
    return str(figure)


def span(language: Language, ms: float) -> str:
    """A length of time as a person says it."""
    minutes, seconds = divmod(max(0, int(ms // 1000)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return text(language, "floor.hours", h=hours, m=minutes)
    return text(language, "floor.minutes", m=minutes) if minutes else text(language, "floor.seconds", s=seconds)
