"""The model card's own picture: whether a probability can be taken at its word, and what abstaining gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ffe_train.card_words import terms_of
from ffe_train.figures import BLUE, GREY, ORANGE, png, unit_axes

GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
COLOURS: Final = (BLUE, ORANGE, GREEN, PURPLE, GREY)
MARKS: Final = ("o", "s", "^", "D", "v")
DPI: Final = 100
LEAST: Final = 8
"""Images of a bin that is shown: fewer say nothing."""


def calibration_figure(sets: Mapping[str, Mapping[str, Any]]) -> bytes:
    """PNG: accuracy by confidence, and accuracy by the share that is answered, a line a set."""

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        styles = zip(COLOURS, MARKS, strict=True)
        for (name, figures), style in zip(sets.items(), styles, strict=False):
            _reliability(left, terms_of(name).name, figures["calibration"]["bins"], *style)
            _abstaining(right, figures["abstaining"], *style)
        unit_axes(left, "probability of the answer", "share that is right")
        left.set_title("Calibration", loc="left")
        left.legend(loc="upper left", fontsize=8.5)
        _of_abstaining(right)

    return png(draw, 9.0, 4.4, dpi=DPI)


def _reliability(axes: Any, name: str, bins: list[Mapping[str, float]], colour: str, mark: str) -> None:
    shown = [one for one in bins if one["images"] >= LEAST]
    confidence, value, low, high = (
        np.array([one[key] for one in shown]) for key in ("confidence", "accuracy", "accuracy_low", "accuracy_high")
    )
    reach = [np.maximum(value - low, 0), np.maximum(high - value, 0)]
    axes.errorbar(confidence, value, reach, color=colour, marker=mark, markersize=4.5, linewidth=1, elinewidth=0.7,
                  capsize=2, label=name)  # fmt: skip


def _abstaining(axes: Any, curve: Mapping[str, Any], colour: str, mark: str) -> None:
    axes.plot(curve["coverage"], curve["accuracy"], color=colour, linewidth=1.5)
    default = curve["default"]
    if default["accuracy"]["value"] is not None:
        axes.plot(default["coverage"]["value"], default["accuracy"]["value"], mark, color=colour, markersize=7,
                  clip_on=False, zorder=3)  # fmt: skip


def _of_abstaining(axes: Any) -> None:
    unit_axes(axes, "share of faces answered, the surest first", "accuracy of the answers")
    axes.set_aspect("auto")
    axes.set_ylim(0.5, 1.005)
    axes.set_title("Abstaining (marks: the daemon's)", loc="left")
