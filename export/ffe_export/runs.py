"""Runs a bare network that is not on disk yet in ONNX Runtime, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import onnxruntime

from ffe_edge.engine.images import to_images, to_probs
from ffe_edge.engine.onnxruntime_runner import ort_errors
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray, ImageArray, Reading
from ffe_export.graph import EMBEDDING, IMAGES, LOGITS, onnx_module

BATCH: Final = 8

Step = Callable[[], None]
"""Called after every batch."""


class NetworkRunner:
    """A bare network in ONNX Runtime: crops (B, S, S, 3) uint8 BGR -> probs and embedding.

    Args:
        model: the network.
        spec: its spec.
        threads: within an operator.
        exact: compute Q/DQ pairs in FP32, as an engine's numbers come out, whatever this CPU's INT8 products would do.

    Raises:
        ModelError: ONNX Runtime cannot load it.
    """

    backend = "onnxruntime"

    def __init__(self, model: Any, spec: ModelSpec, threads: int = 1, *, exact: bool = False) -> None:
        self.precision = spec.precision
        self._temperature = spec.temperature
        self._session = _session(model, threads, exact=exact)

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Probabilities (B, K)."""
        return self.read(crops).probs

    def read(self, crops: ImageArray) -> Reading:
        """Probabilities (B, K) and embeddings (B, D)."""
        logits, embedding = _run(self._session, [LOGITS, EMBEDDING], to_images(crops))
        return Reading(to_probs(logits, self._temperature), np.asarray(embedding, np.float32))


def reading_of(
    run: Callable[[ImageArray], Reading], crops: ImageArray, step: Step | None = None, batch: int = BATCH
) -> Reading:
    """What a runner's ``read`` says of many crops, a few at a time."""
    parts = []
    for start in range(0, len(crops), batch):
        parts.append(run(np.ascontiguousarray(crops[start : start + batch])))
        if step:
            step()
    embeddings = [part.embedding for part in parts if part.embedding is not None]
    probs = np.concatenate([part.probs for part in parts])
    return Reading(probs, np.concatenate(embeddings) if len(embeddings) == len(parts) else None)


def inner_tensors(
    model: Any, names: Sequence[str], crops: ImageArray, threads: int, step: Step | None = None
) -> Iterator[list[FloatArray]]:
    """For every batch the named tensors of a bare network, in their order."""
    onnx = onnx_module()
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    inside = [name for name in names if name != IMAGES]
    given = {output.name for output in opened.graph.output}
    tensor, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    opened.graph.output.extend(tensor(name, kind, None) for name in inside if name not in given)
    session = _session(opened, threads)
    for start in range(0, len(crops), BATCH):
        images = to_images(crops[start : start + BATCH])
        values = dict(zip(inside, _run(session, inside, images), strict=True))
        yield [images if name == IMAGES else values[name] for name in names]
        if step:
            step()


def batch_count(crops: ImageArray) -> int:
    """How many batches there are."""
    return -(-len(crops) // BATCH)


def _session(model: Any, threads: int, *, exact: bool = False) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    if exact:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except ort_errors() as error:
        raise ModelError(
            f"ONNX Runtime cannot load the network ({_told(error)}); export its checkpoint again"
        ) from error


def _run(session: onnxruntime.InferenceSession, names: Sequence[str], images: FloatArray) -> list[FloatArray]:
    try:
        return list(session.run(names, {IMAGES: images}))
    except ort_errors() as error:
        raise ModelError(
            f"ONNX Runtime cannot run the network ({_told(error)}); export its checkpoint again"
        ) from error


def _told(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]
