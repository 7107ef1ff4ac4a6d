"""Images per second forward and backward of every network, and of the data that must keep up with it.

    python benchmarks/train.py [--presets tiny small] [--architectures resnet18 ...] [--precision bf16] [--compile]

All networks run in turns, round after round, after a warm-up. A matrix multiplication in the same precision, measured
in the same rounds, is the peak that the share refers to, at 3 x 2 FLOP for each multiplication of the forward pass.
Figures are of this machine; compare them within one run only.
"""
# ruff: noqa: TID253 - what is measured is torch

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from ffe_edge.align import CROP_PX
from ffe_edge.types import ImageArray
from ffe_train.batches import Epochs
from ffe_train.networks import Architecture, ExpressionNetwork, NetworkSpec, Preset, new_backbone, to_input
from ffe_train.recipes import Augment

CLASSES = 9
PLAIN = Augment(flip=0, crop=0, low_resolution=0, photometric=0)
PEAK_SIDE = {"cpu": 2048, "cuda": 8192}
"""Side of the matrices whose product is the peak."""


@dataclass
class Measured:
    """One thing under the clock, and how many images or FLOP it does in one go."""

    name: tuple[str, ...]
    run: Callable[[], object]
    amount: float
    gmac: float = 0.0
    parameters: int = 0
    rates: list[float] = field(default_factory=list)

    def time(self, device: torch.device) -> None:
        """One more round."""
        synchronise(device)
        started = time.perf_counter()
        self.run()
        synchronise(device)
        self.rates.append(self.amount / (time.perf_counter() - started))

    @property
    def rate(self) -> float:
        """Median of the rounds, per second."""
        return float(np.median(self.rates))


def synchronise(device: torch.device) -> None:
    """Wait for what was asked of a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak(device: torch.device, precision: str) -> Measured:
    """The product of two square matrices, in FLOP; of float32 where a CPU only emulates bfloat16."""
    emulated = device.type == "cpu" and "AVX512" not in torch.backends.cpu.get_cpu_capability()
    dtype = torch.bfloat16 if precision == "bf16" and not emulated else torch.float32
    side = PEAK_SIDE.get(device.type, 2048)
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return Measured(("torch.mm", str(dtype)), lambda: torch.mm(left, right), 2.0 * side**3)


def multiplications(spec: NetworkSpec) -> tuple[float, int]:
    """GMAC of one image's forward pass, and parameters, without computing anything."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = ExpressionNetwork(new_backbone(spec), CLASSES).eval()
        network(torch.empty(1, 3, CROP_PX, CROP_PX))
    return counter.get_total_flops() / 2e9, sum(parameter.numel() for parameter in network.parameters())


def training(spec: NetworkSpec, device: torch.device, options: argparse.Namespace) -> Measured:
    """Forward, cross entropy and backward of ``steps`` batches."""
    network = ExpressionNetwork(new_backbone(spec), CLASSES).to(device).to(memory_format=torch.channels_last)
    forward = torch.compile(network) if options.compile else network
    images = to_input(np.random.default_rng(0).integers(0, 256, (options.batch, CROP_PX, CROP_PX, 3), np.uint8), device)
    targets = torch.randint(0, CLASSES, (options.batch,), device=device)

    def run() -> None:
        for _ in range(options.steps):
            with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
                logits = forward(images)
            torch.nn.functional.cross_entropy(logits.float(), targets).backward()  # type: ignore[no-untyped-call]
            network.zero_grad(set_to_none=True)

    return Measured((spec.architecture, spec.preset), run, options.batch * options.steps, *multiplications(spec))


def loading(folder: Path, device: torch.device, options: argparse.Namespace) -> list[Measured]:
    """An epoch of crops from the disk: as they are, changed as in pretraining, and brought to the device too."""
    path = folder / "crops.npy"
    shape = (options.crops, CROP_PX, CROP_PX, 3)
    written = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    written[:] = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    written.flush()
    crops = np.load(path, mmap_mode="r")

    def epoch(name: str, augment: Augment, use: Callable[[ImageArray], object]) -> Measured:
        epochs = Epochs(
            lambda index: crops[np.sort(index)], np.zeros(options.crops, np.int64), (options.crops,), (1.0,),
            min(options.batch, options.crops), 0, augment, threads=options.threads,
        )  # fmt: skip

        def run() -> None:
            for images, _ in epochs.batches(0):
                use(images)

        return Measured((name,), run, epochs.steps * epochs.batch)

    return [
        epoch("read", PLAIN, len),
        epoch("read, augmented", Augment(), len),
        epoch("read, augmented, on the device", Augment(), lambda images: to_input(images, device)),
    ]


def measure(things: list[Measured], device: torch.device, rounds: int, warm_up: int) -> None:
    """All in turns, so that what else the machine does meets all of them."""
    for number in range(warm_up + rounds):
        for thing in things:
            thing.time(device)
            if number < warm_up:
                thing.rates.clear()


def rows(things: list[Measured], of_peak: float, loaded: float) -> list[dict[str, object]]:
    """Figures of the networks."""
    return [
        {
            "architecture": thing.name[0],
            "preset": thing.name[1],
            "parameters": thing.parameters,
            "gmac": thing.gmac,
            "images_per_second": thing.rate,
            "lowest": min(thing.rates),
            "highest": max(thing.rates),
            "share_of_peak": thing.gmac * 1e9 * 2 * 3 * thing.rate / of_peak,
            "loading_times_as_quick": loaded / thing.rate,
        }
        for thing in things
    ]


def table(figures: list[dict[str, object]], title: str) -> Table:
    """The same for a reader."""
    view = Table(title=title)
    columns = ("network", "preset", "parameters", "GMAC", "images/s", "lowest - highest", "share of peak", "loading")
    for column in columns:
        view.add_column(column, justify="left" if column in columns[:2] else "right")
    for row in figures:
        view.add_row(
            str(row["architecture"]), str(row["preset"]), f"{row['parameters']:,}", f"{row['gmac']:.3f}",
            f"{row['images_per_second']:.1f}", f"{row['lowest']:.1f} - {row['highest']:.1f}",
            f"{row['share_of_peak']:.0%}", f"{row['loading_times_as_quick']:.1f} x",
        )  # fmt: skip
    return view


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", choices=get_args(Preset), default=["tiny", "small"])
    parser.add_argument(
        "--architectures", nargs="+", choices=get_args(Architecture), default=list(get_args(Architecture))
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1, help="batches a round; take 20 on a GPU")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=1, help="rounds that do not count")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--compile", action="store_true", help="torch.compile the networks")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of torch on a CPU, and of loading"
    )
    parser.add_argument("--crops", type=int, default=2048, help="random crops on the disk")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def machine(device: torch.device, options: argparse.Namespace) -> dict[str, object]:
    """What the figures hold for."""
    names = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else (names or [platform.machine()])[0],
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "precision": options.precision,
        "compile": options.compile,
        "batch": options.batch,
        "threads": options.threads,
    }


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def main() -> None:
    """Measure and print."""
    options = arguments()
    wanted = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(wanted)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    specs = [NetworkSpec(name, preset) for preset in options.presets for name in options.architectures]
    with tempfile.TemporaryDirectory() as folder:
        product = peak(device, options.precision)
        loads = loading(Path(folder), device, options)
        networks = [training(spec, device, options) for spec in specs]
        measure([product, *loads, *networks], device, options.rounds, options.warm_up)
    best = max(product.rates)
    figures = rows(networks, best, loads[-1].rate)
    console = Console(width=140)
    console.print(table(figures, "forward and backward; loading: how many times as quick the data is"))
    for load in loads:
        console.print(f"loading, {load.name[0]}: {load.rate:.0f} images/s", highlight=False)
    about = machine(device, options)
    console.print(f"peak {best / 1e12:.3f} TFLOP/s ({' '.join(product.name)}), {about}", highlight=False)
    if options.json:
        data = {"machine": about, "peak_flops": best, "networks": figures}
        more = {"loading_images_per_second": {load.name[0]: load.rate for load in loads}}
        options.json.write_text(json.dumps(data | more, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
