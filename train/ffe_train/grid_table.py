"""What came of a grid: accuracies with intervals, a mark on all that cannot be told from the best, and the choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ffe_train.bootstrap import RESAMPLES, Interval, intervals, person_confusion
from ffe_train.files import read_json
from ffe_train.grid import Architecture, Cell, Job
from ffe_train.grid_state import State
from ffe_train.metrics import accuracy, macro_f1
from ffe_train.predictions import Predictions, joined, read_predictions
from ffe_train.recipes import Pretrain, Transfer
from ffe_train.resume import RECORD
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
    seen_people: int | None
    """People of the target whom an earlier stage has learned; None where that is not known."""
    mark: Mark

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def results_of(
    jobs: Sequence[Job], states: Mapping[str, State], out: Path, *, resamples: int = RESAMPLES
) -> list[Result]:
    """Figures of every cell with a transfer that is done, target by target.

    Raises:
        DataError: a finished transfer's predictions cannot be read.
    """
    finished = [job for job in jobs if job.target and states[job.name].kind == "done"]
    targets = dict.fromkeys(job.target for job in finished)
    return [result for target in targets for result in _results_of_target(target, finished, out, resamples)]


def _results_of_target(target: str, jobs: Sequence[Job], out: Path, resamples: int) -> Iterator[Result]:
    done: dict[Cell, list[Job]] = {}
    for job in jobs:
        if job.target == target:
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
    metrics = [read_json(folder / RECORD)["metrics"] for folder in folders]
    seen = [one["seen_people"] for one in metrics]
    return Result(
        cell,
        target,
        predictions.labels,
        len({*zip(predictions.source.tolist(), predictions.path.tolist(), strict=True)}),
        int(predictions.person.max()) + 1,
        len(folders),
        found["accuracy"][0],
        found["macro_f1"][0],
        sum(one["inner_accuracy"] for one in metrics) / len(metrics),
        None if None in seen else max(seen),
        mark,
    )


def markdown(jobs: Sequence[Job], states: Mapping[str, State], results: Sequence[Result], out: Path) -> str:
    """Tables in Markdown: one a target, and one of the pretrainings themselves; what is not done is named."""
    lines: list[str] = []
    for target in dict.fromkeys(job.target for job in jobs if job.target):
        found = [result for result in results if result.target == target]
        lines += _target_table(target, found, [job for job in jobs if job.target == target], states)
    lines += _pretraining_table(jobs, states, out)
    lines += [
        f"- {name}: {state.kind}{f' ({state.why})' if state.why else ''}"
        for name, state in states.items()
        if state.kind != "done"
    ]
    return "\n".join(lines) + "\n"


def _target_table(
    target: str, results: Sequence[Result], jobs: Sequence[Job], states: Mapping[str, State]
) -> Iterator[str]:
    yield f"### {target}\n"
    if not results:
        yield "Nothing is done yet.\n"
        return
    yield f"{_measured_on(results[0], jobs)}\n"
    yield "Accuracy (95 % over people); macro F1 below it.\n"
    architectures = _architectures(jobs)
    yield f"| pretraining | {' | '.join(architectures)} |"
    yield f"| --- |{' --- |' * len(architectures)}"
    table, chosen = {result.cell: result for result in results}, max(results, key=lambda result: result.inner_accuracy)
    for pretraining in dict.fromkeys(job.cell.pretraining for job in jobs):
        cells = [
            _cell(table.get(Cell(pretraining, architecture)), chosen, _of_cell(jobs, pretraining, architecture), states)
            for architecture in architectures
        ]
        yield f"| {pretraining} | {' | '.join(cells)} |"
    yield (
        "\n**bold**: the best; ≈: cannot be told from it (paired bootstrap over people, Holm at 5 %); ←: what the inner"
        " folds alone would choose."
    )
    yield f"{_seen(results)}\n"


def _measured_on(first: Result, jobs: Sequence[Job]) -> str:
    seeds = len({job.seed for job in jobs})
    return (
        f"n = {first.images} images of {first.subjects} people, {len(first.labels)} labels ({', '.join(first.labels)});"
        f" {_folds(jobs[0].recipe)}; {seeds} seed{'s' * (seeds > 1)} a cell."
    )


def _seen(results: Sequence[Result]) -> str:
    """Counts by pretraining; what is not known of one hides nothing of the others."""
    known: dict[str, int] = {}
    unknown: dict[str, None] = {}
    for result in results:
        name = result.cell.pretraining
        if result.seen_people is None:
            unknown[name] = None
        else:
            known[name] = max(known.get(name, 0), result.seen_people)
    words = [f"{count} ({name})" for name, count in known.items() if count] or ["none"] * bool(known)
    words += [f"not known of imported weights ({', '.join(unknown)})"] * bool(unknown)
    return f"People of this target whom an earlier stage has learned: {'; '.join(words)}."


def _architectures(jobs: Sequence[Job]) -> list[Architecture]:
    """In the grid's order, which the fullest row has; a row of imported weights may lack some."""
    rows: dict[str, list[Architecture]] = {}
    for job in jobs:
        rows.setdefault(job.cell.pretraining, []).append(job.cell.architecture)
    fullest = max(rows.values(), key=lambda row: len(set(row)))
    return list(dict.fromkeys([*fullest, *(name for row in rows.values() for name in row)]))


def _of_cell(jobs: Sequence[Job], pretraining: str, architecture: str) -> list[Job]:
    return [job for job in jobs if (job.cell.pretraining, job.cell.architecture) == (pretraining, architecture)]


def _folds(recipe: Pretrain | Transfer) -> str:
    if not isinstance(recipe, Transfer):
        raise TypeError("a target's job is a transfer")
    folds = recipe.folds
    times = f" x {folds.repeats}" if folds.repeats > 1 else ""
    return f"{folds.outer}{times} outer folds by person, {folds.inner} inner"


def _cell(result: Result | None, chosen: Result, jobs: Sequence[Job], states: Mapping[str, State]) -> str:
    """A figure with its marks; what stands there without one; a dash where the grid has no such cell."""
    if not jobs:
        return "—"
    if result is None:
        return ", ".join(dict.fromkeys(states[job.name].kind for job in jobs))
    figure = f"{result.accuracy.value:.3f}"
    sign = "" if result.mark.best or not result.mark.tied else " ≈"
    arrow = " ←" if result is chosen else ""
    fewer = f" ({result.seeds} of {len(jobs)} seeds)" if result.seeds < len(jobs) else ""
    text = f"**{figure}**" if result.mark.best else figure
    return f"{text} ({_range(result.accuracy)}){sign}{arrow}{fewer}<br>F1 {result.macro_f1.value:.3f}"


def _range(interval: Interval) -> str:
    return f"{interval.low:.3f}-{interval.high:.3f}"


def _pretraining_table(jobs: Sequence[Job], states: Mapping[str, State], out: Path) -> Iterator[str]:
    stages = {job.name: job for job in jobs if isinstance(job.recipe, Pretrain) and states[job.name].kind == "done"}
    records = {name: read_json(out / name / RECORD) for name in stages}
    if not records:
        return
    yield "### The pretrainings themselves\n"
    yield "| stage | learned | images | loss | own metric |"
    yield "| --- | --- | --- | --- | --- |"
    for name, record in records.items():
        yield f"| {name} | {_learned(stages[name])} | {_images(record)} | {_loss(record)} | {_metric(record)} |"
    yield ""


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
