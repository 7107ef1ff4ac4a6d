"""`ffe-edge export` and `ffe-edge engine`: from a checkpoint to files that are proven; torch is imported inside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ffe_edge.cli_terminal import logged, need
from ffe_edge.errors import ConfigError

if TYPE_CHECKING:
    from ffe_export.export import Exported
    from ffe_export.to_engine import EngineSettings

REFUSED: Final = 1
"""Exit code when the precision that was asked for is refused; the bundle then serves a larger one."""


class Precision(str, Enum):
    """Of the numbers that are multiplied."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Target(str, Enum):
    """What the files are for."""

    ONNX = "onnx"
    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"


engine_app = typer.Typer(no_args_is_help=True, help="Engines of TensorRT that were built on this machine.")


def export(
    model: Annotated[
        Path,
        typer.Argument(help="A stage's folder, an exported ONNX in FP32, or a bundle."),
    ],
    out: Annotated[Optional[Path], typer.Option("--out", "-o", help="Folder of the bundle to write.")] = None,
    precision: Annotated[
        Optional[list[Precision]],
        typer.Option(help="int8 needs --calibration; FP32 always comes along. May be repeated."),
    ] = None,
    calibration: Annotated[
        Optional[Path],
        typer.Option(help="Folder of 112 x 112 crops or a prepared set: INT8 learns its ranges there. 100 or more."),
    ] = None,
    check: Annotated[
        Optional[Path],
        typer.Option(help="Folder of labelled crops or a prepared set, apart from --calibration: the accuracy gate."),
    ] = None,
    checked: Annotated[int, typer.Option(min=1, help="Crops of --check at most, drawn evenly.")] = 500,
    split: Annotated[Optional[str], typer.Option(help="Only these rows of --check: train, val or test.")] = None,
    target: Annotated[
        Optional[list[Target]],
        typer.Option(help="Also build engines here; tensorrt-rtx needs no GPU to build. May be repeated."),
    ] = None,
    identities: Annotated[Optional[Path], typer.Option(help="CSV of pairs: how well people are told apart.")] = None,
    name: Annotated[Optional[str], typer.Option(help="Of the model [default: as it is called].")] = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Of the CPU's runtimes, also where they are timed.")] = 1,
    max_points: Annotated[float, typer.Option(min=0, max=100, help="Accuracy that may be lost, in points.")] = 1.0,
    strict: Annotated[bool, typer.Option("--strict", help="The interval's end must be within it, too.")] = False,
    allow_slower: Annotated[bool, typer.Option("--allow-slower", help="Take INT8 that is not faster here.")] = False,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Measure what every layer costs, even where none falls back.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Only build the engine of the bundle MODEL, here.")
    ] = False,
    engines: Annotated[Optional[Path], typer.Option(help="With --rebuild: where engines are kept.")] = None,
    max_batch: Annotated[
        Optional[int], typer.Option(min=1, max=256, help="Of engines [default: 16; 4 on a DLA, which takes no other].")
    ] = None,
    workspace_mib: Annotated[Optional[int], typer.Option(min=1, help="Of a build [default: by the memory].")] = None,
    dla_core: Annotated[Optional[int], typer.Option(min=0, max=3, help="Of an Orin or Xavier.")] = None,
    capability: Annotated[
        Optional[list[str]], typer.Option(help="GPUs that tensorrt-rtx builds for, as 8.6. May be repeated.")
    ] = None,
) -> None:
    """Turn a trained stage into what a device runs, and prove that it still says the same.

    The bundle has the model as ONNX in FP32 and in the precision asked for, golden inputs (rendered people) with their
    outputs, report.html with every figure, and bundle.json. Two gates decide what serves: accuracy, and latency on this
    machine. Exit code 1: the precision was refused, the report says why, and the bundle serves a larger one.

    Example: `ffe-edge export runs/elderly -o model --precision int8 --calibration sets/faces --check sets/elderly`

    On a Jetson: `ffe-edge export --rebuild model`
    """
    wanted = [one for one in dict.fromkeys(target or []) if one is not Target.ONNX]
    if rebuild:
        if len(wanted) > 1:
            raise ConfigError("--rebuild builds one engine: give one --target")
        (settings,) = _settings(wanted or [Target.TENSORRT], max_batch, workspace_mib, dla_core, capability)
        _rebuild(model, engines, settings)
        return
    need("onnx", "export")
    if out is None:
        raise ConfigError("say where the bundle goes: --out FOLDER")
    if engines is not None:
        raise ConfigError("--engines goes with --rebuild; an export keeps engines in its bundle")
    from ffe_export.export import Wish, export_model
    from ffe_export.gates import AccuracyGate, Gates, LatencyGate
    from ffe_export.quantize import Quantization

    wish = Wish(
        precisions=tuple(one.value for one in precision or ()),
        calibration=calibration,
        check=check,
        split=split,
        identities=identities,
        most_checked=checked,
        engines=tuple(_settings(wanted, max_batch, workspace_mib, dla_core, capability)),
        name=name,
        gates=Gates(AccuracyGate(max_points, strict=strict), LatencyGate(allow_slower=allow_slower)),
        quantization=Quantization(sensitivity=sensitivity),
        threads=threads,
    )
    with logged() as console, _progress(console) as tell:
        exported = export_model(model, out, wish, tell)
    _tell(exported)


@engine_app.command("info")
def engine_info(
    file: Annotated[Path, typer.Argument(help="The .engine file.")],
    json_output: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what an engine was built of and for, and whether this machine would load it. Nothing in it is run.

    Exit code 1: it would not be loaded here.
    """
    from ffe_edge.engine.engine_file import describe
    from ffe_edge.engine.engine_key import Machine
    from ffe_edge.engine.tensorrt_module import this_machine

    built_by = describe(file, Machine("tensorrt", ""))["key"]["runtime"]
    here = this_machine(built_by)
    found = describe(file, here)
    if not here.gpu_name:
        found = {**found, "fits": False, "why_not": [*found["why_not"], "no NVIDIA GPU that pycuda reaches"]}
    if json_output:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show_engine(found)
    raise typer.Exit(0 if found["fits"] else 1)


def _settings(
    targets: Sequence[Target],
    max_batch: int | None,
    workspace_mib: int | None,
    dla_core: int | None,
    capabilities: list[str] | None,
) -> list[EngineSettings]:
    from ffe_export.to_engine import EngineSettings

    largest = max_batch or (16 if dla_core is None else 4)
    try:
        return [
            EngineSettings(
                "tensorrt-rtx" if target is Target.TENSORRT_RTX else "tensorrt",
                min_batch=1 if dla_core is None else largest,
                opt_batch=min(4, largest) if dla_core is None else largest,
                max_batch=largest,
                workspace_mib=workspace_mib,
                dla_core=dla_core,
                compute_capabilities=tuple(capabilities or ()) if target is Target.TENSORRT_RTX else (),
            )
            for target in targets
        ]
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _rebuild(bundle: Path, engines: Path | None, settings: EngineSettings) -> None:
    from ffe_export.engines import rebuild

    with logged() as console, _progress(console) as tell:
        engine, unchecked = rebuild(bundle, engines, settings, tell)
    told = f"golden outputs not checked ({unchecked})" if unchecked else "golden outputs as exported"
    typer.echo(f"{engine.path}: built in {engine.seconds:.1f} s, {engine.size_bytes / 2**20:.1f} MiB, {told}")


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal that says what is done; a line for each thing begun where there is none."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=1.0)
        yield lambda what, share: bars.update(task, description=what, completed=share)


class _Lines:
    """Tells a log what is begun, once."""

    def __init__(self, console: Console) -> None:
        self._console, self._told = console, set[str]()

    def __call__(self, what: str, _share: float) -> None:
        """Told of every step."""
        head, _, _ = what.partition(": ")
        if head not in self._told:
            self._told.add(head)
            self._console.print(head, highlight=False, markup=False)


def _tell(exported: Exported) -> None:
    """What came out, in words and figures; ends the command with ``REFUSED`` where the wish was refused."""
    from ffe_export.tell import table

    console = Console()
    console.print(table(exported.verification))
    serving = exported.serving
    served = f"serves {serving.precision}, {serving.cpu} on a CPU, engines of {serving.engine}"
    for line in (f"{exported.folder}: {served}", f"every figure: {exported.folder / 'report.html'}"):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not exported.is_as_wished:
        raise typer.Exit(REFUSED)


def _show_engine(found: dict[str, Any]) -> None:
    console = Console()
    rows = {**found["key"], "sha256": found["sha256"], "MiB": f"{found['size_bytes'] / 2**20:.1f}"}
    for name, value in rows.items():
        told = value if value not in ("", None) else "-"
        console.print(f"{name:>20}  {told}", highlight=False, markup=False, soft_wrap=True)
    for reason in found["why_not"]:
        told = f"would not be loaded here: {reason}"
        console.print(told, style="red", highlight=False, markup=False, soft_wrap=True)
    if found["fits"]:
        console.print("would be loaded here", style="green")
