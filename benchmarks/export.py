"""What export makes of several networks: seconds, sizes, agreement, accuracy, INT8's time against FP32's on this CPU.

    python benchmarks/export.py MODEL ... --calibration FOLDER --check FOLDER [--untrained resnet50 face-resnet50]

Every model goes through `ffe-edge export` in FP16 and INT8, with engines of TensorRT-RTX where it is installed.
Times are of batch 1, the faster of ONNX Runtime and OpenVINO for each precision, in turns within one run; compare them
within one run only. An untrained network has random weights: its speed and size mean something, its answers nothing.
"""
# ruff: noqa: TID253 - untrained networks are made with torch

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console
from torch import nn

from ffe_edge.emotions import LABELS
from ffe_export.export import Exported, Wish, export_model
from ffe_export.gates import AccuracyGate, Gates, LatencyGate
from ffe_export.latency import Plan
from ffe_export.to_engine import EngineSettings
from ffe_export.verification import Result
from ffe_train.checkpoint import save_expression_network
from ffe_train.networks import Architecture, Backbone, ExpressionNetwork, network_spec

COLUMNS = (
    "model", "export s", "FP32 MB", "INT8 size", "same class", "n", "points lost (95 %)", "FP32 ms", "INT8 ms",
    "INT8 time (95 %)", "by", "engine MiB FP32 / FP16 / INT8",
)  # fmt: skip


@dataclass
class Row:
    """One model's figures."""

    name: str
    seconds: float
    exported: Exported
    is_trained: bool

    def cells(self) -> Iterator[str]:
        """In the order of ``COLUMNS``."""
        found = self.exported.verification
        timings = found.timings_at(1)
        ours = {p: self._fastest(p) for p in ("fp32", "int8")}
        int8, ratio = ours["int8"], timings.ratio(ours["int8"].name, ours["fp32"].name)
        yield self.name
        yield f"{self.seconds:.0f}"
        yield f"{(self.exported.folder / 'model.onnx').stat().st_size / 1e6:.1f}"
        yield f"{int8.file.ratio:.3f}x" if int8.file and int8.file.ratio else ""
        read = next(r for r in found.results if r.file and int8.file and r.file.name == int8.file.name and r.accuracy)
        yield f"{read.real.top1.value:.2%}" if read.real and self.is_trained else "untrained"
        yield f"{read.real.images:,}" if read.real else ""
        lost = read.accuracy.accuracy_lost if read.accuracy and self.is_trained else None
        yield "" if lost is None else f"{100 * lost.value:.2f} ({100 * lost.low:.2f} to {100 * lost.high:.2f})"
        yield f"{timings.timing(ours['fp32'].name).p50_ms:.1f}"
        yield f"{timings.timing(int8.name).p50_ms:.1f}"
        yield f"{ratio.value:.2f}x ({ratio.low:.2f} to {ratio.high:.2f})"
        yield f"{ours['fp32'].backend}, {int8.backend}"
        yield " / ".join(self._engines())

    def _fastest(self, precision: str) -> Result:
        found = self.exported.verification
        timings = found.timings_at(1)
        fitting = [r for r in (found.reference, *found.results) if r.precision == precision and r.name in timings.names]
        return min(fitting, key=lambda result: timings.timing(result.name).p50_ms)

    def _engines(self) -> Iterator[str]:
        for precision in ("fp32", "fp16", "int8"):
            found = [r for r in self.exported.verification.results if r.device == "gpu" and r.precision == precision]
            yield f"{found[0].file.size_bytes / 2**20:.1f}" if found and found[0].file else "-"


def untrained(architecture: str, folder: Path) -> Path:
    """A stage's folder with a network of random weights whose norms have seen noise."""
    torch.manual_seed(0)
    network = ExpressionNetwork(Backbone(network_spec(architecture)), len(LABELS))
    network.train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.momentum = 0.3
        for _ in range(4):
            network(torch.randn(8, 3, 112, 112))
    spec = network.backbone.spec
    save_expression_network(network.state_dict(), folder, spec, LABELS, {"name": f"{architecture}, untrained"})
    return folder


def main() -> None:
    """Export and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, help="stages, runs, ONNX files or bundles")
    parser.add_argument("--untrained", nargs="*", default=[], choices=get_args(Architecture), help="at full size")
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--check", type=Path, required=True, help="labelled crops")
    parser.add_argument("--split", help="of the check's rows")
    parser.add_argument("--checked", type=int, default=4000, help="crops of the check at most")
    parser.add_argument("--seconds", type=float, default=8.0, help="for the latency of each batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    console = Console(width=250)
    engines = (EngineSettings("tensorrt-rtx"),) if importlib.util.find_spec("tensorrt_rtx") else ()
    wish = Wish(
        precisions=("fp16", "int8"), calibration=options.calibration, check=options.check, split=options.split,
        most_checked=options.checked, engines=engines, threads=options.threads, plan=Plan((1, 4, 16), options.seconds),
        gates=Gates(AccuracyGate(), LatencyGate(allow_slower=True)),
    )  # fmt: skip
    rows: list[Row] = []
    console.print(f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}", sep="\n")
    with tempfile.TemporaryDirectory() as temporary:
        random = [untrained(name, Path(temporary) / name) for name in options.untrained]
        for path in [*options.models, *random]:
            began = time.monotonic()
            exported = export_model(path, Path(temporary) / f"bundle-{len(rows)}", wish)
            rows.append(Row(exported.serving.name, time.monotonic() - began, exported, path not in random))
            console.print(f"| {' | '.join(rows[-1].cells())} |")
        reports: list[dict[str, Any]] = [json.loads((row.exported.folder / "report.json").read_text()) for row in rows]
    if options.json:
        options.json.write_text(json.dumps(reports, indent=1))


if __name__ == "__main__":
    main()
