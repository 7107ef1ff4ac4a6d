"""Everything that is said about a model on a test set, as one JSON-able value and as a folder of files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ffe_edge.errors import DataError
from ffe_edge.jsonable import jsonable
from ffe_train.answers import Answers, with_answers
from ffe_train.bootstrap import RESAMPLES, Interval, intervals, person_confusion, person_sums
from ffe_train.calibration import (
    adaptive_calibration_error,
    brier,
    expected_calibration_error,
    negative_log_likelihood,
    reliability,
    risk_coverage,
)
from ffe_train.conformal import Kind, cross_conformal
from ffe_train.figures import figures_of
from ffe_train.files import write_atomically
from ffe_train.groups import groups
from ffe_train.metrics import CountArray, accuracy, balanced_accuracy, macro_f1, precision_recall_f1, table_of
from ffe_train.predictions import Predictions, averaged, image_weight, shared_between_folds
from ffe_train.raters import FIGURES, both_rows, compare
from ffe_train.report_html import page
from ffe_train.tasks import Task

VERSION = 1
BINS = 10
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
CONFORMAL: tuple[tuple[Kind, float], ...] = (("lac", 0.1), ("lac", 0.2), ("aps", 0.1), ("aps", 0.2))


def evaluate(
    predictions: Predictions,
    *,
    task: Task,
    raters: Answers | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Every figure of a report. Where there are several repeats, figures are means over these.

    Args:
        predictions: of one or more repeats, with the raters' votes where there are any.
        task: names of the labels.
        raters: individual answers, in place of the votes.
        resamples: how often persons are drawn for an interval.
        seed: of the draws.

    Returns:
        JSON-able; no nan. Intervals are ``{"value", "low", "high"}``, 95 %, over persons.

    Raises:
        DataError: there is no image, the labels are not the task's, a person stands in two folds of one repeat, or no
            answer is about an image.
    """
    _check(predictions, task)
    return {
        "version": VERSION,
        "task": task.name,
        "labels": list(task.labels),
        "japanese": list(task.japanese),
        "resamples": resamples,
        "set": _about(predictions),
        **classified(predictions, resamples, seed),
        "calibration": calibrated(predictions, resamples, seed),
        "selective": selective(predictions),
        "conformal": [jsonable(cross_conformal(predictions, kind, alpha, seed=seed)) for kind, alpha in CONFORMAL],
        "groups": jsonable(groups(predictions, resamples=resamples, seed=seed)),
        "raters": _raters(predictions if raters is None else with_answers(predictions, raters), resamples, seed),
    }


def write_report(folder: Path, result: Mapping[str, Any], figures: Mapping[str, bytes] | None = None) -> Path:
    """Write ``report.html``, ``report.json``, ``per_class.csv`` and ``confusion.csv``.

    Args:
        folder: made where it is absent.
        result: of ``evaluate``.
        figures: PNG by name; None: drawn here.

    Returns:
        The HTML file; pictures are inside it, and it asks nothing of any network.

    Raises:
        DataError: the folder cannot be written.
    """
    pictures = figures_of(result) if figures is None else figures
    text = json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False)
    write_atomically(folder / "report.json", f"{text}\n".encode())
    write_atomically(folder / "per_class.csv", _csv(_class_lines(result)))
    write_atomically(folder / "confusion.csv", _csv(_confusion_lines(result)))
    write_atomically(folder / "report.html", page(result, pictures).encode())
    return folder / "report.html"


def _check(predictions: Predictions, task: Task) -> None:
    if not len(predictions):
        raise DataError("the predictions hold no image; there is nothing to evaluate")
    if predictions.labels != task.labels:
        raise DataError(f"the predictions' labels {list(predictions.labels)} are not those of {task.name}")
    shared = shared_between_folds(predictions)
    if shared:
        raise DataError(
            f"subject '{shared[0]}' stands in two folds of one repeat ({len(shared)} such); split by person"
        )


def _about(predictions: Predictions) -> dict[str, Any]:
    person = predictions.person
    return {
        "images": len(averaged(predictions)),
        "subjects": int(person.max()) + 1,
        "repeats": len(np.unique(predictions.repeat)),
        "folds": len(np.unique(predictions.fold)),
        "sources": np.unique(predictions.source).tolist(),
    }


def classified(predictions: Predictions, resamples: int, seed: int) -> dict[str, Any]:
    """Accuracy, macro F1 and each class, with intervals over persons, beside the answer that is always the same."""
    counts = person_confusion(predictions)
    matrix = counts.sum(axis=0)
    drawn = intervals(
        counts,
        {
            "accuracy": lambda m: accuracy(m)[:, None],
            "balanced_accuracy": lambda m: balanced_accuracy(m)[:, None],
            "macro_f1": lambda m: macro_f1(m)[:, None],
            "table": lambda m: precision_recall_f1(m).reshape(len(m), -1),
        },
        resamples=resamples,
        seed=seed,
    )
    table = table_of(predictions.labels, matrix)
    rows = table.rows()
    for k, row in enumerate(rows):
        row |= {figure: jsonable(drawn["table"][3 * k + n]) for n, figure in enumerate(FIGURES)}
    return {
        **{name: jsonable(drawn[name][0]) for name in ("accuracy", "balanced_accuracy", "macro_f1")},
        "macro": jsonable(table.macro()),
        "always": _always(predictions.labels, matrix),
        "repeats": _repeats(predictions),
        "classes": rows,
        "never_predicted": list(table.never_predicted),
        "without_images": list(table.without_images),
        "confusion": jsonable(np.round(matrix, 3)),
    }


def _always(labels: Sequence[str], matrix: CountArray) -> dict[str, Any]:
    """The one answer that is right most often: what any model must beat."""
    images = matrix.sum(axis=1)
    best = int(images.argmax())
    return {"label": labels[best], "accuracy": float(images[best] / images.sum())}


def _repeats(predictions: Predictions) -> dict[str, Any]:
    """Accuracy of each repeat, and of the mean of their probabilities."""
    right = predictions.predicted == predictions.truth
    mean = averaged(predictions)
    return {
        "accuracy": [float(right[predictions.repeat == r].mean()) for r in np.unique(predictions.repeat)],
        "ensemble_accuracy": float((mean.predicted == mean.truth).mean()),
    }


def calibrated(predictions: Predictions, resamples: int, seed: int) -> dict[str, Any]:
    """Errors of calibration, and its bins: each has the wider of the intervals over people and Wilson's."""
    probs, truth = predictions.probs, predictions.truth
    bins = reliability(probs, truth, BINS)
    # Draws of a few right answers never differ: an interval over people alone would have no width.
    of_people = _accuracy_of_bins(predictions, [b.low for b in bins], resamples, seed)
    return {
        "ece": expected_calibration_error(probs, truth),
        "adaptive_ece": adaptive_calibration_error(probs, truth),
        "brier": brier(probs, truth),
        "nll": negative_log_likelihood(probs, truth),
        "mean_confidence": float(probs.max(axis=1).mean()),
        "bins": [
            jsonable(b) | {"accuracy_low": min(b.accuracy_low, i.low), "accuracy_high": max(b.accuracy_high, i.high)}
            for b, i in zip(bins, of_people, strict=True)
        ],
    }


def _accuracy_of_bins(predictions: Predictions, lows: Sequence[float], resamples: int, seed: int) -> list[Interval]:
    """Accuracy in bins of confidence that begin at the given values, with intervals over persons."""
    confidence = predictions.probs.max(axis=1).astype(np.float64)
    place = np.searchsorted(np.array(lows) - 1e-9, confidence, side="right") - 1
    inside = np.eye(len(lows))[place] * image_weight(predictions)[:, None]
    right = inside * (predictions.predicted == predictions.truth)[:, None]
    counts = person_sums(predictions.person, np.stack([right, inside], axis=1))

    def share(m: CountArray) -> CountArray:
        return np.divide(m[:, 0], m[:, 1], out=np.full_like(m[:, 0], np.nan), where=m[:, 1] > 0)

    return intervals(counts, {"accuracy": share}, resamples=resamples, seed=seed)["accuracy"]


def selective(predictions: Predictions) -> dict[str, Any]:
    """Accuracy of the answers by how many are given, the surest first."""
    curve = risk_coverage(predictions.probs, predictions.truth)
    shown = np.unique(np.linspace(0, len(curve.coverage) - 1, min(400, len(curve.coverage))).astype(int))
    return {
        "aurc": curve.aurc,
        "coverage": jsonable(curve.coverage[shown]),
        "accuracy": jsonable(1 - curve.risk[shown]),
        "threshold": jsonable(curve.threshold[shown].astype(np.float64)),
        "accuracy_at": [{"coverage": c, "accuracy": curve.accuracy_at(c)} for c in COVERAGES],
    }


def _raters(predictions: Predictions, resamples: int, seed: int) -> dict[str, Any] | None:
    if not predictions.votes.any():
        return None
    found = compare(predictions, resamples=resamples, seed=seed)
    return {**jsonable(found), "table": both_rows(found.model, found.human)}


def _class_lines(result: Mapping[str, Any]) -> list[list[Any]]:
    ends = ("value", "low", "high")
    names = [figure if end == "value" else f"{figure}_{end}" for figure in FIGURES for end in ends]
    lines: list[list[Any]] = [["label", "japanese", "images", "true", "predicted", *names]]
    for row, japanese in zip(result["classes"], result["japanese"], strict=True):
        counts = [row["label"], japanese, row["images"], row["true"], row["predicted"]]
        lines.append(counts + [row[figure][end] for figure in FIGURES for end in ends])
    return lines


def _confusion_lines(result: Mapping[str, Any]) -> list[list[Any]]:
    rows = zip(result["labels"], result["confusion"], strict=True)
    return [["truth", *result["labels"]], *([label, *counts] for label, counts in rows)]


def _csv(lines: Sequence[Sequence[Any]]) -> bytes:
    """With a mark of UTF-8 at its head, without which Japanese spreadsheets show something else."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(lines)
    return file.getvalue().encode("utf-8-sig")
