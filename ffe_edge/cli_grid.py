"""`ffe-edge train grid`: many trainings as one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from ffe_edge.cli_choices import Device, Scheduler
from ffe_edge.cli_terminal import logged, need
from ffe_edge.errors import ConfigError


def grid(
    file: Annotated[Path, typer.Argument(help="Grid of pretrainings, architectures, seeds and targets.")],
    sets: Annotated[Path, typer.Option(help="Folder of prepared sets; recipes name them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of stages; one folder each is made in it.")] = Path(
        "runs"
    ),
    labels: Annotated[Optional[Path], typer.Option(help="labels.toml of another task than the nine.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Jobs at a time; with several GPUs each takes one.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Of each job, on a CPU.")] = 2,
    device: Annotated[Device, typer.Option(help="Of every job.")] = Device.AUTO,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Train anew what lies there of other recipes or sets.")
    ] = False,
    table: Annotated[Optional[Path], typer.Option(help="Write the table here too, with JSON and pictures.")] = None,
    table_only: Annotated[bool, typer.Option("--table-only", help="Train nothing: the table of what is done.")] = False,
    script: Annotated[Optional[Scheduler], typer.Option(help="Print what submits the grid there.")] = None,
    level: Annotated[Optional[int], typer.Option(min=0, help="With --task: one job of a cluster's array.")] = None,
    task: Annotated[Optional[int], typer.Option(min=0, help="Number of that job.")] = None,
) -> None:
    """Run pretraining x architecture x seed; what is done is not run again, and the table marks what is chance.

    Done is what was made of this very recipe, these sets and these starting weights; anything else is told as stale.

    Example: `ffe-edge train grid train/recipes/reproduce-small.toml --sets runs/sets --table results.md`
    """
    need("torch", "train")
    from ffe_train.commands_grid import print_script, print_table, run_grid, run_grid_task
    from ffe_train.grid_state import Place

    place = Place(sets, out, labels, device.value, threads, fresh)
    if script is not None:
        print_script(file, place, script.value)
        return
    if (level is None) != (task is None):
        raise ConfigError("--level and --task belong together: they name one job of a cluster's array")
    with logged() as console:
        if table_only:
            print_table(file, place, table, console)
        elif level is not None and task is not None:
            run_grid_task(file, place, level=level, task=task)
        else:
            run_grid(file, place, workers=workers, table=table, console=console)
