"""`ffe-edge bench`: how fast a model is on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console


def bench(
    model: Annotated[
        Optional[Path],
        typer.Option("--model", help="A bundle's folder or an exported ONNX [default: the shipped one]."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Of the CPU runtimes.")] = 1,
    batch: Annotated[
        Optional[list[int]],
        typer.Option("--batch", min=1, max=256, help="Crops at once; may be given more than once [default: 1 4 16]."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="For the measurement, in all.")] = 12.0,
    engines: Annotated[
        Optional[Path],
        typer.Option("--engines", help="Cache of this machine's engines [default: in the state folder]."),
    ] = None,
    dla_core: Annotated[Optional[int], typer.Option(min=0, max=3, help="Of an Orin's or Xavier's engine.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Measure a model with every runner found here, all in turns, after a warm-up.

    Of a bundle the FP32 file is measured against the one that serves. Ratios are of the time of ONNX Runtime in FP32.

    Example: `ffe-edge bench --model exported --json`
    """
    from ffe_edge.bench import BATCHES, as_json, as_table, bench_model
    from ffe_edge.config import default_state_dir
    from ffe_edge.engine.bundle import ENGINES
    from ffe_edge.engine.device_engine import EngineCache

    state_dir = default_state_dir()
    measured = bench_model(
        model,
        threads=threads,
        batches=batch or BATCHES,
        seconds=seconds,
        cache=EngineCache(engines or state_dir / ENGINES, state_dir),
        dla_core=dla_core,
    )
    if json_output:
        sys.stdout.write(as_json(measured) + "\n")
        return
    console = Console()
    console.print(as_table(measured))
    for name, why_not in measured.absent.items():
        console.print(f"without {name}: {why_not}", markup=False, highlight=False, soft_wrap=True)
