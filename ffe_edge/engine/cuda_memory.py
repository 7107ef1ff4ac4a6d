"""Memory that the processor and the GPU both reach: the seam between a runner and CUDA.

pycuda is imported inside functions only: it links the driver, and most machines have none.
pycuda 2026.1 wraps no CUDA graphs, so none are captured here; TensorRT-RTX captures its own (``tensorrt_api``).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU of this machine."""

    name: str
    compute_capability: str
    """``8.7``, say."""
    shares_memory: bool
    """It has no memory of its own but the processor's, as on every Jetson."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Numbers that lie on both sides."""

    host: FloatArray
    """Page-locked memory of the processor."""
    address: int
    """Of the same numbers, or of their copy, as the GPU sees them."""


class DeviceMemory(Protocol):
    """What a runner needs of CUDA. Everything but ``active`` and ``close`` is called inside ``with active()``."""

    stream: int
    """Handle of the stream on which all work of the runner queues."""

    def active(self) -> AbstractContextManager[None]:
        """Makes the GPU's context the calling thread's; its errors become a ``ModelError``."""
        ...

    def buffer(self, shape: tuple[int, ...]) -> Buffer:
        """New float32 numbers of this shape."""
        ...

    def to_device(self, buffer: Buffer, rows: int) -> None:
        """Queues the copy of the first rows to the GPU, where one is needed."""
        ...

    def to_host(self, buffer: Buffer, rows: int) -> None:
        """Queues the copy of the first rows from the GPU, where one is needed."""
        ...

    def wait(self) -> None:
        """Returns when all that was queued is done."""
        ...

    def close(self) -> None:
        """Gives everything back; buffers must not be touched afterwards."""
        ...


def find_gpu() -> Gpu:
    """The first GPU.

    Raises:
        ModelError: pycuda, the driver or the GPU is missing.
    """
    return _gpu(*_first_device())


class PycudaMemory:
    """Memory of the first GPU by pycuda: mapped where the two share it, copied where they do not."""

    def __init__(self) -> None:
        self._cuda, device = _first_device()
        self.gpu = _gpu(self._cuda, device)
        self._allocations: list[Any] = []
        self._copies: dict[int, Any] = {}
        try:
            self._context = device.make_context(flags=self._cuda.ctx_flags.MAP_HOST)
        except self._cuda.Error as error:
            raise ModelError(
                f"the GPU {self.gpu.name} gives no context ({error}); is it in use or out of memory?"
            ) from error
        try:
            self._stream = self._cuda.Stream()
            self.stream = int(self._stream.handle)
        finally:
            self._cuda.Context.pop()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Makes the GPU's context the calling thread's; its errors become a ``ModelError``."""
        try:
            self._context.push()
            try:
                yield
            finally:
                self._cuda.Context.pop()
        except self._cuda.Error as error:
            raise ModelError(
                f"the GPU {self.gpu.name} failed ({error}); see `sudo dmesg`, restart the program"
            ) from error

    def buffer(self, shape: tuple[int, ...]) -> Buffer:
        """New float32 numbers of this shape."""
        flags = self._cuda.host_alloc_flags.DEVICEMAP if self.gpu.shares_memory else 0
        host = self._cuda.pagelocked_empty(shape, np.float32, mem_flags=flags)
        self._allocations.append(host.base)
        if self.gpu.shares_memory:
            return Buffer(host, int(host.base.get_device_pointer()))
        copy = self._cuda.mem_alloc(host.nbytes)
        self._allocations.append(copy)
        self._copies[int(copy)] = copy
        return Buffer(host, int(copy))

    def to_device(self, buffer: Buffer, rows: int) -> None:
        """Queues the copy of the first rows to the GPU; mapped memory needs none."""
        if buffer.address in self._copies:
            self._cuda.memcpy_htod_async(buffer.address, buffer.host[:rows], self._stream)

    def to_host(self, buffer: Buffer, rows: int) -> None:
        """Queues the copy of the first rows from the GPU; mapped memory needs none."""
        if buffer.address in self._copies:
            self._cuda.memcpy_dtoh_async(buffer.host[:rows], buffer.address, self._stream)

    def wait(self) -> None:
        """Returns when all that was queued is done."""
        self._stream.synchronize()

    def close(self) -> None:
        """Gives everything back; buffers must not be touched afterwards. A second call does nothing."""
        context, self._context = self._context, None
        if context is None:
            return
        context.push()
        try:
            self._stream.synchronize()
            for allocation in reversed(self._allocations):
                allocation.free()
        except self._cuda.Error as error:
            raise ModelError(f"the GPU {self.gpu.name} failed ({error}); restart the program") from error
        finally:
            self._allocations.clear()
            self._copies.clear()
            del self._stream
            context.detach()  # ends the context and with it whatever was left


def _first_device() -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the error that follows says it too
            from pycuda import driver
    except (ImportError, OSError) as error:
        told = str(error).partition("\n")[0]
        raise ModelError(
            f"pycuda cannot be loaded ({told}); it needs NVIDIA's driver, then: pip install pycuda"
        ) from error
    try:
        driver.init()
        return driver, driver.Device(0)
    except driver.Error as error:
        raise ModelError(f"there is no NVIDIA GPU here ({error}); choose onnxruntime or openvino") from error


def _gpu(cuda: Any, device: Any) -> Gpu:
    major, minor = device.compute_capability()
    shares = bool(device.get_attribute(cuda.device_attribute.INTEGRATED))
    return Gpu(str(device.name()), f"{major}.{minor}", shares)
