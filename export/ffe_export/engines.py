"""Engines that are built where the export runs, and run where there is a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Final

from ffe_edge.engine.bundle import ENGINES, read_bundle
from ffe_edge.engine.cuda_memory import find_gpu
from ffe_edge.engine.engine_file import EngineFile, read_engine
from ffe_edge.engine.engine_key import RuntimeName
from ffe_edge.engine.golden import check_golden, load_golden
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.tensorrt_module import load_api
from ffe_edge.engine.tensorrt_runner import TensorRtRunner, load_tensorrt
from ffe_edge.errors import ModelError
from ffe_export.contenders import network_file, of_engine
from ffe_export.to_engine import EngineSettings, build_engine
from ffe_export.verification import Contender

Progress = Callable[[str, float], None]
NAMES: Final[dict[RuntimeName, str]] = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}
NO_GPU: Final = "built, not run here: no GPU"


def check_runtimes(every: Sequence[EngineSettings]) -> None:
    """Look for all that a build needs before anything is made.

    Raises:
        ModelError: a runtime is missing, or the GPU that TensorRT builds on; says what to install.
    """
    for settings in every:
        load_api(settings.target)
        if settings.target == "tensorrt":
            find_gpu()


def built(
    folder: Path,
    engines: Path,
    precisions: Sequence[str],
    every: Sequence[EngineSettings],
    opened: ExitStack,
    tell: Progress,
) -> Iterator[Contender]:
    """Build the network of every precision for every target; a DLA takes none in FP32.

    Args:
        folder: of the networks.
        engines: where the engines go.
        precisions: FP32 among them, for comparison.
        every: one entry a target.
        opened: closes the engines that run here.
        tell: told what is done and how far it is.

    Raises:
        ModelError: a runtime is missing, or refuses the network.
    """
    for settings in every:
        for one in precisions if settings.dla_core is None else [p for p in precisions if p != "fp32"]:
            name = f"{one.upper()}, {NAMES[settings.target]}"
            onnx = folder / network_file(one)
            engine = build_engine(onnx, engines, settings, partial(_step, tell, name))
            runner, why_not = _run(engine, onnx, settings)
            if runner is not None:
                opened.callback(runner.close)
            yield of_engine(name, one, engine.path, runner, why_not)


def rebuild(
    bundle_path: Path, engines: Path | None, settings: EngineSettings, tell: Progress
) -> tuple[EngineFile, str]:
    """Build the engine of a bundle for this machine and hold it against the golden outputs.

    Args:
        bundle_path: the bundle.
        engines: where engines are kept; None: in the bundle.
        settings: what it is built for.
        tell: told how far it is.

    Returns:
        The engine, and what the golden check said: nothing where it passed.

    Raises:
        ModelError: no bundle, a runtime that is missing or refuses, or an engine that fails its golden check.
    """
    bundle = read_bundle(bundle_path)
    if bundle.engine is None:
        raise ModelError(f"{bundle.folder}: has no network that engines are built of; export the model again")
    bundle.read(bundle.engine)
    step = partial(_step, tell, NAMES[settings.target])
    engine = build_engine(bundle.engine, engines or bundle.folder / ENGINES, settings, step)
    runner, why_not = _run(engine, bundle.engine, settings)
    if runner is None or bundle.golden is None:
        return engine, why_not or "the bundle has none"
    with closing(runner):
        bundle.read(bundle.golden)
        check_golden(runner, load_golden(bundle.golden))
    return engine, ""


def _step(tell: Progress, name: str, phase: str, share: float) -> None:
    tell(f"{name}: {phase}", share)


def _run(engine: EngineFile, onnx: Path, settings: EngineSettings) -> tuple[TensorRtRunner | None, str]:
    """A runner, or the reason why there is none."""
    try:
        find_gpu()
    except ModelError:
        return None, NO_GPU
    spec = ModelFile.read(onnx).spec()
    data = read_engine(engine.path, engine.key)
    return load_tensorrt(data, spec, settings.target, dla_core=settings.dla_core), ""
