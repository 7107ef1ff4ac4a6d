"""`ffe-edge train transfer` and `distil`: the stages on a target set."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ffe_edge.errors import ConfigError
from ffe_train.commands import figures_in_words, recipe_of, start_folder
from ffe_train.distil import Teacher, distil
from ffe_train.files import read_json
from ffe_train.prepared import open_prepared
from ffe_train.recipes import Distil, Transfer, stage_of
from ffe_train.resume import RECORD
from ffe_train.tasks import load_task
from ffe_train.transfer import Progress, transfer


def transfer_stage(
    recipe_path: Path,
    sets: Path,
    out: Path,
    *,
    labels: Path | None,
    fresh: bool,
    threads: int,
    device: str,
    console: Console,
) -> None:
    """Run one transfer, or give back what it gave before."""
    recipe = recipe_of(recipe_path, Transfer)
    result = transfer(
        recipe,
        open_prepared(sets / recipe.data),
        out,
        task=load_task(labels),
        start=start_folder(recipe.network.start_from, out),
        device=device,
        threads=threads,
        progress=_told(console),
        fresh=fresh,
    )
    console.print(f"{result.folder}: {figures_in_words(result.record['metrics'])}", highlight=False)


def distil_stage(
    recipe_path: Path,
    sets: Path,
    out: Path,
    *,
    labels: Path | None,
    fresh: bool,
    threads: int,
    device: str,
    console: Console,
) -> None:
    """Have transfers teach a student, or give back what it gave before."""
    recipe = recipe_of(recipe_path, Distil)
    result = distil(
        [teacher_of(name, out) for name in recipe.teachers],
        recipe.student(),
        open_prepared(sets / recipe.data),
        out,
        task=load_task(labels),
        start=start_folder(recipe.network.start_from, out),
        temperature=recipe.temperature,
        weight=recipe.weight,
        device=device,
        threads=threads,
        progress=_told(console),
        fresh=fresh,
    )
    console.print(f"{result.folder}: {figures_in_words(result.record['metrics'])}", highlight=False)


def teacher_of(name: str, out: Path) -> Teacher:
    """A transfer that is done, by the recipe in its record.

    Raises:
        ConfigError: there is no such stage, or it is no transfer.
        DataError: its record cannot be read.
    """
    record = out / name / RECORD
    if not record.is_file():
        raise ConfigError(f"teachers: {name} is no stage in {out} that is done; run `ffe-edge train transfer` for it")
    recipe = stage_of(read_json(record).get("recipe"), str(record))
    if not isinstance(recipe, Transfer):
        raise ConfigError(f"teachers: {name} is a pretraining; only a transfer knows the target's labels")
    return Teacher(recipe, start_folder(recipe.network.start_from, out))


def _told(console: Console) -> Progress:
    return lambda done, total, name: console.print(f"  {done} of {total} networks: {name}", highlight=False)
