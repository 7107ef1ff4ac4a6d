"""A bare network -> its INT8 twins for engines and for CPUs, out of one calibration.

Ranges are learned on one part of the calibration crops. On the other part every way to cut them is tried, and the one
is taken whose probabilities are nearest to FP32's. Where the likeliest class then still changes too often, the layers
that do most harm stay FP32, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import ImageArray
from ffe_export.agreement import Agreement, compare
from ffe_export.points import Placement, layers_of, ranged, read_by_layers, splits_kernels
from ffe_export.quantize_graph import quantized
from ffe_export.ranges import METHODS, Method, collect
from ffe_export.runs import NetworkRunner, Step, batch_count, inner_tensors, reading_of

Progress = Callable[[str, float], None]
"""Told what is done, and how much of it, 0 to 1."""
LEAST_CROPS: Final = 100


@dataclass(frozen=True, slots=True)
class Quantization:
    """How to make a network INT8."""

    methods: tuple[Method, ...] = METHODS
    """Ways to cut ranges that are tried."""
    cpu_bits: int = 7
    """Of weights where two products are added in 16 bits: x86 without VNNI; more would saturate."""
    engine_bits: int = 8
    agreement: float = 0.99
    """Layers fall back until the likeliest class is FP32's on this share of crops."""
    most_left_alone: float = 0.25
    """Share of layers that may stay FP32."""
    sensitivity: bool = False
    """Measure every layer even where none has to fall back."""
    most_crops: int = 384
    """Crops that are looked at; more change the ranges little."""
    threads: int = 1


@dataclass(frozen=True)
class Quantized:
    """A network in INT8."""

    cpu: Any
    """Bare network with the Q/DQ pairs of the CPU's runtimes."""
    engine: Any
    """Bare network with those of TensorRT."""
    openvino: Any | None
    """Bare network with those of OpenVINO, where it wants others than ``cpu``."""
    method: Method
    """How ranges are cut."""
    agreement: Agreement
    """Of the CPU's file, on crops that no range was learned on."""
    trials: dict[Method, Agreement]
    left_alone: tuple[str, ...]
    """Layers that stay FP32."""
    sensitivity: dict[str, Agreement] = field(default_factory=dict)
    """What quantizing this layer alone does; empty where it was not measured."""
    calibrated_on: int = 0

    def record(self) -> dict[str, Any]:
        """For the spec and the report."""
        return {
            "method": self.method,
            "crops": self.calibrated_on,
            "held_out": self.agreement.images,
            "left_alone": list(self.left_alone),
            "trials": {name: _figures(trial) for name, trial in self.trials.items()},
        }

    @property
    def layers(self) -> dict[str, dict[str, float | str | bool]]:
        """The sensitivity, the worst layer first, for the report."""
        worst = sorted(self.sensitivity, key=lambda name: -self.sensitivity[name].kl_mean)
        return {name: {**_figures(self.sensitivity[name]), "FP32": name in self.left_alone} for name in worst}


def quantize(
    bare: Any, spec: ModelSpec, crops: ImageArray, how: Quantization, progress: Progress | None = None
) -> Quantized:
    """Make a network INT8.

    Args:
        bare: the tidied FP32 network.
        spec: its spec.
        crops: (N, S, S, 3) uint8 BGR to learn ranges on, in any order that has no meaning.
        how: what to try.
        progress: told how far it is.

    Raises:
        ModelError: too few crops, nothing to quantize, or numbers that are not finite.
    """
    if len(crops) < LEAST_CROPS:
        raise ModelError(f"{len(crops)} crops to calibrate on are too few: give {LEAST_CROPS} or more")
    if not layers_of(bare):
        raise ModelError(f"{spec.name}: has no convolution that could be quantized; use --precision fp32 or fp16")
    search = _Search(bare, spec, crops[: how.most_crops], how, progress or (lambda _what, _share: None))
    return search.result()


class _Search:
    """Finds cuts and layers by measuring."""

    def __init__(self, network: Any, spec: ModelSpec, crops: ImageArray, how: Quantization, progress: Progress) -> None:
        held_out = max(len(crops) // 3, 1)
        self._network, self._spec, self._how, self._progress = network, spec, how, progress
        self._learned, self._crops = crops[held_out:], crops[:held_out]
        self._reference = reading_of(NetworkRunner(network, spec, how.threads).read, self._crops)
        self._cuts: dict[str, float] = {}
        self._means: Mapping[str, npt.NDArray[np.float64]] = {}

    def result(self) -> Quantized:
        """Calibrate, choose, fall back, and write both placements."""
        cuts = self._calibrated()
        trials = {method: self._tried(cuts[method], method) for method in self._how.methods}
        method = min(trials, key=lambda name: trials[name].kl_mean)
        self._cuts, found = cuts[method], trials[method]
        sensitivity: dict[str, Agreement] = {}
        left_alone: tuple[str, ...] = ()
        if self._how.sensitivity or found.top1.value < self._how.agreement:
            sensitivity = self._sensitivity()
            left_alone, found = self._fallen_back(sensitivity, found)
        own = self._written("openvino", left_alone) if splits_kernels(self._network) else None
        return Quantized(
            self._written("cpu", left_alone), self._written("engine", left_alone), own, method, found, trials,
            left_alone, sensitivity, len(self._learned),
        )  # fmt: skip

    def _calibrated(self) -> dict[Method, dict[str, float]]:
        averaged = read_by_layers(self._network)
        names = list(dict.fromkeys([*ranged(self._network), *averaged]))
        step = self._counter("learn ranges", batch_count(self._learned))
        try:
            tensors = inner_tensors(self._network, names, self._learned, self._how.threads, step)
            ranges = collect(tensors, names, averaged)
        except ValueError as error:
            raise ModelError(
                f"{self._spec.name}: cannot be calibrated, {error}; export its checkpoint again"
            ) from error
        self._means = ranges.means
        return {method: ranges.cuts(method) for method in self._how.methods}

    def _tried(self, cuts: dict[str, float], method: Method) -> Agreement:
        self._cuts = cuts
        step = self._counter(f"try {method}", batch_count(self._crops))
        return self._measured(self._written("cpu"), step)

    def _sensitivity(self) -> dict[str, Agreement]:
        """Quantizes one layer at a time."""
        layers = layers_of(self._network)
        found = {}
        for number, layer in enumerate(layers):
            others = tuple(name for name in layers if name != layer)
            found[layer] = self._measured(self._written("cpu", others))
            self._progress("measure layers", (number + 1) / len(layers))
        return found

    def _fallen_back(self, sensitivity: dict[str, Agreement], found: Agreement) -> tuple[tuple[str, ...], Agreement]:
        """Leaves the worst layers alone until the agreement is reached, or no more may be."""
        worst = sorted(sensitivity, key=lambda name: -sensitivity[name].kl_mean)
        most = int(self._how.most_left_alone * len(worst))
        best, chosen = found, 0
        for count in range(1, most + 1):
            if best.top1.value >= self._how.agreement:
                break
            trial = self._measured(self._written("cpu", tuple(worst[:count])))
            self._progress("leave layers alone", count / most)
            if trial.top1.value > best.top1.value:
                best, chosen = trial, count
        return tuple(worst[:chosen]), best

    def _measured(self, model: Any, step: Step | None = None) -> Agreement:
        runner = NetworkRunner(model, self._spec, self._how.threads)
        try:
            return compare(self._reference, reading_of(runner.read, self._crops, step))
        except ValueError as error:
            raise ModelError(f"{self._spec.name}: cannot be quantized, {error}; export its checkpoint again") from error

    def _written(self, placement: Placement, left_alone: tuple[str, ...] = ()) -> Any:
        bits = self._how.engine_bits if placement == "engine" else self._how.cpu_bits
        return quantized(
            self._network, self._cuts, placement, weight_bits=bits, left_alone=left_alone, means=self._means
        )

    def _counter(self, what: str, total: int) -> Step:
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            self._progress(what, done / total)

        return step


def int8_spec(spec: ModelSpec, found: Quantized, *, bits: int, calibration: dict[str, Any]) -> ModelSpec:
    """The spec of a quantized file.

    Args:
        spec: of the FP32 network.
        found: the quantization.
        bits: of this file's weights.
        calibration: where the crops come from: folder's name, number, digest.
    """
    return replace(spec, precision="int8", quantization={**found.record(), "weight_bits": bits, "data": calibration})


def _figures(found: Agreement) -> dict[str, float | str | bool]:
    return {"same class": found.top1.value, "KL": found.kl_mean, "largest difference": found.largest}
