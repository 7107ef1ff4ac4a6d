"""`ffe-edge train aware`: a network gets used to the rounded numbers of its INT8 export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffe_edge.cli_choices import Device
from ffe_edge.cli_terminal import logged, need


def aware(
    stage: Annotated[Path, typer.Argument(help="Folder of a stage that learned expressions; it is only read.")],
    sets: Annotated[Path, typer.Option(help="Folder of prepared sets.")],
    data: Annotated[
        list[str],
        typer.Option(help="Prepared set to learn from; may be repeated. Faces as the device will see them; no labels."),
    ],
    name: Annotated[str, typer.Option(help="Of the new stage: lower case, digits, dots, hyphens.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of stages; one folder each is made in it.")] = Path(
        "runs"
    ),
    bits: Annotated[
        int, typer.Option(min=4, max=8, help="Of the weights: 7 for x86 without VNNI, else 8. Fewer: experiments.")
    ] = 8,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the faces.")] = 3,
    learning_rate: Annotated[float, typer.Option(help="The largest; it falls to zero along a cosine.")] = 0.002,
    batch: Annotated[int, typer.Option(min=1, help="Faces of a step.")] = 32,
    label_weight: Annotated[
        float, typer.Option(min=0, max=1, help="Of the labels in the target; the rest is what STAGE says.")
    ] = 0.0,
    calibration: Annotated[int, typer.Option(min=1, help="Faces that the ranges of activations come from.")] = 512,
    seed: Annotated[int, typer.Option(help="Of the order, the changes to pictures, and who is measured.")] = 0,
    allow_seen_people: Annotated[
        bool, typer.Option("--allow-seen-people", help="Measure on people whom STAGE has learned; the result says so.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew where settings or data have changed.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Of torch, on a CPU.")] = 2,
    device: Annotated[Device, typer.Option(help="One device.")] = Device.AUTO,
) -> None:
    """Fine-tune a finished network while its numbers are rounded as INT8 will round them, so that it says the same.

    For networks that lose too much when `ffe-edge export --precision int8` quantizes them. STAGE itself teaches, so
    faces need no labels. Agreement with STAGE before and after is measured on people who are not learned from: the
    split `val`, or one in ten. Where it is no better, export STAGE. A run that was ended goes on after its last epoch.

    Example: `ffe-edge train aware runs/elderly --sets sets --data casia --name elderly-int8`
    """
    need("torch", "train")
    from ffe_train.commands_aware import aware_stage

    with logged() as console:
        aware_stage(
            stage, sets, out, fresh=fresh, threads=threads, device=device.value, console=console, name=name,
            data=tuple(data), bits=bits, epochs=epochs, learning_rate=learning_rate, batch=batch,
            label_weight=label_weight, calibration=calibration, seed=seed, allow_seen_people=allow_seen_people,
        )  # fmt: skip
