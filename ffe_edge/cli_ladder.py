"""`ffe-edge train ladder`: what each part of a recipe is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from ffe_edge.cli_choices import Device
from ffe_edge.cli_terminal import logged, need


def ladder(
    file: Annotated[Path, typer.Argument(help="Ladder of stages and rungs, as train/recipes/model/ladder.toml.")],
    sets: Annotated[Path, typer.Option(help="Folder of prepared sets; recipes name them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of stages; one folder each is made in it.")] = Path(
        "runs/ladder"
    ),
    threads: Annotated[int, typer.Option(min=1, help="Of torch, on a CPU.")] = 2,
    accelerator: Annotated[Device, typer.Option(help="Kind of the device.")] = Device.AUTO,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare batches for a GPU; 0: threads.")] = 0,
    stage: Annotated[
        Optional[list[str]], typer.Option(help="Train only this stage, and write no table; may be repeated.")
    ] = None,
    seed: Annotated[
        Optional[int], typer.Option(help="Train this seed alone, and write no table: for several at a time.")
    ] = None,
    table: Annotated[Optional[Path], typer.Option(help="Write the table here too, and JSON beside it.")] = None,
    table_only: Annotated[bool, typer.Option("--table-only", help="Train nothing: the table of what is done.")] = False,
) -> None:
    """Train stages that each add one thing to another, from several seeds, and tell what each thing is worth.

    A stage that is done is not run again, and one that was ended goes on where it was.

    Example: `ffe-edge train ladder train/recipes/model/ladder.toml --sets runs/sets --table ladder.md`
    """
    need("torch", "train")
    from ffe_train.commands_ladder import run_ladder, write_ladder_table
    from ffe_train.devices import Options
    from ffe_train.ladder import Place

    place = Place(sets, out, Options(accelerator=accelerator.value, threads=threads, workers=workers))
    with logged() as console:
        if not table_only:
            run_ladder(file, place, seed=seed, only=stage or (), console=console)
        if (seed is None and not stage) or table_only:
            write_ladder_table(file, place, table, console)
