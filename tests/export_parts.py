"""Folders of crops and quick settings for tests of the whole export."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from onnx import numpy_helper
from small_models import network
from torch import nn

from ffe_edge.emotions import LABELS
from ffe_edge.types import ImageArray
from ffe_export.export import Wish
from ffe_export.gates import Gates, LatencyGate
from ffe_export.latency import Plan
from ffe_export.quantize import Quantization
from ffe_train.checkpoint import save_expression_network
from ffe_train.networks import Backbone, ExpressionNetwork, network_spec

QUICK = Plan(batches=(1,), seconds=0.0, least_rounds=2, warm_up=0)
ANY_SPEED = Gates(latency=LatencyGate(allow_slower=True))
FEW = Quantization(methods=("min-max", "error"))


def colours(count: int, seed: int = 0) -> ImageArray:
    """Coarse patches of colour, (count, 112, 112, 3)."""
    patches = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return patches.repeat(28, axis=1).repeat(28, axis=2)


def write_folder(folder: Path, crops: ImageArray, *labels: str) -> Path:
    """One picture a crop; with labels, in subfolders of their names, in turn."""
    for number, crop in enumerate(crops):
        place = folder / labels[number % len(labels)] if labels else folder
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{number:03d}.png"), crop)
    return folder


def wish(place: Path, *precisions: str, **changes: Any) -> Wish:
    """An export that takes a moment; crops lie in ``place / "faces"``."""
    values = {"plan": QUICK, "gates": ANY_SPEED, "quantization": FEW, "calibration": place / "faces", **changes}
    if "int8" not in precisions:
        values.pop("calibration")
    return Wish(precisions=precisions, **values)


def scaled(changes: dict[str, Any]) -> Any:
    """The small network with some of its weights multiplied."""
    model = network()
    for tensor in model.graph.initializer:
        if tensor.name in changes:
            numbers = numpy_helper.to_array(tensor) * np.asarray(changes[tensor.name], np.float32)
            tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))
    return model


def with_outlier() -> Any:
    """Says what the small network says, but one channel between a.1 and a.2 is 5,000 times as large as the others."""
    factor = np.ones(16, np.float32)
    factor[np.argmax(numpy_helper.to_array(next(t for t in network().graph.initializer if t.name == "a.1.b")))] = 5000
    rows = factor.reshape(-1, 1, 1, 1)
    return scaled({"a.1.w": rows, "a.1.b": factor, "a.2.w": 1 / factor.reshape(1, -1, 1, 1)})


@contextmanager
def small_disk() -> Iterator[None]:
    """No file of this process may grow beyond 4 KiB, as on a full disk; round one call only."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def untrained(folder: Path, architecture: str, preset: str) -> Path:
    """A stage's folder with random weights; its norms have seen noise, so that its answers are no extremes."""
    torch.manual_seed(0)
    network = ExpressionNetwork(Backbone(network_spec(architecture, preset=preset)), len(LABELS)).train()
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = 0.5
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(8, 3, 112, 112) * 2 - 1)
    spec = network.backbone.spec
    save_expression_network(network.state_dict(), folder, spec, LABELS, {"name": architecture})
    return folder
