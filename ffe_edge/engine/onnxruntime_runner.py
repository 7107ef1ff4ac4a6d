"""The model in ONNX Runtime on the CPU: works everywhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from ffe_edge.errors import ModelError
from ffe_edge.spec import SPEC_KEY, ModelSpec
from ffe_edge.types import FloatArray, ImageArray

SHIPPED_MODEL: Final = Path(__file__).parents[1] / "models" / "ffe-small.onnx"
MAX_BYTES: Final = 512 * 2**20
"""A larger file is no model of ours."""


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model file: its runner, its spec, its identity."""

    run: OrtRunner
    spec: ModelSpec
    sha256: str
    path: Path


class OrtRunner:
    """Crops (B, S, S, 3) uint8 BGR -> probs (B, K) float32."""

    backend = "onnxruntime"

    def __init__(self, session: onnxruntime.InferenceSession, spec: ModelSpec) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._shape = (spec.size_px, spec.size_px, 3)
        self.precision = spec.precision

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Probabilities (B, K) of aligned crops (B, S, S, 3)."""
        if crops.shape[1:] != self._shape or crops.dtype != np.uint8:
            raise ValueError(f"the model takes crops (B, {self._shape}) uint8, not {crops.shape} {crops.dtype}")
        return np.asarray(self._session.run(["probs"], {self._input: crops})[0], np.float32)


def load_model(path: Path | None, threads: int = 1) -> Model:
    """Load a model file and check that it is one.

    Args:
        path: an exported ONNX, or None for the shipped model.
        threads: ONNX Runtime's threads within an operator.

    Raises:
        ModelError: missing, corrupt, without a spec, or with other inputs and outputs than its spec says.
    """
    path = path or SHIPPED_MODEL
    data = _read(path)
    session = _session(data, path, threads)
    text = session.get_modelmeta().custom_metadata_map.get(SPEC_KEY)
    if text is None:
        raise ModelError(f"{path}: carries no model spec ({SPEC_KEY}); export it with `ffe-edge export`")
    spec = ModelSpec.from_json(text, str(path))
    _check_interface(session, spec, path)
    runner = OrtRunner(session, spec)
    _check_output(runner, spec, path)
    return Model(runner, spec, hashlib.sha256(data).hexdigest(), path)


def load_spec(path: Path | None) -> ModelSpec:
    """The spec of a model file; raises what ``load_model`` raises."""
    return load_model(path).spec


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path}: is larger than {MAX_BYTES >> 20} MiB, no model of this program is")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); give --model an exported ONNX file") from error


def _session(data: bytes, path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except _ort_errors() as error:
        reason = str(error).splitlines()[0][:120]
        raise ModelError(f"{path}: is no ONNX model that ONNX Runtime can load ({reason})") from error


def _ort_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: its own exceptions share no public root."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415 - the names live only there

    return (
        RuntimeError,
        ValueError,
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoSuchFile,
        state.NotImplemented,
    )


def _check_interface(session: onnxruntime.InferenceSession, spec: ModelSpec, path: Path) -> None:
    inputs = session.get_inputs()
    wanted = [spec.size_px, spec.size_px, 3]
    if len(inputs) != 1 or list(inputs[0].shape[1:]) != wanted or inputs[0].type != "tensor(uint8)":
        found = ", ".join(f"{item.name} {item.shape} {item.type}" for item in inputs)
        raise ModelError(f"{path}: takes {found}, but must take one uint8 input (B, {spec.size_px}, {spec.size_px}, 3)")
    if "probs" not in [item.name for item in session.get_outputs()]:
        raise ModelError(f"{path}: has no output named probs; export it with `ffe-edge export`")


def _check_output(runner: OrtRunner, spec: ModelSpec, path: Path) -> None:
    """One run on grey crops: probabilities of the right shape that sum to 1."""
    crops = np.full((2, spec.size_px, spec.size_px, 3), 127, np.uint8)
    try:
        probs = runner(crops)
    except _ort_errors() as error:
        raise ModelError(f"{path}: fails on two grey crops ({str(error).splitlines()[0][:120]})") from error
    if probs.shape != (2, len(spec.labels)) or (probs < 0).any() or not np.allclose(probs.sum(axis=1), 1, atol=1e-3):
        raise ModelError(f"{path}: gives {probs.shape} that are no probabilities of its {len(spec.labels)} labels")
