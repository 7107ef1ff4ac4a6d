"""Which CPU runtime serves a model file: the one that measures faster, on this machine, with this very file."""

from __future__ import annotations

import importlib.util
from typing import Final

import numpy as np

from ffe_edge.engine.golden import TOLERANCE
from ffe_edge.engine.graph_runner import GraphRunner
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.engine.openvino_runner import load_openvino
from ffe_edge.engine.timing import Durations, interleaved
from ffe_edge.errors import ModelError
from ffe_edge.types import ImageArray, Runner

BATCHES: Final = (1, 4)
"""One face in view, and a table of people."""
SECONDS: Final = 1.0
"""For the measurement, after one run of each to warm up; a large network has one round, however long it takes."""
MARGIN: Final = 0.95
"""OpenVINO's share of ONNX Runtime's time from which it is worth the change."""


def choose(
    file: ModelFile,
    threads: int,
    backend: str = "auto",
    golden: ImageArray | None = None,
    for_openvino: ModelFile | None = None,
) -> tuple[GraphRunner, str]:
    """The file's runner on this CPU.

    Args:
        file: a crops graph.
        threads: of the runtime.
        backend: ``onnxruntime`` or ``openvino`` force one; any other: the faster of those that are installed.
        golden: (G, S, S, 3) crops on which both must agree; None: noise.
        for_openvino: the crops graph that OpenVINO loads, where it is another one.

    Returns:
        The runner, and why it is this one, with the figures.

    Raises:
        ModelError: the file cannot be used, or the runtime that is forced is not installed.
    """
    ours = load_onnxruntime(file, threads)
    if backend == "openvino":
        return _in_openvino(for_openvino or file, file, threads), "asked for"
    if backend == "onnxruntime":
        return ours, "asked for"
    if not has_openvino():
        return ours, "openvino is not installed"
    try:
        other = _in_openvino(for_openvino or file, file, threads)
    except ModelError as error:
        return ours, f"openvino cannot: {error}"
    return faster(ours, other, golden)


def load_chosen(file: ModelFile, threads: int, backend: str, for_openvino: ModelFile | None = None) -> GraphRunner:
    """The runtime that ``choose`` has chosen for these very files before, which are not looked through again.

    Raises:
        ModelError: it cannot load the file.
    """
    return load_onnxruntime(file, threads) if backend == "onnxruntime" else load_openvino(for_openvino or file, threads)


def _in_openvino(file: ModelFile, opened: ModelFile, threads: int) -> GraphRunner:
    """ONNX Runtime opens every file first: it refuses weights that lie elsewhere, OpenVINO would read them."""
    if file is not opened:
        load_onnxruntime(file, threads)
    return load_openvino(file, threads)


def faster(ours: GraphRunner, other: GraphRunner, golden: ImageArray | None) -> tuple[GraphRunner, str]:
    """The other one where it says the same in clearly less time, and the figures."""
    crops = _crops(ours.spec.size_px, golden)
    difference = _largest_difference(ours, other, crops)
    if not difference <= TOLERANCE[ours.precision]:
        return ours, f"{other.backend}'s probabilities differ from its by {difference:.3f}"
    durations = interleaved({runner.backend: runner for runner in (ours, other)}, crops, BATCHES, SECONDS)
    ratios = [np.divide(durations[other.backend, batch], durations[ours.backend, batch]) for batch in BATCHES]
    ratio = float(np.mean([np.median(of_rounds) for of_rounds in ratios]))
    figures = f"{other.backend} takes {ratio:.2f} of {ours.backend}'s time ({_told(durations)})"
    return (other if ratio < MARGIN else ours), figures


def has_openvino() -> bool:
    """Whether there is anything to choose from."""
    try:
        return importlib.util.find_spec("openvino") is not None
    except ValueError:  # it is barred from this interpreter
        return False


def _crops(size_px: int, golden: ImageArray | None) -> ImageArray:
    """As many as the largest batch: golden crops from all over, or noise, coarse and fine."""
    count = max(BATCHES)
    if golden is not None:
        return np.asarray(golden[np.linspace(0, len(golden) - 1, count).astype(int)])
    noise = np.random.default_rng(0).integers(0, 256, (count, size_px, size_px, 3), np.uint8)
    coarse = np.repeat(np.repeat(noise[:, ::8, ::8], 8, axis=1), 8, axis=2)[:, :size_px, :size_px]
    return np.concatenate([coarse[::2], noise[1::2]])


def _largest_difference(ours: Runner, other: Runner, crops: ImageArray) -> float:
    return float(np.abs(ours(crops) - other(crops)).max())


def _told(durations: Durations) -> str:
    return ", ".join(f"{name} {batch}: {1000 * np.median(taken):.1f} ms" for (name, batch), taken in durations.items())
