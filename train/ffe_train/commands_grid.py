"""`ffe-edge train grid`: run a grid, or a task of it, or print what submits it; and the table of what is done."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ffe_edge.errors import FfeError
from ffe_train.figures import grid_figure
from ffe_train.files import write_atomically
from ffe_train.grid import Job, jobs_of, load_grid
from ffe_train.grid_run import run_here, run_task
from ffe_train.grid_script import Scheduler, array_script
from ffe_train.grid_state import Place, States
from ffe_train.grid_table import Result, markdown, results_of


def run_grid(file: Path, place: Place, *, workers: int, table: Path | None, console: Console) -> None:
    """Run what is not done yet and write the table.

    Raises:
        FfeError: jobs failed; the others are done, and their table is written.
    """
    jobs = jobs_of(load_grid(file))
    failed = run_here(jobs, place, workers=workers, say=lambda text: console.print(text, highlight=False))
    write_table(jobs, place, table, console)
    if failed:
        first, reason = next(iter(failed.items()))
        raise FfeError(
            f"{len(failed)} of {len(jobs)} jobs failed; {first}: {reason}; logs lie in {place.out / 'recipes'}"
        )


def run_grid_task(file: Path, place: Place, *, level: int, task: int) -> None:
    """Run one job of the grid, as a task of a cluster's array."""
    run_task(jobs_of(load_grid(file)), place, level, task)


def print_script(file: Path, place: Place, scheduler: Scheduler) -> None:
    """The shell script that submits the grid, on standard output."""
    sys.stdout.write(array_script(jobs_of(load_grid(file)), _own_command(file, place), scheduler))


def print_table(file: Path, place: Place, table: Path | None, console: Console) -> None:
    """The table of what is done, without training anything."""
    write_table(jobs_of(load_grid(file)), place, table, console)


def write_table(jobs: Sequence[Job], place: Place, table: Path | None, console: Console) -> None:
    """Markdown on the console; with ``table`` as a file too, beside it JSON and a picture of each target."""
    states = States(jobs, place).all()
    results = results_of(jobs, states, place.out)
    text = markdown(jobs, states, results, place.out)
    if table is not None:
        _write_files(table, text, results)
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _write_files(table: Path, text: str, results: Sequence[Result]) -> None:
    write_atomically(table, text.encode())
    values = json.dumps([result.as_dict() for result in results], indent=1, ensure_ascii=False)
    write_atomically(table.with_suffix(".json"), values.encode())
    for target in dict.fromkeys(result.target for result in results):
        picture = _picture([result for result in results if result.target == target])
        write_atomically(table.with_name(f"{table.stem}-{target}.png"), picture)


def _picture(results: Sequence[Result]) -> bytes:
    cells: Mapping[tuple[str, str], Mapping[str, Any]] = {
        (result.cell.pretraining, result.cell.architecture): {
            **result.accuracy.as_dict(),
            "best": result.mark.best,
            "tied": result.mark.tied,
        }
        for result in results
    }
    rows, columns = (list(dict.fromkeys(key[side] for key in cells)) for side in (0, 1))
    return grid_figure(rows, columns, cells)


def _own_command(file: Path, place: Place) -> list[str]:
    program = [sys.executable, "-m", "ffe_edge", "train", "grid", str(file.resolve())]
    words = ["--sets", str(place.sets.resolve()), "--out", str(place.out.resolve()), "--threads", str(place.threads)]
    labels = [] if place.labels is None else ["--labels", str(place.labels.resolve())]
    return [*program, *words, "--device", place.device, *labels, *(["--fresh"] if place.fresh else [])]
