"""What the default model is meant to reach on held-out faces, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ffe_train.measured_age import NEUTRAL, OLD

Sense = Literal[">=", "<=", ">", "within"]
Found = Mapping[str, Any] | None
"""An interval, None where it was not measured."""


@dataclass(frozen=True)
class Target:
    """One figure of one set."""

    figure: str
    set: str
    sense: Sense
    target: float
    look: Callable[[Mapping[str, Any]], Found]


def _accuracy(figures: Mapping[str, Any]) -> Found:
    return figures.get("accuracy")


def _without_twins(figures: Mapping[str, Any]) -> Found:
    twins = figures.get("learned_twins")
    return twins["accuracy"] if twins else None


def _ece(figures: Mapping[str, Any]) -> Found:
    return figures.get("ece")


def _gain(figures: Mapping[str, Any]) -> Found:
    other = figures.get("against")
    return None if other is None else other["macro_f1"]["difference"]


def _old_neutral_recall(figures: Mapping[str, Any]) -> Found:
    old = next((group for group in figures["groups"] if group["name"] == OLD and not group["too_few"]), None)
    row = next((row for row in old["classes"] if row["label"] == NEUTRAL), None) if old else None
    return None if row is None or not row["images"] else row["recall"]


def _gap(figures: Mapping[str, Any]) -> Found:
    by_age = figures.get("neutral_by_age")
    return None if by_age is None else by_age["gap"]


TARGETS: Final = (
    Target("accuracy", "ferplus-paper", ">=", 0.84, _accuracy),
    Target("accuracy without learned pictures", "ferplus-paper", ">=", 0.84, _without_twins),
    Target("accuracy", "lfw", ">=", 0.85, _accuracy),
    Target("macro F1 minus the previous model's", "lfw", ">", 0.0, _gain),
    Target("neutral recall, 60+", "lfw", ">=", 0.85, _old_neutral_recall),
    Target("neutral recall, under 60 minus 60+", "lfw", "within", 0.05, _gap),
    Target("accuracy", "london", ">=", 0.92, _accuracy),
    Target("ECE", "ferplus-paper", "<=", 0.03, _ece),
    Target("ECE", "lfw", "<=", 0.03, _ece),
    Target("ECE", "london", "<=", 0.03, _ece),
)


def reach(sets: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One verdict a target.

    Args:
        sets: figures by the name of the set.

    Returns:
        JSON-able: figure, set, sense, target, value, low, high, ``reached`` (the value meets the target; None where it
        was not measured) and ``sure`` (all of the interval meets it).
    """
    return [_verdict(target, sets.get(target.set)) for target in TARGETS]


def _verdict(target: Target, figures: Mapping[str, Any] | None) -> dict[str, Any]:
    found = None if figures is None or figures["too_few"] else target.look(figures)
    about = {"figure": target.figure, "set": target.set, "sense": target.sense, "target": target.target}
    if found is None or found["value"] is None:
        return {**about, "value": None, "low": None, "high": None, "reached": None, "sure": None}
    value, low, high = (found[end] for end in ("value", "low", "high"))
    sure = all(_meets(target, end) for end in (value, low, high))
    return {**about, "value": value, "low": low, "high": high, "reached": _meets(target, value), "sure": sure}


def _meets(target: Target, value: float) -> bool:
    return {
        ">=": value >= target.target,
        ">": value > target.target,
        "<=": value <= target.target,
        "within": abs(value) <= target.target,
    }[target.sense]
