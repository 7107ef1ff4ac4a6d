"""The worst mistakes of a model as a picture: faces that anybody may look at, and no others.

Shown are rendered people and the London set, whose terms allow it; faces of other sets never leave their prepared set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ffe_edge.align import CROP_PX
from ffe_edge.types import ImageArray
from ffe_train.figures import GREY, INK, ORANGE, png
from ffe_train.measured import HeldOut
from ffe_train.predictions import Predictions

CREDITS: Final = {
    "london": "Face Research Lab London Set, DeBruine & Jones 2017, doi:10.6084/m9.figshare.5047666.v5, CC BY 4.0",
    "rendered": "rendered people of this project",
}
"""Whose faces may be shown, by the first word of a row's source."""
MOST_BYTES: Final = 300_000
COLUMNS: Final = 6
_DPI: Final = 100
_HEAD_PX, _TEXT_PX, _GAP_PX = 26, 46, 14


@dataclass(frozen=True)
class Failure:
    """A face that was read wrongly."""

    crop: ImageArray
    """(112, 112, 3) uint8 BGR."""
    truth: str
    answer: str
    confidence: float
    """Probability of the answer."""


def set_of(source: str) -> str:
    """First word of a row's source: ``rendered`` of ``rendered-expressions-home-11``."""
    return source.split("-", maxsplit=1)[0]


def worst(held: HeldOut, predictions: Predictions, most: int) -> list[Failure]:
    """The mistakes that the model was surest of, one a person; none of faces that may not be shown."""
    allowed = np.array([set_of(source) in CREDITS for source in predictions.source.tolist()], bool)
    confidence = predictions.probs.max(axis=1)
    wrong = np.flatnonzero(allowed & (predictions.predicted != predictions.truth))
    order = wrong[np.argsort(-confidence[wrong], kind="stable")]
    _, first = np.unique(predictions.person[order], return_index=True)
    chosen = order[np.sort(first)][:most].astype(np.int64)
    truth, answer = ([predictions.labels[k] for k in ids[chosen]] for ids in (predictions.truth, predictions.predicted))
    sure = confidence[chosen].tolist()
    return [Failure(*one) for one in zip(held.faces.crops(chosen), truth, answer, sure, strict=True)]


def contact_sheet(failures: dict[str, list[Failure]]) -> bytes | None:
    """PNG of at most 300 kB with truth and answer under each face; None where there is no failure.

    Args:
        failures: by the first word of their source, the worst first; the last are left out where all are too many.
    """
    shown = {source: list(some) for source, some in failures.items() if some}
    while shown:
        picture = _sheet(shown)
        if len(picture) <= MOST_BYTES:
            return picture
        longest = max(shown, key=lambda source: len(shown[source]))
        shown[longest].pop()
        shown = {source: some for source, some in shown.items() if some}
    return None


def _sheet(shown: dict[str, list[Failure]]) -> bytes:
    rows = sum(_rows(some) for some in shown.values())
    width = COLUMNS * (CROP_PX + _GAP_PX) + _GAP_PX
    height = len(shown) * _HEAD_PX + rows * (CROP_PX + _TEXT_PX) + _GAP_PX
    size = width, height

    def draw(figure: Any) -> None:
        figure.set_layout_engine("none")
        top = height - _GAP_PX // 2
        for source, some in shown.items():
            _text(figure, (_GAP_PX, top - 12), CREDITS[source], size, colour=GREY, fontsize=8)
            top -= _HEAD_PX
            for n, failure in enumerate(some):
                left = _GAP_PX + n % COLUMNS * (CROP_PX + _GAP_PX)
                _face(figure, left, top - n // COLUMNS * (CROP_PX + _TEXT_PX), failure, size)
            top -= _rows(some) * (CROP_PX + _TEXT_PX)

    return png(draw, width / _DPI, height / _DPI, dpi=_DPI)


def _rows(some: Sequence[Failure]) -> int:
    return -(-len(some) // COLUMNS)


def _face(figure: Any, left: int, top: int, failure: Failure, size: tuple[int, int]) -> None:
    figure.figimage(failure.crop[..., ::-1], left, top - CROP_PX, origin="upper")
    below = top - CROP_PX
    _text(figure, (left, below - 13), f"is {failure.truth}", size, colour=INK, fontsize=9)
    told = f"{failure.answer} {failure.confidence:.2f}"
    _text(figure, (left, below - 28), told, size, colour=ORANGE, fontsize=9, weight="bold")


def _text(figure: Any, at: tuple[int, int], text: str, size: tuple[int, int], *, colour: str, **style: Any) -> None:
    figure.text(at[0] / size[0], at[1] / size[1], text, color=colour, va="baseline", **style)
