"""`ffe-edge train ladder`: climb, and say what each rung was worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ffe_train.files import write_atomically
from ffe_train.ladder import Place, climb, judged, load_ladder
from ffe_train.ladder_table import markdown, table_of
from ffe_train.pretrain_loop import Epoch


def run_ladder(file: Path, place: Place, *, seed: int | None, only: Sequence[str], console: Console) -> None:
    """Train what is not done yet."""

    def say_epoch(epoch: Epoch) -> None:
        metric = "" if epoch.metric is None else f", metric {epoch.metric:.3f}"
        console.print(f"  epoch {epoch.number}: loss {epoch.loss:.3f}{metric}", highlight=False)

    place = replace(place, options=replace(place.options, on_epoch=say_epoch))
    climb(load_ladder(file), place, seed=seed, only=only, say=lambda name: console.print(name, highlight=False))


def write_ladder_table(file: Path, place: Place, table: Path | None, console: Console) -> None:
    """Print the table of the finished stages, and write it where asked for: Markdown, and JSON beside it.

    Rungs whose stages are not done are left out, and named.
    """
    ladder = load_ladder(file)
    done = {rung.name for rung in ladder.rungs if _is_done(rung.stage, ladder.seeds, place)}
    rungs = tuple(rung for rung in ladder.rungs if rung.name in done and (not rung.against or rung.against in done))
    if missing := [rung.name for rung in ladder.rungs if rung not in rungs]:
        console.print(f"not trained yet: {'; '.join(missing)}", highlight=False)
    if not rungs:
        return
    ladder = ladder.model_copy(update={"rungs": rungs})
    cells = table_of(ladder, {rung.name: list(judged(ladder, rung, place)) for rung in rungs})
    text = markdown(ladder, cells)
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    if table is not None:
        write_atomically(table, text.encode())
        record = {name: [cell.as_dict() for cell in row] for name, row in cells.items()}
        write_atomically(table.with_suffix(".json"), json.dumps(record, indent=1).encode())


def _is_done(stage: str, seeds: tuple[int, ...], place: Place) -> bool:
    return all((place.out / f"{stage}.{seed}" / "stage.json").is_file() for seed in seeds)
