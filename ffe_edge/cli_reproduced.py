"""`ffe-edge train reproduced`: whether a run came to the figures of the file that is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffe_edge.cli_terminal import need


def reproduced(
    figures: Annotated[Path, typer.Argument(help="Folder that `train measure` has written into, of the new model.")],
    shipped: Annotated[Path, typer.Argument(help="The same of the model that is shipped.")],
) -> None:
    """Say for each headline figure whether it lies within the 95 % interval of the shipped model's.

    A figure outside is told, and is no error: intervals are over people, and two trainings differ by more than that.

    Example: `ffe-edge train reproduced runs/model/figures runs/model/shipped`
    """
    need("torch", "train")
    from ffe_train.commands_reproduced import compare_figures
    from ffe_train.reproduced import in_words

    for line in in_words(compare_figures(figures, shipped)):
        typer.echo(line)
