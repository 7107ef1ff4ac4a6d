"""The part of a card about the correction of a resident's resting face, from ``benchmarks/baseline.py --json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ffe_train.card_tables import Json, table

FIGURES: Final = ("recall of neutral", "rest told as negative", "recall of anger", "recall of sadness")


def baseline_lines(figures: Json | None) -> Iterator[str]:
    """Markdown; nothing where it was not measured."""
    if figures is None:
        return
    yield "## A resident's own rest\n"
    yield (
        "Faces of people of 60 and more before and after the daemon's baseline correction (off unless it is asked for),"
        " learned from other pictures of the same person; 95 % over people.\n"
    )
    rows = [
        row for name, one in figures.items() if isinstance(one, dict) and name != "model" for row in _rows(name, one)
    ]
    yield from table(["faces, rest learned from", "people (corrected)", "", "n", "before", "after", "difference"], rows)


def _rows(name: str, one: Json) -> Iterator[list[str]]:
    people = f"{one['people']} ({one['corrected people']})"
    for figure in FIGURES:
        told: Json = one.get(figure, {})
        if told.get("n"):
            yield [name, people, figure, str(told["n"]), *(_interval(told[key]) for key in ("before", "after")),
                   _interval(told["difference"], "+")]  # fmt: skip


def _interval(values: Sequence[Any], sign: str = "") -> str:
    value, low, high = (f"{float(number):{sign}.3f}" for number in values)
    return f"{value} ({low} to {high})" if sign else f"{value} ({low}-{high})"
