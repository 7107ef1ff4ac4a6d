"""`ffe-edge train evaluate`, `raters` and `grid`: what came of the stages."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from ffe_edge.errors import ConfigError, DataError, FfeError
from ffe_train.answers import read_answers, with_answers
from ffe_train.bootstrap import interval, person_confusion
from ffe_train.figures import grid_figure
from ffe_train.files import write_atomically, write_json
from ffe_train.grid import Job, jobs_of, load_grid
from ffe_train.grid_run import Place, Scheduler, array_script, job_of_task, run_here, run_job
from ffe_train.grid_table import Result, markdown, results_of
from ffe_train.jsonable import jsonable
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
    task = load_task(labels).only(predictions.labels)
    raters = None if answers is None else read_answers(answers, task)
    result = evaluate(predictions, task=task, raters=raters, resamples=resamples)
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
        task = load_task(labels).only(predictions.labels)
        predictions = with_answers(predictions, read_answers(answers, task))
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


def run_grid(
    file: Path,
    sets: Path,
    out: Path,
    *,
    workers: int,
    threads: int,
    level: int | None,
    task: int | None,
    script: str | None,
    table: Path | None,
    console: Console,
) -> None:
    """Run a grid here, one job of it on a cluster, or print what submits it there.

    Raises:
        FfeError: jobs failed; the others are done, and their table is written.
    """
    jobs = jobs_of(load_grid(file))
    place = Place(sets, out, ("--threads", str(threads)))
    if script is not None:
        sys.stdout.write(array_script(jobs, _own_command(file, place, threads), _scheduler(script)))
        return
    if level is not None or task is not None:
        _run_task(jobs, place, level, task)
        return
    failed = run_here(jobs, place, workers=workers, say=lambda text: console.print(text, highlight=False))
    _write_table(jobs, out, table, console)
    if failed:
        first, reason = next(iter(failed.items()))
        raise FfeError(f"{len(failed)} of {len(jobs)} jobs failed; {first}: {reason}; logs lie in {out / 'recipes'}")


def _run_task(jobs: tuple[Job, ...], place: Place, level: int | None, task: int | None) -> None:
    if level is None or task is None:
        raise ConfigError("--level and --task belong together: they name one job of a cluster's array")
    job = job_of_task(jobs, level, task)
    if reason := run_job(job, place):
        raise FfeError(f"{job.name}: {reason}; its log lies in {place.out / 'recipes'}")


def _write_table(jobs: tuple[Job, ...], out: Path, table: Path | None, console: Console) -> None:
    results = results_of(jobs, out)
    text = markdown(jobs, results, out)
    if table is not None:
        write_atomically(table, text.encode())
        values = json.dumps([result.as_dict() for result in results], indent=1, ensure_ascii=False)
        write_atomically(table.with_suffix(".json"), values.encode())
        for target in dict.fromkeys(result.target for result in results):
            picture = _picture([result for result in results if result.target == target])
            write_atomically(table.with_name(f"{table.stem}-{target}.png"), picture)
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _picture(results: list[Result]) -> bytes:
    cells = {
        (result.cell.pretraining, result.cell.architecture): {
            **result.accuracy.as_dict(),
            "best": result.mark.best,
            "tied": result.mark.tied,
        }
        for result in results
    }
    rows, names = (list(dict.fromkeys(key[side] for key in cells)) for side in (0, 1))
    return grid_figure(rows, names, cells)


def _own_command(file: Path, place: Place, threads: int) -> list[str]:
    program = [shlex.quote(sys.executable), "-m", "ffe_edge", "train", "grid", str(file.resolve())]
    return [*program, "--sets", str(place.sets.resolve()), "--out", str(place.out.resolve()), "--threads", str(threads)]


def _scheduler(name: str) -> Scheduler:
    if name == "slurm":
        return "slurm"
    if name == "age":
        return "age"
    raise ConfigError(f"--script {name}: is slurm or age")


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
