"""A bare network's engine in TensorRT or TensorRT-RTX, with the crops before it and the probabilities after it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ffe_edge.engine import tensorrt_api
from ffe_edge.engine.cuda_memory import Buffer, DeviceMemory, PycudaMemory
from ffe_edge.engine.engine_key import RuntimeName
from ffe_edge.engine.images import to_images, to_probs
from ffe_edge.engine.tensorrt_api import Api, Tensor
from ffe_edge.engine.tensorrt_module import load_api
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray, ImageArray, Reading

IMAGES: Final = "images"
LOGITS: Final = "logits"
EMBEDDING: Final = "embedding"


class TensorRtRunner:
    """Crops (B, S, S, 3) uint8 BGR -> probs (B, K) float32, on the GPU.

    More crops than the engine takes go through it in several batches. It may be called from any thread, one at a time.
    Call ``close`` when done: nothing is freed by the garbage collector.
    """

    def __init__(self, memory: DeviceMemory, spec: ModelSpec, runtime: RuntimeName) -> None:
        self.backend: str = runtime
        self.precision = spec.precision
        self._memory, self._spec = memory, spec
        self._engine: Any = None
        self._context: Any = None
        self._smallest = self._largest = self._rows = 0
        self._buffers: Mapping[str, Buffer] = {}
        self._lock = threading.Lock()

    def load(self, api: Api, engine: bytes, dla_core: int | None, *, graph: bool) -> None:
        """Deserialise the engine; memory for its largest batch is taken once and then stays where it is."""
        with self._lock, self._memory.active():
            self._engine = tensorrt_api.load_engine(api, engine, dla_core)
            shapes = _shapes(tensorrt_api.tensors(api, self._engine), self._spec)
            self._context = tensorrt_api.new_context(api, self._engine, graph=graph)
            if self._context is None:
                raise ModelError(f"{self.backend} cannot execute the engine: {api.messages.reason()}")
            self._smallest, self._largest = tensorrt_api.batches(self._engine, IMAGES)
            self._buffers = {name: self._memory.buffer((self._largest, *shape)) for name, shape in shapes.items()}
            for name, buffer in self._buffers.items():
                if not self._context.set_tensor_address(name, buffer.address):
                    raise ModelError(f"{self.backend} takes no memory for {name}: {api.messages.reason()}")

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Probabilities (B, K) of aligned crops (B, S, S, 3)."""
        return self.read(crops).probs

    def read(self, crops: ImageArray) -> Reading:
        """Probabilities (B, K) and embeddings (B, D) of aligned crops (B, S, S, 3).

        Raises:
            ModelError: the GPU failed.
        """
        size = self._spec.size_px
        if crops.shape[1:] != (size, size, 3) or crops.dtype != np.uint8:
            raise ValueError(f"the model takes crops (B, {size}, {size}, 3) uint8, not {crops.shape} {crops.dtype}")
        with self._lock:
            if self._context is None:
                raise ModelError("the engine is closed; load it again")
            read = {
                name: np.empty((len(crops), *buffer.host.shape[1:]), np.float32)
                for name, buffer in self._buffers.items()
                if name != IMAGES
            }
            with self._memory.active():
                for start in range(0, len(crops), self._largest):
                    some = crops[start : start + self._largest]
                    self._run(some)
                    for name, rows in read.items():
                        rows[start : start + len(some)] = self._buffers[name].host[: len(some)]
        probs = to_probs(read[LOGITS], self._spec.temperature)
        return Reading(probs, read.get(EMBEDDING))

    def close(self) -> None:
        """Give the GPU's memory back. A second call does nothing."""
        with self._lock:
            if self._engine is not None:
                with self._memory.active():
                    self._context = self._engine = None  # TensorRT frees its own while the GPU's context is there
            self._buffers = {}
            self._memory.close()

    def _run(self, crops: ImageArray) -> None:
        """One batch: copy in, execute and copy out queue on one stream, then wait for it."""
        rows = max(len(crops), self._smallest)
        images = self._buffers[IMAGES]
        to_images(crops, images.host[: len(crops)])
        images.host[len(crops) : rows] = 0
        if rows != self._rows and not self._context.set_input_shape(IMAGES, (rows, *images.host.shape[1:])):
            raise ModelError(f"{self.backend} takes no batch of {rows}; build the engine again")
        self._rows = rows
        self._memory.to_device(images, rows)
        if not self._context.execute_async_v3(self._memory.stream):
            raise ModelError(f"{self.backend} failed on the GPU; restart the program, or build the engine again")
        for name, buffer in self._buffers.items():
            if name != IMAGES:
                self._memory.to_host(buffer, len(crops))
        self._memory.wait()


def load_tensorrt(
    engine: bytes,
    spec: ModelSpec,
    runtime: RuntimeName,
    memory: DeviceMemory | None = None,
    *,
    dla_core: int | None = None,
    graph: bool = False,
) -> TensorRtRunner:
    """A runner of an engine that ``read_engine`` gave: deserialising runs what is in it.

    Args:
        engine: the serialised engine of the bare network.
        spec: of the network's ONNX.
        runtime: what built it.
        memory: the GPU's; None for pycuda's. The runner closes it.
        dla_core: that the engine was built for.
        graph: have TensorRT-RTX execute it as one CUDA graph; nothing to TensorRT.

    Raises:
        ModelError: no runtime, no GPU, or an engine of another network.
    """
    api = Api(load_api(runtime))
    runner = TensorRtRunner(PycudaMemory() if memory is None else memory, spec, runtime)
    try:
        runner.load(api, engine, dla_core, graph=graph)
    except BaseException:
        runner.close()
        raise
    return runner


def _shapes(tensors: tuple[Tensor, ...], spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Shapes without the batch, of an engine that is the spec's bare network."""
    found = {tensor.name: tensor for tensor in tensors}
    outputs = {tensor.name for tensor in tensors if not tensor.is_input}
    is_one = {LOGITS} <= outputs <= {LOGITS, EMBEDDING} and set(found) - outputs == {IMAGES}
    expected = {IMAGES: (3, spec.size_px, spec.size_px), LOGITS: (len(spec.labels),)}
    fits = is_one and all(found[name].shape[1:] == shape for name, shape in expected.items())
    if not fits or not all(tensor.is_float32 and min(tensor.shape[1:]) > 0 for tensor in tensors):
        told = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in tensors)
        raise ModelError(f"the engine has {told}, which is not the bare network of {spec.name}; build it again")
    return {tensor.name: tensor.shape[1:] for tensor in tensors}
