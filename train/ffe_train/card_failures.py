"""Which expressions a model misses, in words, from its confusion matrices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ffe_train.card_words import terms_of

POOR: Final = 0.6
"""Recall below which a class is named."""
FEWEST: Final = 5
"""Images below which nothing is said about a class."""


def poor_classes(sets: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line a set: labels that are found rarely, and what is said instead."""
    for name, figures in sets.items():
        told = [
            _told(row, figures["confusion"][n], figures["labels"])
            for n, row in enumerate(figures["classes"])
            if row["images"] >= FEWEST and row["recall"]["value"] < POOR
        ]
        if told:
            yield f"- {terms_of(name).name}: {'; '.join(told)}."


def _told(row: Mapping[str, Any], counts: list[float], labels: list[str]) -> str:
    images, found = row["images"], row["recall"]["value"]
    others = sorted(
        ((n, label) for n, label in zip(counts, labels, strict=True) if label != row["label"]), reverse=True
    )
    said = ", ".join(f"{label} {n / images:.0%}" for n, label in others[:2] if n)
    return f"{row['label']} is found in {found:.0%} of {images:.0f} faces, and called {said}"
