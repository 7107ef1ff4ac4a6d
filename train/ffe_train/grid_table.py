"""What came of a grid: accuracies with intervals, a mark on all that cannot be told from the best, and the choice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ffe_train.bootstrap import RESAMPLES, Interval, intervals, person_confusion
from ffe_train.grid import Cell, Job
from ffe_train.metrics import accuracy, macro_f1
from ffe_train.predictions import Predictions, joined, read_predictions
from ffe_train.recipes import Pretrain, Transfer
from ffe_train.significance import Mark, tied_with_best


@dataclass(frozen=True)
class Result:
    """One cell on one target, over all its seeds."""

    cell: Cell
    target: str
    labels: tuple[str, ...]
    images: int
    subjects: int
    seeds: int
    accuracy: Interval
    macro_f1: Interval
    inner_accuracy: float
    """Mean accuracy of the inner folds: the only figure that a choice may be made by."""
    mark: Mark

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def results_of(jobs: Sequence[Job], out: Path, *, resamples: int = RESAMPLES) -> list[Result]:
    """Figures of every cell that is done, target by target.

    Raises:
        DataError: a finished transfer's predictions cannot be read.
    """
    targets = dict.fromkeys(job.target for job in jobs if job.target)
    return [result for target in targets for result in _results_of_target(target, jobs, out, resamples)]


def _results_of_target(target: str, jobs: Sequence[Job], out: Path, resamples: int) -> Iterator[Result]:
    done: dict[Cell, list[Job]] = {}
    for job in jobs:
        if job.target == target and (out / job.name / "stage.json").is_file():
            done.setdefault(job.cell, []).append(job)
    cells = {
        cell: joined([read_predictions(out / job.name / "predictions.csv") for job in of]) for cell, of in done.items()
    }
    named = {f"{cell.pretraining} {cell.architecture}": predictions for cell, predictions in cells.items()}
    marks = tied_with_best(named, resamples=resamples) if named else {}
    for (cell, predictions), mark in zip(cells.items(), marks.values(), strict=True):
        yield _result(cell, target, predictions, [out / job.name for job in done[cell]], mark, resamples)


def _result(
    cell: Cell, target: str, predictions: Predictions, folders: Sequence[Path], mark: Mark, resamples: int
) -> Result:
    figures = {
        "accuracy": lambda counts: accuracy(counts)[:, None],
        "macro_f1": lambda counts: macro_f1(counts)[:, None],
    }
    found = intervals(person_confusion(predictions), figures, resamples=resamples)
    records = [json.loads((folder / "stage.json").read_text(encoding="utf-8")) for folder in folders]
    return Result(
        cell,
        target,
        predictions.labels,
        len({*zip(predictions.source.tolist(), predictions.path.tolist(), strict=True)}),
        int(predictions.person.max()) + 1,
        len(folders),
        found["accuracy"][0],
        found["macro_f1"][0],
        sum(record["metrics"]["inner_accuracy"] for record in records) / len(records),
        mark,
    )


def markdown(jobs: Sequence[Job], results: Sequence[Result], out: Path) -> str:
    """Tables in Markdown: one a target, and one of the pretrainings themselves."""
    lines: list[str] = []
    for target in dict.fromkeys(result.target for result in results):
        lines += _target_table(target, [result for result in results if result.target == target], jobs)
    lines += _pretraining_table(jobs, out)
    return "\n".join(lines) + "\n"


def _target_table(target: str, results: Sequence[Result], jobs: Sequence[Job]) -> Iterator[str]:
    first = results[0]
    recipe = next(job.recipe for job in jobs if job.target == target)
    yield f"### {target}\n"
    yield (
        f"n = {first.images} images of {first.subjects} people, {len(first.labels)} labels ({', '.join(first.labels)});"
        f" {_folds(recipe)}; {first.seeds} seed{'s' * (first.seeds > 1)} a cell.\n"
    )
    yield "Accuracy (95 % over people); macro F1 below it.\n"
    architectures = list(dict.fromkeys(result.cell.architecture for result in results))
    yield f"| pretraining | {' | '.join(architectures)} |"
    yield f"| --- |{' --- |' * len(architectures)}"
    chosen = max(results, key=lambda result: result.inner_accuracy)
    table = {(result.cell.pretraining, result.cell.architecture): result for result in results}
    for pretraining in dict.fromkeys(result.cell.pretraining for result in results):
        cells = [_cell(table.get((pretraining, architecture)), chosen) for architecture in architectures]
        yield f"| {pretraining} | {' | '.join(cells)} |"
    yield (
        "\n**bold**: the best; ≈: cannot be told from it (paired bootstrap over people, Holm at 5 %); ←: what the inner"
        " folds alone would choose.\n"
    )


def _folds(recipe: Pretrain | Transfer) -> str:
    if not isinstance(recipe, Transfer):
        raise TypeError("a target's job is a transfer")
    folds = recipe.folds
    times = f" x {folds.repeats}" if folds.repeats > 1 else ""
    return f"{folds.outer}{times} outer folds by person, {folds.inner} inner"


def _cell(result: Result | None, chosen: Result) -> str:
    if result is None:
        return "failed"
    figure = f"{result.accuracy.value:.3f}"
    sign = "" if result.mark.best or not result.mark.tied else " ≈"
    arrow = " ←" if result is chosen else ""
    text = f"**{figure}**" if result.mark.best else figure
    return f"{text} ({_range(result.accuracy)}){sign}{arrow}<br>F1 {result.macro_f1.value:.3f}"


def _range(interval: Interval) -> str:
    return f"{interval.low:.3f}-{interval.high:.3f}"


def _pretraining_table(jobs: Sequence[Job], out: Path) -> Iterator[str]:
    stages = {job.name: job for job in jobs if isinstance(job.recipe, Pretrain)}
    records = {name: _record(out / name / "stage.json") for name in stages}
    if not any(records.values()):
        return
    yield "### The pretrainings themselves\n"
    yield "| stage | learned | images | loss | own metric |"
    yield "| --- | --- | --- | --- | --- |"
    for name, record in records.items():
        if record:
            yield f"| {name} | {_learned(stages[name])} | {_images(record)} | {_loss(record)} | {_metric(record)} |"
    yield ""


def _record(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _learned(job: Job) -> str:
    recipe = job.recipe
    return f"{recipe.learn}, {recipe.head.kind}" if isinstance(recipe, Pretrain) else ""


def _images(record: Mapping[str, Any]) -> str:
    images = record["images"]
    return f"{sum(images.values()) if isinstance(images, dict) else images:,}"


def _loss(record: Mapping[str, Any]) -> str:
    history = record.get("history") or [{}]
    return f"{history[-1].get('loss', float('nan')):.3f}"


def _metric(record: Mapping[str, Any]) -> str:
    metrics = {name: value for name, value in record.get("metrics", {}).items() if isinstance(value, (int, float))}
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in metrics.items()) or "none"
