"""`ffe-edge train measure` and `train card`: how good a model file is, and the page that says so."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ffe_edge.cli_terminal import logged, need

if TYPE_CHECKING:
    from ffe_train.commands_measure import Loaded


class Runtime(str, Enum):
    """Of a CPU."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


def measure(
    model: Annotated[Path, typer.Argument(help="Exported ONNX, or a bundle's folder: the file that will be served.")],
    sets: Annotated[Path, typer.Option(help="Folder of prepared sets.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of figures.json and the csv files.")],
    names: Annotated[
        Optional[list[str]],
        typer.Option("--set", help="Prepared set to measure on; may be repeated [default: all with held-out faces]."),
    ] = None,
    against: Annotated[
        Optional[Path], typer.Option(help="Another model: how far apart the two are on the same faces.")
    ] = None,
    backend: Annotated[Runtime, typer.Option(help="That runs it.")] = Runtime.ONNXRUNTIME,
    threads: Annotated[int, typer.Option(min=1, help="Of the runtime.")] = 1,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap over people.")] = 10_000,
) -> None:
    """Measure a model file on the labelled faces of the split `test`, as a device runs it.

    figures.json has, for each set and for its people of 60 and more, under 60, women and men: accuracy, macro F1, each
    class, calibration, what abstaining gains, and how neutral faces of the old are read. Every figure has its 95 %
    interval: people are drawn with all their pictures, or pictures where a set (FER+) names no people. Beside it lie
    predictions-SET.csv with every answer, and failures.png with the worst mistakes on faces that may be shown.

    Example: `ffe-edge train measure model/model.onnx --sets runs/sets -o runs/figures`

    What a new model gains: `... --against ffe_edge/models/ffe-small.onnx`
    """
    need("matplotlib", "train")
    from ffe_train.commands_measure import measure_model

    with logged() as console:
        ours = _loaded(model, threads, backend.value)
        other = None if against is None else _loaded(against, threads, backend.value)
        measure_model(
            ours, other, sets=sets, names=names or (), out=out, resamples=resamples, console=console
        )  # fmt: skip


def card(
    stage: Annotated[Path, typer.Argument(help="Folder of the training that the model comes from, with stage.json.")],
    figures: Annotated[
        Path, typer.Option(help="Folder that `train measure`, and perhaps `train robustness`, have written into.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page; its pictures are written beside it.")],
    export: Annotated[
        Optional[Path], typer.Option(help="The bundle's folder, or its report.json: figures of the INT8 files.")
    ] = None,
) -> None:
    """Write the model card: what a model was made of and how good it is, every figure from the run's own files.

    What was set for it and missed stands near the top. Pictures show the London set (CC BY 4.0) and rendered people, no
    others. A page is written only if stage, figures and robustness are of one model.

    Example: `ffe-edge train card runs/model/ffe-small --figures runs/figures -o README.md`
    """
    need("matplotlib", "train")
    from ffe_train.commands_card import write_card

    with logged() as console:
        write_card(stage, figures, out, export=export, console=console)


def _loaded(path: Path, threads: int, backend: str) -> Loaded:
    from ffe_edge.engine.model import load_model
    from ffe_train.commands_measure import Loaded

    model = load_model(path, threads, backend)
    return Loaded(model.path, model.spec, model.run)
