"""`ffe-edge train voices`: let teachers speak once, for networks that are trained where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from ffe_edge.cli_choices import Device
from ffe_edge.cli_terminal import logged, need


def voices(
    recipe: Annotated[Path, typer.Argument(help='Recipe with stage = "pretrain", teachers and voices in [teaching].')],
    sets: Annotated[Path, typer.Option(help="Folder of prepared sets; recipes name them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of stages, where the teachers are.")] = Path("runs"),
    labels: Annotated[Optional[Path], typer.Option(help="labels.toml of another task than the nine.")] = None,
    accelerator: Annotated[Device, typer.Option(help="Kind of the device.")] = Device.AUTO,
) -> None:
    """Write what the teachers of a recipe say about all its faces into the file that it names, beside it.

    From then on `pretrain` takes the file: large teachers are trained once, on a GPU, and small networks anywhere.

    Example: `ffe-edge train voices train/recipes/model/small.toml --sets runs/sets --out runs/ladder`
    """
    need("torch", "train")
    from ffe_train.commands import recipe_of
    from ffe_train.commands_voices import write_recipe_voices
    from ffe_train.recipes import Pretrain

    with logged() as console:
        write_recipe_voices(
            recipe,
            recipe_of(recipe, Pretrain),
            sets,
            out,
            labels=labels,
            accelerator=accelerator.value,
            console=console,
        )
