"""The slides' tables rebuilt from their counts, as text for a terminal and as JSON."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from ffe_edge.jsonable import jsonable
from ffe_train import published
from ffe_train.published import HUMAN, LABELS, MODEL, TEST_IMAGES
from ffe_train.tasks import NINE

_NAMES = tuple(f"{label} {name}" for label, name in zip(LABELS, NINE.japanese, strict=True))
_FIGURES = ("P", "R", "F1")


def published_report() -> str:
    """Everything that the slides' numbers say, as text; figures are worked out when it is called."""
    parts = (_test_set(), _by_class(), _averages(), _misprint(), _chance(), _grid())
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def published_result() -> dict[str, Any]:
    """The same as JSON-able values."""
    (total,) = published.solutions()
    return {
        "test_set": {"images": total[0], "right": total[1], "misfits": list(published.misfits())},
        "labels": list(LABELS),
        "japanese": list(NINE.japanese),
        "model": published.model_table().rows(),
        "model_macro": jsonable(published.model_table().macro()),
        "human": jsonable(HUMAN),
        "human_macro_over_ten": published.human_macro(10),
        "human_macro_over_nine": published.human_macro(9),
        "human_contradictions": list(published.contradictions(HUMAN)),
        "human_recall_mended": dict(published.MENDED_RECALL),
        "always_joy": published.always_joy(),
        "interval": jsonable(published.model_interval()),
        "against_raters": jsonable(published.model_against_raters()),
        "marks": {kind: jsonable(published.grid_marks(kind)) for kind in ("none", "holm")},
    }


def columns(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Rows of cells as lines of aligned columns; Japanese letters are two wide.

    Args:
        rows: of the same number of cells.
        left: how many of the first columns are flush left; the others are flush right.
    """
    width = [max(_width(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        gaps = [" " * (width[k] - _width(cell)) for k, cell in enumerate(row)]
        cells = [cell + gap if k < left else gap + cell for k, (cell, gap) in enumerate(zip(row, gaps, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _digits(values: Sequence[float]) -> list[str]:
    return [f"{value:.3f}".removeprefix("0") for value in values]


def _test_set() -> Iterator[str]:
    cells, misfits = len(published.right_answers()), published.misfits()
    ((images, right, _), ways) = next(iter(published.solutions().items()))
    yield f"Test set: {images} images, {right} right in the best cell"
    fitting = f"{cells - len(misfits)} of {cells}"
    yield f"  {fitting} cells of the grid are k/{images} to four digits. Off by one in the fourth digit:"
    yield f"  {', '.join(misfits)}."
    yield f"  The table by class comes from {ways} set of counts, and from no smaller test set."


def _by_class() -> Iterator[str]:
    table = published.model_table()
    rows = [["label", "images", "right", "told", *_FIGURES, "", *_FIGURES]]
    for k, name in enumerate(_NAMES):
        counts = [f"{int(column[k])}" for column in (table.images, table.true, table.predicted)]
        model = _digits([table.precision[k], table.recall[k], table.f1[k]])
        marks = "*" if LABELS[k] in published.MENDED_RECALL else ""
        human = _digits([HUMAN.precision[k], published.human_recall()[k], HUMAN.f1[k]])
        rows.append([name, *counts, *model, "", human[0], marks + human[1], human[2]])
    macro = table.macro()
    nine = [macro.precision, macro.recall, macro.f1]
    empty = [""] * 3
    rows.append(["macro over these 9", *empty, *_digits(nine), "", *_digits(published.human_macro(9))])
    rows.append(["macro as printed", *empty, *_digits(MODEL.macro), "", *_digits(HUMAN.macro)])
    lines = columns(rows)
    yield "By class: the model (accuracy .366), worked out from the counts, and human raters (.341), as printed"
    yield from (f"  {line}" for line in lines)


def _averages() -> Iterator[str]:
    yield "Why the raters' macro averages differ"
    rows = [["", *_FIGURES]]
    rows += [[f"sum over 9 labels / {n}", *_digits(published.human_macro(n))] for n in (10, 9)]
    rows.append(["as printed", *_digits(HUMAN.macro)])
    yield from (f"  {line}" for line in columns(rows))
    model, human = _digits([MODEL.macro[2], published.human_macro(9)[2]])
    yield "  The printed ones are divided by ten: by the nine labels and an empty tenth, the answer other (その他),"
    yield "  which no image has. The model's are divided by nine. Over the same nine labels the macro F1 to compare"
    yield f"  are {model} (model) and {human} (raters)."


def _misprint() -> Iterator[str]:
    place = LABELS.index("sadness")
    recall, mended = HUMAN.recall[place], published.MENDED_RECALL["sadness"]
    yield "* A misprint"
    was, must = _digits([recall, mended])
    yield f"  The raters' recall of {_NAMES[place]} reached us as {was}. It must be {must}:"
    rows = [["with a recall of", was, must, "printed"]]
    f1 = [2 * HUMAN.precision[place] * r / (HUMAN.precision[place] + r) for r in (recall, mended)]
    rows.append(["F1 of the label", *_digits([*f1, HUMAN.f1[place]])])
    macro = [published.human_macro(10, mended=m)[1] for m in (False, True)]
    rows.append(["macro recall, over ten", *_digits([*macro, HUMAN.macro[1]])])
    accuracy = [published.human_accuracy(mended=m) for m in (False, True)]
    rows.append(["accuracy, by images", *_digits([*accuracy, HUMAN.accuracy])])
    yield from (f"  {line}" for line in columns(rows))


def _chance() -> Iterator[str]:
    found, tests = published.model_interval(), published.model_against_raters()
    low, high = f"{found.low:.1%}", f"{found.high:.1%}"
    many, known = tests["as many answers"], tests["known"]
    yield "What chance allows"
    yield f"  Always joy 喜び is right in {published.always_joy():.1%} of the images; one in nine would be 11.1%."
    yield f"  Best model {found.value:.1%}, 95% interval {low} to {high} (Wilson, over images: who is"
    yield "  shown in which is not known. Images of one person are no independent witnesses: truly it is wider)."
    yield f"  Against the raters' .341: z = {many.z:.1f}, p = {many.p:.2f}, if theirs were {TEST_IMAGES} answers;"
    yield f"  z = {known.z:.1f}, p = {known.p:.2f}, if theirs were exactly known. Not significant either way."


def _grid() -> Iterator[str]:
    plain, corrected = published.grid_marks(), published.grid_marks("holm")
    yield "The grid: accuracy by pretraining and network"
    rows = [["", *published.ARCHITECTURES]]
    for name, values in published.GRID.items():
        cells = [f"{name} / {architecture}" for architecture in published.ARCHITECTURES]
        signs = [_sign(plain[cell].tied, corrected[cell].tied) if cell in plain else "" for cell in cells]
        shown = ["failed" if value is None else f"{value:.4f}" for value in values]
        rows.append([name, *(f"{value} {sign}" for value, sign in zip(shown, signs, strict=True))])
    best = next(name for name, mark in plain.items() if mark.best)
    yield from (f"  {line}" for line in columns(rows, left=5))
    yield f"  = cannot be told from the best, {best}: {len(published.tied())} other cells (two-proportion z,"
    yield f"  two-sided 5%, no correction); - nor after Holm's correction: {len(published.tied('holm'))} in all."
    yield "  The best of 23 was picked on the test set itself, so its figure is too high by what the picking gained."


def _sign(tied: bool, tied_by_holm: bool) -> str:
    return "=" if tied else "-" if tied_by_holm else " "
