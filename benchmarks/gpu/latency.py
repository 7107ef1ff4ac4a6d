"""Milliseconds from crops to probabilities on a GPU, by network, runtime, precision and batch.

    python benchmarks/gpu/latency.py [--architectures resnet18 ...] [--batches 1 4 16] [--onnx network.int8.onnx ...]

PyTorch runs in FP32 (TF32 off), BF16 and FP16; TensorRT and TensorRT-RTX, where they can be imported, run engines that
are built here: FP32 and FP16 of the same networks, and every file of ``--onnx``, of a bundle's INT8, say.
Each figure begins with uint8 crops in the processor's memory and ends with probabilities there: what a device pays for.
All of a network run in turns, round after round, after a warm-up. Without a GPU it says so and ends with exit code 2.
Figures are of this machine; compare them within one run only.
"""
# ruff: noqa: TID253 - what is measured is torch

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from ffe_edge.align import CROP_PX
from ffe_edge.emotions import LABELS
from ffe_edge.engine.cuda_memory import Buffer, DeviceMemory, PycudaMemory
from ffe_edge.engine.engine_file import read_engine
from ffe_edge.engine.engine_key import RUNTIMES, RuntimeName
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.tensorrt_module import MODULES
from ffe_edge.engine.tensorrt_runner import load_tensorrt
from ffe_edge.engine.timing import Durations, interleaved
from ffe_edge.errors import FfeError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray, ImageArray
from ffe_export.graph import serialized
from ffe_export.half import halved
from ffe_export.tidy import tidied
from ffe_export.to_engine import EngineSettings, build_engine
from ffe_export.to_onnx import to_onnx
from ffe_train.deployed import Deployed
from ffe_train.networks import Architecture, ExpressionNetwork, NetworkSpec, Preset, new_backbone, to_input

Run = Callable[[ImageArray], FloatArray]
TORCH = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchMemory:
    """The seam of ``cuda_memory`` by torch, where pycuda is not at hand."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.stream = int(self._stream.cuda_stream)
        self._pairs: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        """Makes the stream the current one."""
        with torch.cuda.stream(self._stream):
            yield

    def buffer(self, shape: tuple[int, ...]) -> Buffer:
        """New float32 numbers of this shape."""
        host = torch.empty(shape, dtype=torch.float32, pin_memory=True)
        copy = torch.empty(shape, dtype=torch.float32, device="cuda")
        self._pairs[copy.data_ptr()] = host, copy
        return Buffer(host.numpy(), copy.data_ptr())

    def to_device(self, buffer: Buffer, rows: int) -> None:
        """Queues the copy of the first rows to the GPU."""
        host, copy = self._pairs[buffer.address]
        copy[:rows].copy_(host[:rows], non_blocking=True)

    def to_host(self, buffer: Buffer, rows: int) -> None:
        """Queues the copy of the first rows from the GPU."""
        host, copy = self._pairs[buffer.address]
        host[:rows].copy_(copy[:rows], non_blocking=True)

    def wait(self) -> None:
        """Returns when all that was queued is done."""
        self._stream.synchronize()

    def close(self) -> None:
        """Gives everything back."""
        self._pairs.clear()


def memory() -> DeviceMemory:
    """Pycuda's where it is, as on a device."""
    return PycudaMemory() if importlib.util.find_spec("pycuda") else TorchMemory()


def torch_run(network: Deployed, precision: str) -> Run:
    """A network in PyTorch, from crops to probabilities."""
    kind = TORCH[precision]
    held = network.to("cuda", kind).to(memory_format=torch.channels_last)

    def run(crops: ImageArray) -> FloatArray:
        with torch.inference_mode():
            logits, _ = held(to_input(crops, "cuda").to(kind))
            return np.asarray(torch.softmax(logits.float(), 1).cpu())

    return run


def new_network(spec: NetworkSpec) -> Deployed:
    """A network with the same random weights every time."""
    torch.manual_seed(0)
    return Deployed(ExpressionNetwork(new_backbone(spec), len(LABELS))).eval()


def networks(spec: NetworkSpec, folder: Path) -> list[Path]:
    """The bare network as FP32 and FP16 files."""
    told = ModelSpec(f"{spec.architecture}-{spec.preset}", LABELS, graph="images")
    model = tidied(to_onnx(new_network(spec), told))
    paths = [folder / f"{told.name}.onnx", folder / f"{told.name}.fp16.onnx"]
    paths[0].write_bytes(serialized(model, told))
    paths[1].write_bytes(serialized(halved(model, told.name), replace(told, precision="fp16")))
    return paths


def engine_run(path: Path, runtime: RuntimeName, options: argparse.Namespace, *, graph: bool) -> Run:
    """An engine that is built now, and executed on the GPU."""
    capability = ".".join(map(str, torch.cuda.get_device_capability())) if runtime == "tensorrt-rtx" else ""
    settings = EngineSettings(
        runtime, opt_batch=min(4, max(options.batches)), max_batch=max(options.batches),
        compute_capabilities=(capability,) if capability else (),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        engine = build_engine(path, Path(folder), settings, state_dir=Path(folder))
        data = read_engine(engine.path, engine.key, state_dir=Path(folder))
    return load_tensorrt(data, ModelFile.read(path).spec(), runtime, memory(), graph=graph)


def engines(paths: Sequence[Path], options: argparse.Namespace, console: Console) -> dict[str, Run]:
    """Every file in every runtime that is here; one that fails is told and left out."""
    found: dict[str, Run] = {}
    ways = [(runtime, graph) for runtime in RUNTIMES for graph in (False, True) if not graph or "rtx" in runtime]
    for runtime, graph in ways:
        if importlib.util.find_spec(MODULES[runtime]) is None:
            continue
        for path in paths:
            name = f"{runtime}{' graph' if graph else ''} {ModelFile.read(path).spec().precision}"
            try:
                found[name] = engine_run(path, runtime, options, graph=graph)
            except FfeError as error:
                console.print(f"{path.name}, {name}: left out, {error}", highlight=False)
    return found


def rows(network: str, durations: Durations) -> list[dict[str, object]]:
    """Figures of one network; ratios are to PyTorch in FP32, or to the first that ran."""
    names = [name for name, _ in durations]
    base = "torch fp32" if "torch fp32" in names else names[0]
    return [
        {
            "network": network,
            "runtime": name,
            "batch": batch,
            "median_ms": 1e3 * float(np.median(taken)),
            "p95_ms": 1e3 * float(np.percentile(taken, 95)),
            "images_per_second": batch / float(np.median(taken)),
            "ratio": float(np.median(taken) / np.median(durations[base, batch])),
            "rounds": len(taken),
        }
        for (name, batch), taken in durations.items()
    ]


def table(figures: list[dict[str, object]]) -> Table:
    """The same for a reader."""
    view = Table(title="crops to probabilities; ratio of the median to PyTorch in FP32")
    for column in ("network", "runtime", "batch", "median ms", "p95 ms", "images/s", "ratio"):
        view.add_column(column, justify="left" if column in ("network", "runtime") else "right")
    for row in figures:
        view.add_row(
            str(row["network"]), str(row["runtime"]), str(row["batch"]), f"{row['median_ms']:.3f}",
            f"{row['p95_ms']:.3f}", f"{row['images_per_second']:.0f}", f"{row['ratio']:.2f} x",
        )  # fmt: skip
    return view


def measured(runs: dict[str, Run], options: argparse.Namespace) -> Durations:
    """All in turns, after rounds that do not count: kernels are compiled and clocks raised in these."""
    crops = np.random.default_rng(0).integers(0, 256, (max(options.batches), CROP_PX, CROP_PX, 3), np.uint8)
    interleaved(runs, crops, options.batches, 0, options.warm_up)
    return interleaved(runs, crops, options.batches, 0, options.rounds)


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = list(get_args(Architecture))
    parser.add_argument("--architectures", nargs="*", choices=every, default=every)
    parser.add_argument("--preset", choices=get_args(Preset), default="paper")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--onnx", nargs="*", type=Path, default=[], help="bare networks to build engines of as well")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=20, help="rounds that do not count")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    versions = {
        name: str(getattr(importlib.import_module(name), "__version__", "unknown"))
        for name in MODULES.values()
        if importlib.util.find_spec(name)
    }
    return {
        "device": torch.cuda.get_device_name(),
        "compute_capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "memory": "pycuda" if importlib.util.find_spec("pycuda") else "torch",
        "python": platform.python_version(),
        **versions,
    }


def main() -> int:
    """Measure and print."""
    options = arguments()
    console = Console(width=120)
    if not torch.cuda.is_available():
        print(
            "latency.py: no NVIDIA GPU here (torch.cuda.is_available() is False): nothing was measured", file=sys.stderr
        )
        return 2
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    figures: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for architecture in options.architectures:
            spec = NetworkSpec(architecture, options.preset)
            runs = {f"torch {precision}": torch_run(new_network(spec), precision) for precision in TORCH}
            runs |= engines(networks(spec, Path(folder)), options, console)
            figures += rows(architecture, measured(runs, options))
        for path in options.onnx:
            if runs := engines([path], options, console):
                figures += rows(path.name, measured(runs, options))
    console.print(table(figures))
    about = machine()
    console.print(str(about), highlight=False)
    if options.json:
        options.json.write_text(json.dumps({"machine": about, "latency": figures}, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
