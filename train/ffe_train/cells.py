"""How a value stands in a cell of a manifest, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping


def filled(text: str) -> str:
    """The text itself, which may not be empty."""
    if not text:
        raise ValueError("is empty")
    return text


def one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    """Reader of one of the given words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"is none of {', '.join(filter(None, allowed))}, nor empty")
        return text

    return read


def finite(text: str) -> float:
    """A number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("is not a number")
    return value


def floats(text: str, count: int) -> tuple[float, ...] | None:
    """That many numbers with blanks between them, None for an empty cell."""
    if not text:
        return None
    values = tuple(finite(part) for part in text.split())
    if len(values) != count:
        raise ValueError(f"is not {count} numbers with blanks between them")
    return values


def box(text: str) -> tuple[float, ...] | None:
    """``x0 y0 x1 y1`` in pixels, None for an empty cell."""
    values = floats(text, 4)
    if values is not None and not (values[0] < values[2] and values[1] < values[3]):
        raise ValueError("is no box x0 y0 x1 y1 with x0 < x1 and y0 < y1")
    return values


def five_points(text: str) -> tuple[float, ...] | None:
    """``x y`` five times in pixels, None for an empty cell."""
    return floats(text, 10)


def years(text: str) -> float | None:
    """An age, None for an empty cell."""
    if not text:
        return None
    value = finite(text)
    if not 0 <= value <= 130:
        raise ValueError("is no age in years")
    return value


def counts(text: str) -> dict[str, float]:
    """Raters' counts by label, as in ``joy=3;neutral=2``."""
    votes: dict[str, float] = {}
    for part in filter(None, text.split(";")):
        label, equals, count = (piece.strip() for piece in part.partition("="))
        if not label or not equals or label in votes or finite(count) < 0:
            raise ValueError("is not of the form joy=3;neutral=2")
        votes[label] = finite(count)
    return votes


def number(value: float) -> str:
    """Ten digits at most."""
    return f"{value:.10g}"


def numbers(values: tuple[float, ...] | None) -> str:
    """What ``floats`` reads."""
    return "" if values is None else " ".join(map(number, values))


def written_counts(votes: Mapping[str, float]) -> str:
    """What ``counts`` reads."""
    return ";".join(f"{label}={number(count)}" for label, count in votes.items())
