"""A bare network's ONNX -> an engine of TensorRT, on the device itself, or of TensorRT-RTX, on any x86-64 machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ffe_edge.engine import tensorrt_api
from ffe_edge.engine.cuda_memory import find_gpu
from ffe_edge.engine.engine_file import EngineFile, read_timing_cache, write_engine, write_timing_cache
from ffe_edge.engine.engine_key import EngineKey, Machine, RuntimeName
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.tensorrt_api import Api
from ffe_edge.engine.tensorrt_module import load_api, plain, this_machine
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec

Progress = Callable[[str, float], None]
IMAGES: Final = "images"
OUTPUTS: Final = ({"logits", "embedding"}, {"logits"})
LEAST_MIB: Final = 128
MOST_MIB: Final = 2048
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What an engine is built for."""

    target: RuntimeName
    min_batch: int = 1
    opt_batch: int = 4
    """The batch it is quickest at."""
    max_batch: int = 16
    workspace_mib: int | None = None
    """Memory that the build may try kernels with; None: a sixteenth of this machine's, so that 4 GB boards live."""
    dla_core: int | None = None
    """Run on this deep-learning accelerator of an Orin or Xavier, and on the GPU what it cannot."""
    compute_capabilities: tuple[str, ...] = ()
    """GPUs that an engine of TensorRT-RTX is for, ``8.6`` say; none: all that it knows."""
    timing_cache: bool = True
    """Keep what TensorRT measured beside the engines, for the next build."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_batch <= self.opt_batch <= self.max_batch:
            raise ValueError(f"batches must rise from 1, not {self.min_batch}, {self.opt_batch}, {self.max_batch}")
        if self.workspace_mib is not None and self.workspace_mib < 1:
            raise ValueError(f"a workspace of {self.workspace_mib} MiB is none")
        if self.compute_capabilities and self.target != "tensorrt-rtx":
            raise ValueError("TensorRT builds for the GPU at hand; compute capabilities are for tensorrt-rtx")
        if self.dla_core is not None and self.target != "tensorrt":
            raise ValueError("only TensorRT on an Orin or Xavier has a DLA")
        if self.dla_core is not None and self.min_batch != self.max_batch:
            raise ValueError("a DLA takes one size of batch: give the smallest, best and largest the same")


def build_engine(
    onnx: Path,
    folder: Path,
    settings: EngineSettings,
    progress: Progress | None = None,
    *,
    state_dir: Path | None = None,
) -> EngineFile:
    """Build an engine and write it into a folder, beside what is there.

    Args:
        onnx: the bare network, ``network.int8.onnx`` say.
        folder: the engine cache, ``engines`` in a bundle.
        settings: what it is built for.
        progress: called with the phase and the share of the whole that is done; also from the runtime's own threads.
        state_dir: where this installation's secret lies; None for systemd's or the user's.

    Raises:
        ModelError: no ONNX of a bare network, an operator that the runtime lacks, no runtime, no GPU, a full disk.
    """
    file = ModelFile.read(onnx)
    spec = file.spec()
    _check_spec(spec, settings, onnx)
    api = Api(load_api(settings.target))
    key = _key(file, spec, settings)
    started = time.monotonic()
    cache = _timing_cache(folder, key.machine, settings, state_dir)
    data, measured = _build(api, file, spec, settings, cache, progress or _nobody)
    engine = write_engine(folder, onnx.stem, key, data, seconds=time.monotonic() - started, state_dir=state_dir)
    if measured:
        write_timing_cache(folder, key.machine, measured, state_dir=state_dir)
    return engine


def workspace_mib(memory_mib: int) -> int:
    """How much memory a build may try kernels with on a machine that has so much: 256 MiB on a board of 4 GB."""
    return min(max(memory_mib // 16, LEAST_MIB), MOST_MIB)


def _check_spec(spec: ModelSpec, settings: EngineSettings, onnx: Path) -> None:
    if spec.graph != "images":
        raise ModelError(f"{onnx}: takes crops; an engine is built of the bare network, network*.onnx of a bundle")
    if settings.dla_core is not None and spec.precision == "fp32":
        raise ModelError(f"{onnx}: is fp32, a DLA computes in fp16 and int8; give network.fp16.onnx")


def _key(file: ModelFile, spec: ModelSpec, settings: EngineSettings) -> EngineKey:
    """TensorRT's engine is for the GPU at hand, TensorRT-RTX's for what it was asked to reach."""
    if settings.target == "tensorrt":
        find_gpu()
        machine = this_machine(settings.target)
    else:
        here = this_machine(settings.target)
        machine = replace(here, gpu_name="", compute_capability=",".join(settings.compute_capabilities))
    batches = settings.min_batch, settings.opt_batch, settings.max_batch
    return EngineKey(file.sha256, spec.precision, machine, *batches, settings.dla_core)


def _build(
    api: Api, file: ModelFile, spec: ModelSpec, settings: EngineSettings, cache: bytes | None, progress: Progress
) -> tuple[bytes, bytes]:
    """The engine, and what was measured for it (nothing where ``cache`` is None)."""
    builder, dla = api.builder(), settings.dla_core is not None
    network = tensorrt_api.new_network(api, builder, dla=dla)
    progress("Parsing", 0.0)
    parser = tensorrt_api.parse(api, network, file.data, str(file.path), dla=dla)
    _check_network(api, network, spec, file.path)
    config = tensorrt_api.new_config(
        api,
        builder,
        workspace_mib=settings.workspace_mib or workspace_mib(_memory_mib()),
        precision=spec.precision,
        dla_core=settings.dla_core,
    )
    batches = settings.min_batch, settings.opt_batch, settings.max_batch
    tensorrt_api.set_batches(builder, config, IMAGES, (3, spec.size_px, spec.size_px), batches)
    tensorrt_api.set_capabilities(api, config, settings.compute_capabilities)
    if cache is not None:
        tensorrt_api.set_timing_cache(config, cache)
    if not tensorrt_api.watch(api, config, progress):
        progress("Building, which this TensorRT does not show", 0.0)
    data = tensorrt_api.build(api, builder, network, config, str(file.path))
    del parser  # it owns weights of the network
    progress("Built", 1.0)
    return data, b"" if cache is None else tensorrt_api.timing_cache(config)


def _check_network(api: Api, network: Any, spec: ModelSpec, path: Path) -> None:
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    wanted = (-1, 3, spec.size_px, spec.size_px)
    shapes = [(item.name, tuple(item.shape)) for item in inputs]
    if shapes != [(IMAGES, wanted)] or inputs[0].dtype != api.trt.float32:
        found = ", ".join(f"{plain(name)} {shape}" for name, shape in shapes)
        raise ModelError(f"{path}: takes {found}, must take {IMAGES} {wanted} float32 with a batch that may vary")
    named = {item.name: tuple(item.shape) for item in outputs}
    if set(named) not in OUTPUTS or named["logits"] != (-1, len(spec.labels)):
        found = ", ".join(f"{plain(name)} {shape}" for name, shape in named.items())
        raise ModelError(f"{path}: gives {found}, must give logits (-1, {len(spec.labels)}) and may give embedding")


def _timing_cache(folder: Path, machine: Machine, settings: EngineSettings, state_dir: Path | None) -> bytes | None:
    """None: none is kept. TensorRT-RTX measures nothing while it builds."""
    if settings.target != "tensorrt" or not settings.timing_cache:
        return None
    try:
        return read_timing_cache(folder, machine, state_dir=state_dir)
    except ModelError as error:
        logger.warning("timing cache not used: %s", error)
        return b""


def _memory_mib(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory of this machine, which on a Jetson is the GPU's too; 0 where it cannot be told."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("MemTotal:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return 0


def _nobody(_phase: str, _share: float) -> None:
    """Nobody asked for the progress."""
