"""`ffe-edge train voices`: what the teachers of a recipe say, in one file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ffe_edge.errors import ConfigError
from ffe_train.devices import device_of
from ffe_train.prepared import open_prepared
from ffe_train.pretrain import TOLD
from ffe_train.pretrain_data import lesson_of
from ffe_train.recipes import Pretrain
from ffe_train.stage_folder import stage_named
from ffe_train.tasks import load_task
from ffe_train.teaching import note_voices
from ffe_train.voices import read_voices


def voices_beside(recipe_path: Path, recipe: Pretrain) -> Path | None:
    """The file that a recipe names, None where it names none."""
    return recipe_path.parent / recipe.teaching.voices if recipe.teaching and recipe.teaching.voices else None


def teachers_of(recipe: Pretrain, out: Path) -> Sequence[Path]:
    """Folders of the stages that a recipe is taught by.

    Raises:
        ConfigError: one is not there.
    """
    return [stage_named(name, out) for name in recipe.teaching.teachers] if recipe.teaching else ()


def write_recipe_voices(
    recipe_path: Path,
    recipe: Pretrain,
    sets: Path,
    out: Path,
    *,
    labels: Path | None,
    accelerator: str,
    console: Console,
) -> None:
    """Ask the teachers and write the file that the recipe names.

    Raises:
        ConfigError: it names none, or a teacher is not there.
    """
    path = voices_beside(recipe_path, recipe)
    if path is None:
        raise ConfigError(f'{recipe_path}: names no file; say voices = "….npz" in [teaching]')
    lesson = lesson_of(recipe, {name: open_prepared(sets / name) for name in recipe.learned}, load_task(labels))
    device = device_of(accelerator)
    note_voices(path, lesson, recipe, teachers_of(recipe, out), out / TOLD, device)
    written = read_voices(path)
    console.print(
        f"{path}: {len(written.teachers)} teachers on {len(written.probs):,} faces, {path.stat().st_size / 1e6:.1f} MB",
        highlight=False,
    )
