"""The model in OpenVINO on the CPU: mostly the faster one for networks with PReLU and for INT8 on x86.

A network of its own is compiled for one crop, by far the commonest number, and one of any batch for the rest. Measured
on the shipped model: the first is 8 % faster for one crop than the second, 3-5 % for two to four; but each costs three
times the file in memory, so there is no third.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from ffe_edge.engine.graph_runner import NAMES, Compute, GraphRunner, check_outputs
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray, ImageArray

INSTALL: Final = "pip install 'ffe-edge[openvino]'"
TELEMETRY: Final = "openvino_telemetry"


def load_openvino(file: ModelFile, threads: int = 1) -> GraphRunner:
    """The file's runner, after a look at its interface and a trial run.

    Args:
        file: a crops graph, or a bare network, that ``load_onnxruntime`` took: it refuses weights in other files, which
            OpenVINO reads from wherever the file says.
        threads: for the whole graph.

    Raises:
        ModelError: OpenVINO is not installed or cannot load the file, or the file is not what its spec says.
    """
    openvino = import_openvino()
    spec = file.spec()
    try:
        core = openvino.Core()
        model = core.read_model(file.data, b"")
        outputs = _check_interface(model, spec, file.path)
        runner = GraphRunner("openvino", _computing(core, model, threads), spec, has_embedding="embedding" in outputs)
        check_outputs(runner, file.path)
    except RuntimeError as error:  # all that OpenVINO raises
        raise ModelError(f"{file.path}: is no ONNX model that OpenVINO can load ({_told(error)})") from error
    return runner


def import_openvino() -> Any:
    """The module, without its telemetry: importing it would tell Google Analytics so, and nothing may leave a device.

    Raises:
        ModelError: it is not installed; says what to install.
    """
    with _absent(TELEMETRY):
        try:
            return importlib.import_module("openvino")
        except (ImportError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise ModelError(f"OpenVINO cannot be used ({reason}); {INSTALL}") from error


@contextmanager
def _absent(module: str) -> Iterator[None]:
    """As if the module were not installed; OpenVINO has a stub for that case."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == module}
    sys.modules[module] = None  # type: ignore[assignment]  # Python's own sign for a module that must not be imported
    try:
        yield
    finally:
        del sys.modules[module]
        sys.modules.update(before)


def _computing(core: Any, model: Any, threads: int) -> Compute:
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # camera and detector want the same cores: on a busy machine 3.0 ms, pinned 7.2
        "INFERENCE_PRECISION_HINT": "f32",  # what the file says, not bfloat16 where the CPU has it
    }
    of_any_batch = core.compile_model(model, "CPU", settings).create_infer_request()
    shape = model.input(0).get_partial_shape()
    shape[0] = 1
    model.reshape(shape)
    of_one = core.compile_model(model, "CPU", settings).create_infer_request()

    def compute(values: ImageArray | FloatArray, outputs: tuple[str, ...]) -> list[FloatArray]:
        if not len(values):  # OpenVINO would answer with the batch before
            return [output[:0] for output in compute(np.zeros((1, *values.shape[1:]), values.dtype), outputs)]
        request = of_one if len(values) == 1 else of_any_batch
        request.infer([values], share_inputs=True)
        return [np.array(request.get_tensor(name).data) for name in outputs]

    return compute


def _check_interface(model: Any, spec: ModelSpec, path: Path) -> frozenset[str]:
    """Names of the outputs.

    Raises:
        ModelError: input or outputs are not those of such a file.
    """
    side = spec.size_px
    wanted, kind = (f"{side},{side},3", "u8") if spec.graph == "crops" else (f"3,{side},{side}", "f32")
    found = [f"{port.get_partial_shape()} {port.get_element_type().get_type_name()}" for port in model.inputs]
    if found != [f"[?,{wanted}] {kind}"]:
        raise ModelError(f"{path}: takes {'; '.join(found)[:200]}, but must take one [?,{wanted}] {kind}")
    outputs = frozenset(name for port in model.outputs for name in port.names)
    if NAMES[spec.graph][1] not in outputs:
        raise ModelError(f"{path}: has no output named {NAMES[spec.graph][1]}; export it with `ffe-edge export`")
    return outputs


def _told(error: RuntimeError) -> str:
    """OpenVINO's own words: those after the lines that name its source files."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith(("Exception from", "Check "))]
    return (said or ["no reason given"])[0][:120]
