"""The model in ONNX Runtime on the CPU: works everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ffe_edge.engine.graph_runner import NAMES, Compute, GraphRunner, check_outputs
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray, ImageArray

if TYPE_CHECKING:
    import onnxruntime

TYPES: Final = {"crops": "tensor(uint8)", "images": "tensor(float)"}


def load_onnxruntime(file: ModelFile, threads: int = 1) -> GraphRunner:
    """The file's runner, after a look at its interface and a trial run.

    Args:
        file: a crops graph, or a bare network.
        threads: within an operator.

    Raises:
        ModelError: corrupt, without a spec, or with other inputs and outputs than its spec says.
    """
    session = _session(file, threads)
    spec = file.spec()
    _check_interface(session, spec, file.path)
    outputs = {output.name for output in session.get_outputs()}
    runner = GraphRunner("onnxruntime", _computing(session), spec, has_embedding="embedding" in outputs)
    try:
        check_outputs(runner, file.path)
    except ort_errors() as error:
        raise ModelError(f"{file.path}: fails on two grey crops ({_first_line(error)})") from error
    return runner


def _computing(session: onnxruntime.InferenceSession) -> Compute:
    import onnxruntime  # noqa: PLC0415 - 20 MB and a tenth of a second, which a daemon on OpenVINO saves

    name = session.get_inputs()[0].name
    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True  # nodes that only the embedding needs are left out where it is not read

    def compute(values: ImageArray | FloatArray, outputs: tuple[str, ...]) -> list[FloatArray]:
        return [np.asarray(output) for output in session.run(outputs, {name: values}, options)]

    return compute


def _session(file: ModelFile, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime  # noqa: PLC0415 - as above

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A thread that waits for work at full speed would double the CPU of five looks a second.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(file.data, options, providers=["CPUExecutionProvider"])
    except ort_errors() as error:
        raise ModelError(f"{file.path}: is no ONNX model that ONNX Runtime can load ({_first_line(error)})") from error


def _check_interface(session: onnxruntime.InferenceSession, spec: ModelSpec, path: Path) -> None:
    inputs, side = session.get_inputs(), spec.size_px
    wanted = [side, side, 3] if spec.graph == "crops" else [3, side, side]
    kind = TYPES[spec.graph]
    if len(inputs) != 1 or list(inputs[0].shape[1:]) != wanted or inputs[0].type != kind:
        found = ", ".join(f"{item.name} {item.shape} {item.type}" for item in inputs)
        shape = ", ".join(map(str, wanted))
        raise ModelError(f"{path}: takes {found[:200]}, but must take one {kind} (B, {shape})")
    output = NAMES[spec.graph][1]
    if output not in [item.name for item in session.get_outputs()]:
        raise ModelError(f"{path}: has no output named {output}; export it with `ffe-edge export`")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def ort_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: its own exceptions share no public root."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415 - the names live only there

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (RuntimeError, ValueError, *own)
