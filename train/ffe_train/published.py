"""The tables of the slides as data, and what they turn out to say when they are worked through.

Source: slides on a facial-expression recogniser for few images of elderly people by transfer of deep networks, Japan
Geriatrics Society: 深層学習の転移学習を応用した少数の高齢者画像を用いた顔表情認識システムの開発.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ffe_train.bootstrap import Interval
from ffe_train.metrics import ClassTable, from_counts
from ffe_train.significance import Correction, Mark, ZTest, one_sample_z, tied_by_counts, two_proportion_z, wilson
from ffe_train.tasks import NINE

Counts = tuple[int, int, int]
"""Images of a label, true positives, images predicted as it."""

LABELS: Final = NINE.labels
ARCHITECTURES: Final = ("ResNet18", "ResNet50", "Face-ResNet18", "Face-ResNet50")
GRID: Final[Mapping[str, tuple[float | None, ...]]] = {
    "Scratch": (0.2409, 0.1432, 0.2839, 0.2800),
    "ImageNet": (0.3242, 0.3464, 0.3125, 0.2982),
    "AffectNet-8": (0.3425, 0.3294, 0.3646, 0.3203),
    "CASIA + Softmax": (0.2995, 0.3190, 0.3294, 0.3568),
    "CASIA + CosFace": (0.2487, None, 0.3372, 0.3307),
    "CASIA + AdaFace": (0.2500, 0.2083, 0.3659, 0.3451),
}
"""Printed accuracies by pretraining, in the order of ``ARCHITECTURES``; None: the training failed."""


@dataclass(frozen=True)
class Printed:
    """A table by class as it is printed, to three digits."""

    accuracy: float
    macro: tuple[float, float, float]
    """Precision, recall, F1."""
    precision: tuple[float, ...]
    """(9,) in the order of ``LABELS``; so the others."""
    recall: tuple[float, ...]
    f1: tuple[float, ...]


MODEL: Final = Printed(
    0.366,
    (0.380, 0.384, 0.355),
    (0.518, 0.300, 0.269, 0.420, 0.525, 0.604, 0.287, 0.237, 0.259),
    (0.454, 0.422, 0.281, 0.578, 0.250, 0.228, 0.422, 0.219, 0.603),
    (0.484, 0.351, 0.275, 0.487, 0.339, 0.331, 0.342, 0.228, 0.362),
)
HUMAN: Final = Printed(
    0.341,
    (0.298, 0.304, 0.290),
    (0.520, 0.244, 0.219, 0.346, 0.439, 0.379, 0.278, 0.221, 0.336),
    (0.480, 0.355, 0.109, 0.565, 0.279, 0.288, 0.187, 0.350, 0.451),
    (0.499, 0.282, 0.146, 0.429, 0.341, 0.327, 0.223, 0.271, 0.385),
)

TEST_IMAGES: Final = 768
COUNTS: Final[tuple[Counts, ...]] = (
    (130, 59, 114),
    (64, 27, 90),
    (64, 18, 67),
    (64, 37, 88),
    (128, 32, 61),
    (127, 29, 48),
    (64, 27, 94),
    (64, 14, 59),
    (63, 38, 147),
)
"""The only counts behind the model's table, by label; ``solutions`` finds them."""

MENDED_RECALL: Final[Mapping[str, float]] = {"sadness": 0.335}
"""Human recalls that cannot be as they reached us, here .355: with .335 the label's F1, the macro recall and the
accuracy come out as printed, with .355 none of the three does."""

_HALF_DIGIT: Final = 0.0005 + 1e-9


def right_answers(images: int = TEST_IMAGES) -> dict[str, int]:
    """Right answers of each cell that did not fail, by "pretraining / architecture"."""
    return {
        f"{name} / {architecture}": round(value * images)
        for name, row in GRID.items()
        for architecture, value in zip(ARCHITECTURES, row, strict=True)
        if value is not None
    }


def misfits(images: int = TEST_IMAGES) -> tuple[str, ...]:
    """Cells that are no whole number of right answers to four digits."""
    printed = [value for row in GRID.values() for value in row if value is not None]
    pairs = zip(right_answers(images).items(), printed, strict=True)
    return tuple(name for (name, right), value in pairs if round(right / images, 4) != value)


def solutions(most_images: int = TEST_IMAGES) -> dict[Counts, int]:
    """Test sets that the model's table by class can come from.

    For each label all counts are listed whose three figures round to the printed ones; sums over the labels are built
    up one label after the other, and kept where there are as many predictions as images.

    Args:
        most_images: largest test set looked for.

    Returns:
        By (images, right answers, predictions) of the whole set, in how many ways the labels give it.
    """
    ways = Counter({(0, 0, 0): 1})
    by_label = [
        _counts_of(*figures, most_images) for figures in zip(MODEL.precision, MODEL.recall, MODEL.f1, strict=True)
    ]
    for options in sorted(by_label, key=len):
        longer: Counter[Counts] = Counter()
        for (images, true, predicted), number in ways.items():
            for more, hits, told in options:
                if images + more <= most_images:
                    longer[images + more, true + hits, predicted + told] += number
        ways = longer
    return {total: number for total, number in ways.items() if total[0] == total[2]}


def _counts_of(precision: float, recall: float, f1: float, most_images: int) -> list[Counts]:
    found = []
    for images in range(1, most_images + 1):
        for true in _whole_between((recall - _HALF_DIGIT) * images, (recall + _HALF_DIGIT) * images):
            told = _whole_between(true / (precision + _HALF_DIGIT), true / (precision - _HALF_DIGIT))
            found += [(images, true, n) for n in told if abs(2 * true / (images + n) - f1) <= _HALF_DIGIT]
    return found


def _whole_between(low: float, high: float) -> range:
    return range(math.ceil(low), math.floor(high) + 1)


def model_table() -> ClassTable:
    """The model's table worked out from the counts."""
    images, true, predicted = zip(*COUNTS, strict=True)
    return from_counts(LABELS, images, true, predicted)


def human_recall(*, mended: bool = True) -> tuple[float, ...]:
    """(9,) human recalls, with or without the misprint mended."""
    changed = MENDED_RECALL if mended else {}
    return tuple(changed.get(label, value) for label, value in zip(LABELS, HUMAN.recall, strict=True))


def human_macro(classes: int, *, mended: bool = True) -> tuple[float, float, float]:
    """Precision, recall and F1 of the raters: sums over the nine labels divided by that many."""
    columns = (HUMAN.precision, human_recall(mended=mended), HUMAN.f1)
    precision, recall, f1 = (sum(column) / classes for column in columns)
    return precision, recall, f1


def human_accuracy(*, mended: bool = True) -> float:
    """What the raters' recalls give when every image was rated equally often."""
    images = [count[0] for count in COUNTS]
    return sum(n * r for n, r in zip(images, human_recall(mended=mended), strict=True)) / sum(images)


def contradictions(printed: Printed) -> tuple[str, ...]:
    """Labels whose printed F1 is none that the printed precision and recall can have, all three to three digits."""
    return tuple(
        label
        for label, p, r, f1 in zip(LABELS, printed.precision, printed.recall, printed.f1, strict=True)
        if not _f1(p - _HALF_DIGIT, r - _HALF_DIGIT) - _HALF_DIGIT
        <= f1
        <= _f1(p + _HALF_DIGIT, r + _HALF_DIGIT) + _HALF_DIGIT
    )


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall)


def always_joy() -> float:
    """Accuracy of the one answer that is right most often."""
    return max(images for images, _, _ in COUNTS) / TEST_IMAGES


def model_interval() -> Interval:
    """Wilson interval of the best model, images taken for independent: people are not known."""
    return wilson(sum(true for _, true, _ in COUNTS), TEST_IMAGES)


def model_against_raters() -> dict[str, ZTest]:
    """The best model against the raters' accuracy of .341, by what the raters' share is taken for.

    ``as many answers``: that of as many independent answers as there are images, which is the z of 1.0; ``known``: an
    exactly known share, which it nearly is with five or more answers an image.
    """
    right = sum(true for _, true, _ in COUNTS)
    return {
        "as many answers": two_proportion_z(right, TEST_IMAGES, HUMAN.accuracy * TEST_IMAGES, TEST_IMAGES),
        "known": one_sample_z(right, TEST_IMAGES, HUMAN.accuracy),
    }


def grid_marks(correction: Correction = "none") -> dict[str, Mark]:
    """Which cells cannot be told from the best, two-proportion z of 768 images each, two-sided at 5 %.

    Twelve others without correction, which is the number that is usually told; with Holm's for 22 cells fifteen. The
    cells were tested on the same images, so a paired test could tell more, but needs answers that were not printed.
    """
    return tied_by_counts(right_answers(), TEST_IMAGES, correction=correction)


def tied(correction: Correction = "none") -> Sequence[str]:
    """Names of the cells other than the best that cannot be told from it."""
    return [name for name, mark in grid_marks(correction).items() if mark.tied and not mark.best]
