"""Whether another run of a recipe came to the figures of the file that is shipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]

OF_SETS: Final = {"accuracy": "accuracy", "macro_f1": "macro F1", "ece": "ECE"}
"""Figures that every set has: keys, and what they are called."""
NEUTRAL: Final = "neutral recall"
"""How the verdicts begin that are about resting faces."""


@dataclass(frozen=True)
class Compared:
    """One figure of both."""

    set: str
    figure: str
    value: float
    """Of the new run."""
    shipped: float
    low: float
    """Lower end of the shipped file's 95 % interval."""
    high: float

    @property
    def place(self) -> str:
        """Where the new figure lies: ``within`` the interval, ``below`` or ``above`` it."""
        if self.value < self.low:
            return "below"
        return "above" if self.value > self.high else "within"

    def __str__(self) -> str:
        interval = f"{self.shipped:.3f} ({self.low:.3f} to {self.high:.3f})"
        return f"{self.set}, {self.figure}: {self.value:.3f}, shipped {interval}: {self.place} its interval"


def compared(ours: Json, shipped: Json) -> tuple[Compared, ...]:
    """Headline figures of two ``figures.json`` that were measured on the same sets.

    Args:
        ours: of the new run.
        shipped: of the file that is shipped.

    Returns:
        Accuracy, macro F1 and ECE of each set in both, then how neutral faces of the old are read; without those that
        either could not measure.
    """
    theirs = {(name, figure): found for name, figure, found in _headline(shipped)}
    pairs = ((name, figure, found, theirs.get((name, figure))) for name, figure, found in _headline(ours))
    return tuple(
        Compared(name, figure, found["value"], other["value"], other["low"], other["high"])
        for name, figure, found, other in pairs
        if other is not None
    )


def _headline(figures: Json) -> Iterator[tuple[str, str, Json]]:
    """Set, figure, and its interval; those with no value are left out."""
    for name, of_set in figures["sets"].items():
        for key, called in OF_SETS.items():
            if of_set.get(key) and of_set[key].get("value") is not None:
                yield name, called, of_set[key]
    for one in figures["reach"]:
        if one["figure"].startswith(NEUTRAL) and one["value"] is not None:
            yield one["set"], one["figure"], one


def in_words(rows: tuple[Compared, ...]) -> Iterator[str]:
    """A line a figure, and one that counts."""
    yield from map(str, rows)
    outside = [row for row in rows if row.place != "within"]
    told = f"{len(rows) - len(outside)} of {len(rows)} headline figures lie within the shipped file's intervals"
    names = ", ".join(f"{row.set} {row.figure} ({row.place})" for row in outside)
    yield f"{told}; outside: {names}" if outside else told
