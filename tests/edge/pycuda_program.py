"""Runs a tiny network through the real runner, the real seam and the real pycuda, on a driver of ordinary memory.

Started by ``test_cuda_memory.py`` with the driver preloaded; writes what it found as JSON.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import fake_cuda
import numpy as np
import onnxruntime
from bare_networks import SIDE, SPEC, bare_network
from fake_tensorrt import fake_tensorrt

from ffe_edge.engine.cuda_memory import Buffer, PycudaMemory, find_gpu
from ffe_edge.engine.images import to_images, to_probs
from ffe_edge.engine.tensorrt_runner import load_tensorrt
from ffe_edge.errors import ModelError

DRIVER = ctypes.CDLL(sys.argv[2])
WORK = ctypes.CFUNCTYPE(None)


class Watched(PycudaMemory):
    """Remembers shapes, for the stand-in of TensorRT reads and writes at bare addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.kept: list[object] = []
        fake_cuda.STREAMS[self.stream] = self

    def buffer(self, shape: tuple[int, ...]) -> Buffer:
        buffer = super().buffer(shape)
        self.shapes[buffer.address] = shape
        return buffer

    def at(self, address: int, rows: int) -> np.ndarray:
        shape = self.shapes[address]
        numbers = (ctypes.c_float * int(np.prod(shape))).from_address(address)
        return np.ctypeslib.as_array(numbers).reshape(shape)[:rows]

    def enqueue(self, _name: str, work: Callable[[], None]) -> None:
        self.kept.append(WORK(work))
        DRIVER.fake_enqueue(self.kept[-1])


def expected(data: bytes, crops: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return to_probs(session.run(["logits"], {"images": to_images(crops)})[0], SPEC.temperature)


def main() -> None:
    sys.modules["tensorrt"] = fake_tensorrt()
    data = bare_network(Path(sys.argv[3]) / "network.onnx").read_bytes()
    gpu = find_gpu()
    memory = Watched()
    run = load_tensorrt(data, SPEC, "tensorrt", memory)
    found: dict[int, float] = {}

    def compare(count: int) -> None:
        crops = np.random.default_rng(count).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
        found[count] = float(np.abs(run(crops) - expected(data, crops)).max())

    for count in (1, 6, 9):
        compare(count)
    thread = threading.Thread(target=compare, args=(5,))
    thread.start()
    thread.join()
    used = DRIVER.fake_live()
    try:
        with memory.active():
            memory.buffer((1 << 20, 1 << 10))
    except ModelError as error:
        refused = str(error)
    thread = threading.Thread(target=run.close)
    thread.start()
    thread.join()
    run.close()
    left, misuse, depth = DRIVER.fake_live(), DRIVER.fake_misuse(), DRIVER.fake_depth()
    told = {"gpu": [gpu.name, gpu.compute_capability, gpu.shares_memory], "differences": found, "used": used}
    json.dump(told | {"refused": refused, "left": left, "misuse": misuse, "depth": depth}, sys.stdout)


if __name__ == "__main__":
    main()
