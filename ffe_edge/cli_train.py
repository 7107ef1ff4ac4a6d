"""`ffe-edge train …`: the stages of training, each a command of its own; torch is imported inside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Optional

import typer

from ffe_edge.cli_aware import aware
from ffe_edge.cli_choices import Architecture, Device, Flavour, WeightKind
from ffe_edge.cli_grid import grid
from ffe_edge.cli_ladder import ladder
from ffe_edge.cli_measure import card, measure
from ffe_edge.cli_reproduced import reproduced
from ffe_edge.cli_robustness import robustness
from ffe_edge.cli_terminal import logged, need
from ffe_edge.cli_voices import voices
from ffe_edge.errors import ConfigError

EPILOG: Final = (
    "In this order: `prepare` sets of faces, `pretrain` on large ones, `transfer` to your own people, `evaluate`, "
    "`raters`. `distil` has transfers teach a smaller network, `aware` readies one for INT8, `grid` does it for many "
    "networks at once. `measure` and `robustness` say how good an exported file is, `card` writes it down. "
    "Recipes: train/recipes/."
)

train_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Train on faces: prepare, pretrain, transfer, evaluate, compare with human raters.",
    epilog=EPILOG,
)

Sets = Annotated[Path, typer.Option(help="Folder of prepared sets; recipes name them.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of stages; one folder each is made in it.")]
Labels = Annotated[
    Optional[Path], typer.Option(help="labels.toml of another task than the nine expressions, as pain or drowsiness.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin anew where the recipe or the data has changed.")]
Threads = Annotated[int, typer.Option(min=1, help="Of torch, on a CPU.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that prepare batches for a GPU; 0: threads do.")]
OneDevice = Annotated[Device, typer.Option(help="One device; only pretraining uses several.")]
Answers = Annotated[Optional[Path], typer.Option(help="csv of path,rater,answer; without it the set's own counts.")]
Resamples = Annotated[int, typer.Option(min=100, help="Of the bootstrap over people.")]
DetectorOption = Annotated[Optional[Path], typer.Option(help="YuNet's ONNX; without it the fetched one.")]


@train_app.command()
def prepare(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder, .rec file, csv or zip; `rendered-expressions` and `rendered-identities` need none."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the prepared set; its name is the set's name.")],
    kind: Annotated[str, typer.Option(help="What the source is; auto looks. See train/DATA.md.")] = "auto",
    detector: DetectorOption = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without images that cannot be read.")] = False,
    odd_colours: Annotated[bool, typer.Option("--allow-odd-colours", help="Red and blue may look swapped.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Threads that read, detect and align.")] = 2,
    min_age: Annotated[Optional[float], typer.Option(help="Only people known to be of this age or older.")] = None,
    without: Annotated[
        Optional[Path], typer.Option(help="Prepared set whose people are left out, as those that will be tested.")
    ] = None,
    option: Annotated[
        Optional[list[str]], typer.Option(help="KEY=VALUE for the source, as people=111; may be repeated.")
    ] = None,
) -> None:
    """Find, align and store the faces of a set once, as 112 x 112 crops that need no decoding.

    What was refused and why stands in refused.csv. A run that was ended goes on where it was.

    Example: `ffe-edge train prepare faces/casia/train.rec -o sets/casia`
    """
    need("torch", "train")
    from ffe_train.commands import prepare_set

    with logged() as console:
        prepare_set(
            source, out, kind=kind, detector_path=detector, skip_bad=skip_bad, check_colours=not odd_colours,
            workers=workers, options=option or [], min_age=min_age, without=without, console=console,
        )  # fmt: skip


@train_app.command("import")
def import_weights(
    weights: Annotated[Path, typer.Argument(help="AdaFace .ckpt, CVLface, insightface backbone.pth, torchvision.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; recipes start from its name.")],
    licence: Annotated[str, typer.Option(help="Terms of these weights, as you have read them.")],
    architecture: Annotated[Optional[Architecture], typer.Option(help="What they are of [default: as found].")] = None,
    flavour: Annotated[Flavour, typer.Option(help="Of a Face-ResNet.")] = Flavour.ADAFACE,
    kind: Annotated[WeightKind, typer.Option(help="Whose they are; auto tells it by the names.")] = WeightKind.AUTO,
) -> None:
    """Turn public weights into ours: names mapped, colour order folded, licence and SHA-256 kept beside them.

    Example: `ffe-edge train import adaface_ir18.ckpt -o runs/adaface-ir18 --licence none-given`
    """
    need("torch", "train")
    from ffe_train.commands import import_public_weights

    with logged() as console:
        import_public_weights(
            weights, out, architecture=architecture.value if architecture else None, flavour=flavour.value,
            licence=licence, kind=kind.value, console=console,
        )  # fmt: skip


@train_app.command()
def pretrain(
    recipe: Annotated[Path, typer.Argument(help='Recipe with stage = "pretrain".')],
    sets: Sets,
    out: Out = Path("runs"),
    labels: Labels = None,
    fresh: Fresh = False,
    threads: Threads = 2,
    accelerator: Annotated[Device, typer.Option(help="Kind of the devices.")] = Device.AUTO,
    devices: Annotated[int, typer.Option(min=1, help="Of each node.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Started by torchrun; see train/jobs/.")] = 1,
    workers: Workers = 0,
    seed: Annotated[Optional[int], typer.Option(help="Another than the recipe's; the stage is then NAME.SEED.")] = None,
) -> None:
    """Learn identities or expressions of large sets. Killed at any moment, the same command goes on exactly there.

    Example: `ffe-edge train pretrain train/recipes/casia-adaface.toml --sets sets`
    """
    need("torch", "train")
    from ffe_train.commands import pretrain_stage
    from ffe_train.devices import Options

    options = Options(
        accelerator=accelerator.value, devices=devices, nodes=nodes, threads=threads, workers=workers, fresh=fresh
    )
    with logged() as console:
        pretrain_stage(recipe, sets, out, labels=labels, seed=seed, options=options, console=console)


@train_app.command()
def transfer(
    recipe: Annotated[Path, typer.Argument(help='Recipe with stage = "transfer".')],
    sets: Sets,
    out: Out = Path("runs"),
    labels: Labels = None,
    fresh: Fresh = False,
    threads: Threads = 2,
    device: OneDevice = Device.AUTO,
) -> None:
    """Take a network to your own people, in nested folds that keep people apart.

    Example: `ffe-edge train transfer train/recipes/elderly.toml --sets sets`
    """
    need("torch", "train")
    from ffe_train.commands_target import transfer_stage

    with logged() as console:
        transfer_stage(
            recipe, sets, out, labels=labels, fresh=fresh, threads=threads, device=device.value, console=console
        )


@train_app.command()
def distil(
    recipe: Annotated[Path, typer.Argument(help='Recipe with stage = "distil".')],
    sets: Sets,
    out: Out = Path("runs"),
    labels: Labels = None,
    fresh: Fresh = False,
    threads: Threads = 2,
    device: OneDevice = Device.AUTO,
) -> None:
    """Have finished transfers teach a smaller network, which is measured in their folds on people none of them saw.

    Example: `ffe-edge train distil train/recipes/student.toml --sets sets`
    """
    need("torch", "train")
    from ffe_train.commands_target import distil_stage

    with logged() as console:
        distil_stage(
            recipe, sets, out, labels=labels, fresh=fresh, threads=threads, device=device.value, console=console
        )


train_app.command("aware")(aware)


@train_app.command()
def evaluate(
    stage: Annotated[Path, typer.Argument(help="Folder of a transfer, or its predictions.csv.")],
    out: Annotated[
        Optional[Path], typer.Option("--out", "-o", help="Folder of the report [default: STAGE/report].")
    ] = None,
    labels: Labels = None,
    answers: Answers = None,
    resamples: Resamples = 10_000,
) -> None:
    """Write a report that is honest about its error bars: HTML, JSON and CSV, with pictures.

    Example: `ffe-edge train evaluate runs/elderly`
    """
    need("matplotlib", "train")
    from ffe_train.commands_evaluate import evaluate_stage

    with logged() as console:
        evaluate_stage(stage, out, labels=labels, answers=answers, resamples=resamples, console=console)


@train_app.command()
def raters(
    stage: Annotated[Optional[Path], typer.Argument(help="Folder of a transfer, or its predictions.csv.")] = None,
    answers: Answers = None,
    published: Annotated[
        bool, typer.Option("--published", help="Rebuild the slides' tables from their counts instead.")
    ] = False,
    labels: Labels = None,
    resamples: Resamples = 10_000,
    out: Annotated[Optional[Path], typer.Option("--out", "-o", help="Also write the table as JSON here.")] = None,
) -> None:
    """Compare a model with human raters, on the same images and over the same labels.

    Example: `ffe-edge train raters --published`
    """
    from ffe_train.commands_evaluate import compare_with_raters, print_published

    if published and (stage or answers):
        raise ConfigError("--published rebuilds printed tables and takes no STAGE or --answers; leave one out")
    if published:
        print_published(out)
        return
    with logged():
        compare_with_raters(stage, answers, out, labels=labels, resamples=resamples)


train_app.command("grid")(grid)
train_app.command("ladder")(ladder)
train_app.command("voices")(voices)
train_app.command("measure")(measure)
train_app.command("card")(card)
train_app.command("robustness")(robustness)
train_app.command("reproduced")(reproduced)
