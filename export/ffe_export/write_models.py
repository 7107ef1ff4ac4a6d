"""The files of a bundle, written one after the other into its staging folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from ffe_edge.engine.golden import Golden, write_golden
from ffe_edge.types import ImageArray, Reading
from ffe_export.bundle_writer import write_file
from ffe_export.contenders import MODEL, OPENVINO_INT8, crops_file, network_file
from ffe_export.crops_folder import DrawnCrops
from ffe_export.graph import crops_graph, read_graph, serialized
from ffe_export.half import halved
from ffe_export.quantize import Quantization, Quantized, int8_spec, quantize
from ffe_export.runs import NetworkRunner, reading_of
from ffe_export.source import Source
from ffe_export.to_onnx import Difference, TorchRunner, check_same, difference

Progress = Callable[[str, float], None]
GOLDEN: Final = "golden.npz"
COMPARED: Final = 24
"""Noisy, rendered and real crops on which the FP32 files are held against torch."""


def write_full(source: Source, folder: Path, crops: ImageArray) -> Difference | None:
    """Both FP32 files, held against the torch network where there is one.

    Args:
        source: the model.
        folder: where to.
        crops: (N, S, S, 3) to compare on, beside noise.

    Raises:
        ModelError: the files say something else than the network.
    """
    whole, spec = crops_graph(source.network, source.spec)
    write_file(folder / crops_file("fp32"), serialized(whole, spec))
    write_file(folder / network_file("fp32"), serialized(source.network, source.spec))
    if source.original is None:
        return None
    noise = np.random.default_rng().integers(0, 256, (8, *crops.shape[1:]), np.uint8)
    compared = np.concatenate([noise, crops[:COMPARED]])
    ours = reading_of(NetworkRunner(source.network, source.spec).read, compared)
    theirs = reading_of(TorchRunner(source.original, source.spec.temperature).read, compared)
    found = difference(theirs, ours)
    check_same(found, MODEL)
    return found


def write_half(source: Source, folder: Path) -> None:
    """The FP16 network.

    Raises:
        ModelError: a weight does not fit FP16.
    """
    spec = replace(source.spec, precision="fp16", parent_sha256=_parent(folder))
    write_file(folder / network_file("fp16"), serialized(halved(source.network, source.spec.name), spec))


def write_int8(source: Source, folder: Path, calibration: DrawnCrops, how: Quantization, tell: Progress) -> Quantized:
    """The INT8 files: the crops graphs for CPUs and the network for engines.

    Raises:
        ModelError: too few crops, or numbers that are not finite.
    """
    shuffled = np.random.default_rng(0).permutation(len(calibration.crops))  # folders are sorted, often by person
    found = quantize(source.network, source.spec, calibration.crops[shuffled], how, tell)
    plain = replace(source.spec, parent_sha256=_parent(folder))
    spec = int8_spec(plain, found, bits=how.cpu_bits, calibration=calibration.record)
    write_file(folder / crops_file("int8"), serialized(*crops_graph(found.cpu, spec)))
    if found.openvino is not None:
        write_file(folder / OPENVINO_INT8, serialized(*crops_graph(found.openvino, spec)))
    spec = int8_spec(plain, found, bits=how.engine_bits, calibration=calibration.record)
    write_file(folder / network_file("int8"), serialized(found.engine, spec))
    return found


def write_golden_file(folder: Path, crops: ImageArray, every: Sequence[str]) -> None:
    """What each precision says of the golden crops, by the numbers of an engine."""
    readings: dict[str, Reading] = {}
    for one in every:
        model, spec = read_graph(folder / network_file(one))
        readings[one] = reading_of(NetworkRunner(model, spec, exact=True).read, crops)
    write_golden(folder / GOLDEN, Golden(crops, readings))


def _parent(folder: Path) -> str:
    return hashlib.sha256((folder / MODEL).read_bytes()).hexdigest()
