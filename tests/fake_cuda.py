"""A GPU of ordinary memory: work queues on a stream and is done in order when somebody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ffe_edge.engine.cuda_memory import Buffer

STREAMS: dict[int, FakeMemory] = {}
"""What a fake execution context finds its stream in."""


class FakeMemory:
    """The seam ``DeviceMemory``. ``shared``: the GPU sees the host's numbers themselves, as on a Jetson."""

    def __init__(self, *, shared: bool = False) -> None:
        self.stream = 7000 + len(STREAMS)
        STREAMS[self.stream] = self
        self.shared = shared
        self.active_in: int | None = None
        self.closed = 0
        self.log: list[str] = []
        self._queue: list[Callable[[], None]] = []
        self._device: dict[int, np.ndarray] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        assert self.active_in is None, "a context is pushed once"
        assert not self.closed
        self.active_in = threading.get_ident()
        try:
            yield
        finally:
            self.active_in = None

    def buffer(self, shape: tuple[int, ...]) -> Buffer:
        self._check()
        host = np.full(shape, np.nan, np.float32)
        device = host if self.shared else np.full(shape, np.nan, np.float32)
        self._device[device.ctypes.data] = device
        return Buffer(host, device.ctypes.data)

    def to_device(self, buffer: Buffer, rows: int) -> None:
        def copy() -> None:
            self._device[buffer.address][:rows] = buffer.host[:rows]

        self.enqueue(f"to device {rows}", copy)

    def to_host(self, buffer: Buffer, rows: int) -> None:
        def copy() -> None:
            buffer.host[:rows] = self._device[buffer.address][:rows]

        self.enqueue(f"to host {rows}", copy)

    def wait(self) -> None:
        self._check()
        for work in self._queue:
            work()
        self._queue.clear()
        self.log.append("wait")

    def close(self) -> None:
        assert self.active_in is None
        self.closed += 1
        self._device.clear()

    def enqueue(self, name: str, work: Callable[[], None]) -> None:
        self._check()
        self.log.append(name)
        self._queue.append(work)

    def at(self, address: int, rows: int) -> np.ndarray:
        """The first rows of what lies at this address of the GPU."""
        return self._device[address][:rows]

    def _check(self) -> None:
        assert self.active_in == threading.get_ident(), "the GPU's context is not this thread's"
