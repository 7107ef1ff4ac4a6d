"""Every way to run what was exported that this machine has."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.engine.openvino_runner import load_openvino
from ffe_edge.errors import ModelError
from ffe_export.graph import read_graph
from ffe_export.runs import NetworkRunner
from ffe_export.source import Source
from ffe_export.to_onnx import TorchRunner
from ffe_export.verification import Contender

REFERENCE: Final = "FP32, ONNX Runtime"
MODEL: Final = "model.onnx"
NETWORK: Final = "network.onnx"
OPENVINO_INT8: Final = "model.int8.openvino.onnx"
"""Where OpenVINO wants its Q/DQ pairs elsewhere than ONNX Runtime does."""


def crops_file(precision: str) -> str:
    """Name of the crops graph."""
    return MODEL if precision == "fp32" else f"model.{precision}.onnx"


def network_file(precision: str) -> str:
    """Name of the bare network."""
    return NETWORK if precision == "fp32" else f"network.{precision}.onnx"


def reference(folder: Path, threads: int) -> Contender:
    """The FP32 file, which all others must agree with."""
    path = folder / MODEL
    return Contender(REFERENCE, "fp32", load_onnxruntime(ModelFile.read(path), threads), path)


def contenders(folder: Path, source: Source, threads: int) -> Iterator[Contender]:
    """The others: torch, OpenVINO where it is installed, INT8 for the CPU, and the numbers of engines.

    Args:
        folder: of the exported files; those that are not there are no contenders.
        source: what they were made of.
        threads: of every runtime.
    """
    if source.original is not None:
        yield Contender(
            "FP32, torch",
            "fp32",
            TorchRunner(source.original, source.spec.temperature),
            is_timed=False,
            reads_all=False,
        )
    has_openvino = importlib.util.find_spec("openvino") is not None
    for precision in ("fp32", "int8"):
        path = folder / crops_file(precision)
        if precision != "fp32" and path.is_file():
            yield Contender(
                f"{precision.upper()}, ONNX Runtime", precision, load_onnxruntime(ModelFile.read(path), threads), path
            )
        own = folder / OPENVINO_INT8
        has_own = precision == "int8" and own.is_file()
        if has_openvino and path.is_file():
            yield _of_openvino(precision, own if has_own else path, threads, reads_all=has_own)
    for precision in ("fp16", "int8"):
        path = folder / network_file(precision)
        if path.is_file():
            model, spec = read_graph(path)
            runner = NetworkRunner(model, spec, threads, exact=True)
            yield Contender(engine_numbers(precision), precision, runner, path, is_timed=False)


def engine_numbers(precision: str) -> str:
    """Name of an engine's numbers, computed in FP32 by ONNX Runtime."""
    return f"{precision.upper()}, an engine's numbers"


def of_engine(name: str, precision: str, path: Path, runner: Any, why_not: str) -> Contender:
    """An engine that was built, and the reason why it does not run where it does not."""
    return Contender(name, precision, runner, path, device="gpu", why_not_run=why_not)


def openvino_name(precision: str) -> str:
    """Name of a file in OpenVINO."""
    return f"{precision.upper()}, OpenVINO"


def _of_openvino(precision: str, path: Path, threads: int, *, reads_all: bool) -> Contender:
    name = openvino_name(precision)
    try:
        return Contender(name, precision, load_openvino(ModelFile.read(path), threads), path, reads_all=reads_all)
    except ModelError as error:
        return Contender(name, precision, None, path, why_not_run=str(error))
