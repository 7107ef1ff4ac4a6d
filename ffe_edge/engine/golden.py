"""Golden inputs: crops that travel with a model, and what it says of them. They show rendered people and noise.

The file is an ``.npz``, read here without NumPy's loader: names, types and sizes are known before any byte is believed,
and nothing is ever unpickled. Source: NumPy, NEP 1, "A Simple File Format for NumPy Arrays", version 1.0.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ffe_edge.errors import ModelError
from ffe_edge.spec import PRECISIONS
from ffe_edge.types import FloatArray, ImageArray, Reading, Runner

MAX_BYTES: Final = 256 * 2**20
MAX_CROPS: Final = 1024
MAGIC: Final = b"\x93NUMPY\x01\x00"
HEADER: Final = re.compile(
    r"\{'descr': '(?P<kind>[<|]\w\d)', 'fortran_order': False, 'shape': \((?P<shape>[\d, ]{1,60})\), \} *\n", re.ASCII
)
BATCH: Final = 8
"""Crops in one run of the check: within the batch of every engine."""
TOLERANCE: Final[Mapping[str, float]] = {"fp32": 0.01, "fp16": 0.03, "int8": 0.15}
"""Largest difference of a probability by precision. FP32 allows for TF32's ten bits of mantissa."""
MIN_AGREEMENT: Final = 0.9
"""Share of the crops with a clear answer whose likeliest class must be the same."""


@dataclass(frozen=True, slots=True)
class Golden:
    """Crops and what the model says of them in each precision."""

    crops: ImageArray
    """(G, S, S, 3) uint8 BGR."""
    readings: Mapping[str, Reading]
    """By precision."""


def write_golden(path: Path, golden: Golden) -> None:
    """Write the file; an old one stays until the new one is whole."""
    arrays: dict[str, Any] = {"crops": golden.crops}
    for precision, reading in golden.readings.items():
        arrays[f"probs_{precision}"] = reading.probs
        if reading.embedding is not None:
            arrays[f"embedding_{precision}"] = reading.embedding
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_golden(path: Path) -> Golden:
    """Golden inputs and outputs.

    Raises:
        ModelError: the file cannot be read, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise ModelError(f"{path}: golden inputs of more than {MAX_BYTES >> 20} MiB are none of ours")
            arrays = {entry.filename: _array(archive, entry) for entry in archive.infolist()}
    except OSError as error:
        raise ModelError(f"{path}: golden inputs cannot be read ({error.strerror or error}); export again") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: golden inputs are damaged ({str(error)[:100]}); export again") from error
    return _checked(arrays, path)


def check_golden(run: Runner, golden: Golden) -> None:
    """Refuse a runner that says something else than the model said where it was exported.

    Raises:
        ModelError: it does; the message has the figures.
    """
    wanted = golden.readings.get(run.precision)
    if wanted is None:
        raise ModelError(f"{run.backend}: the golden inputs have no outputs in {run.precision}; export it again")
    batches = [run(golden.crops[start : start + BATCH]) for start in range(0, len(golden.crops), BATCH)]
    probs = np.concatenate(batches)
    if probs.shape != wanted.probs.shape:
        raise ModelError(f"{run.backend}: gives {probs.shape} for golden outputs {wanted.probs.shape}")
    tolerance = TOLERANCE[run.precision]
    difference = float(np.abs(probs - wanted.probs).max())
    agreement = _agreement(probs, wanted.probs, golden.readings.get("fp32", wanted).probs, tolerance)
    if not (difference <= tolerance and agreement >= MIN_AGREEMENT):
        raise ModelError(
            f"{run.backend}: failed the golden check, probabilities differ by {difference:.3f} (allowed {tolerance:g}),"
            f" likeliest class the same in {agreement:.0%} (wanted {MIN_AGREEMENT:.0%})"
        )


def _agreement(probs: FloatArray, wanted: FloatArray, reference: FloatArray, tolerance: float) -> float:
    """Share of crops with the same likeliest class, where the reference's lead is clear; 1 where none is."""
    ordered = np.sort(reference, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > tolerance
    same = probs[clear].argmax(axis=1) == wanted[clear].argmax(axis=1)
    return float(same.mean()) if len(same) else 1.0


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
    """One array of the archive.

    Raises:
        ValueError: it is none of those that golden inputs have.
    """
    kind = "|u1" if entry.filename == "crops.npy" else "<f4"
    with archive.open(entry) as file:
        magic, length = file.read(len(MAGIC)), int.from_bytes(file.read(2), "little")
        header = HEADER.fullmatch(file.read(length).decode("latin-1"))
        data = file.read()
    if magic != MAGIC or header is None or header["kind"] != kind:
        raise ValueError(f"{entry.filename[:40]} is no array of {kind} row by row")
    shape = tuple(int(side) for side in header["shape"].split(",") if side.strip())
    if math.prod(shape) * np.dtype(kind).itemsize != len(data):
        raise ValueError(f"{entry.filename[:40]} has {len(data)} bytes, its shape says otherwise")
    return np.frombuffer(data, kind).reshape(shape)


def _checked(arrays: dict[str, np.ndarray[Any, Any]], path: Path) -> Golden:
    crops = arrays.pop("crops.npy", None)
    if crops is None or crops.ndim != 4 or crops.shape[3] != 3 or not 1 <= len(crops) <= MAX_CROPS:
        raise ModelError(f"{path}: golden inputs hold no crops (G, S, S, 3); export again")
    readings = {}
    for precision in PRECISIONS:
        probs = arrays.pop(f"probs_{precision}.npy", None)
        embedding = arrays.pop(f"embedding_{precision}.npy", None)
        if probs is None and embedding is not None:
            raise ModelError(f"{path}: golden outputs lack probs_{precision}; export again")
        if probs is not None:
            readings[precision] = Reading(probs, embedding)
    rows = [part for reading in readings.values() for part in (reading.probs, reading.embedding) if part is not None]
    if arrays or not readings or not all(part.ndim == 2 and len(part) == len(crops) for part in rows):
        raise ModelError(f"{path}: golden outputs do not fit the {len(crops)} golden crops; export again")
    if not all(np.isfinite(part).all() for part in rows) or any(len(r.probs[0]) < 2 for r in readings.values()):
        raise ModelError(f"{path}: golden outputs are no probabilities; export again")
    return Golden(crops, readings)
