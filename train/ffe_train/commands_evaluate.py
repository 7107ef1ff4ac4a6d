"""`ffe-edge train evaluate` and `raters`: what came of a transfer. Nothing here needs torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from ffe_edge.errors import ConfigError, DataError
from ffe_edge.jsonable import jsonable
from ffe_train.answers import read_answers, with_answers
from ffe_train.bootstrap import interval, person_confusion
from ffe_train.files import write_json
from ffe_train.metrics import accuracy
from ffe_train.predictions import Predictions, read_predictions
from ffe_train.published_report import columns, published_report, published_result
from ffe_train.raters import Comparison, both_rows, compare
from ffe_train.report import evaluate, write_report
from ffe_train.tasks import load_task


def evaluate_stage(
    stage: Path, out: Path | None, *, labels: Path | None, answers: Path | None, resamples: int, console: Console
) -> None:
    """Write the report of a transfer and say the headline."""
    predictions = stage_predictions(stage)
    task = load_task(labels)
    raters = None if answers is None else read_answers(answers, task, predictions.labels)
    result = evaluate(predictions, task=task.only(predictions.labels), raters=raters, resamples=resamples)
    folder = out or (stage if stage.is_dir() else stage.parent) / "report"
    page = write_report(folder, result)
    found = interval(person_confusion(predictions), accuracy, resamples=resamples)
    persons = int(predictions.person.max()) + 1
    console.print(f"accuracy {found} of {persons} people; the report is {page}", highlight=False)


def compare_with_raters(
    stage: Path | None, answers: Path | None, out: Path | None, *, labels: Path | None, resamples: int
) -> None:
    """Model and raters side by side, on standard output."""
    predictions = stage_predictions(stage)
    if answers is not None:
        predictions = with_answers(predictions, read_answers(answers, load_task(labels), predictions.labels))
    comparison = compare(predictions, resamples=resamples)
    sys.stdout.write("\n".join(_comparison(comparison)) + "\n")
    if out is not None:
        write_json(jsonable(comparison), out)


def _comparison(found: Comparison) -> Iterator[str]:
    yield f"{found.images} images of {found.subjects} people, {found.answers:g} answers, {found.other:g} of them other"
    rows = both_rows(found.model, found.human)
    yield from columns(
        [["", "", *list(rows[0])[2:]], *([_words(value) for value in row.values()] for row in rows)], left=2
    )
    yield ""
    yield f"accuracy: model {found.model_accuracy}, one answer {found.human_accuracy}"
    yield f"  other answers left out: {found.human_accuracy_without_other:.3f}"
    yield f"  majority of the raters: {found.crowd.majority_accuracy}"
    yield f"agreement: Krippendorff's alpha {found.crowd.alpha}"
    yield f"model minus one rater: {found.gaps.accuracy.interval}, p {found.gaps.accuracy.p:.3f}"
    yield (
        f"model against the majority: {found.gaps.only_model} images right by the model alone,"
        f" {found.gaps.only_majority} by the majority alone, McNemar p {found.gaps.mcnemar_p:.3f}"
    )


def _words(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def print_published(out: Path | None) -> None:
    """The slides' tables rebuilt from their counts, on standard output."""
    sys.stdout.write(published_report())
    if out is not None:
        write_json(published_result(), out)


def stage_predictions(stage: Path | None) -> Predictions:
    """The predictions of a transfer's folder, or of the file itself.

    Raises:
        ConfigError: nothing is named.
        DataError: there are none.
    """
    if stage is None:
        raise ConfigError("name the folder of a transfer, or say --published")
    path = stage / "predictions.csv" if stage.is_dir() else stage
    if not path.is_file():
        raise DataError(f"{path}: is not there; `ffe-edge train transfer` writes it")
    return read_predictions(path)
