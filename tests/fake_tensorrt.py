"""Stand-ins of TensorRT with the names that each release documents, and engines that really compute.

An "engine" is its ONNX; ONNX Runtime executes it on the memory behind the addresses that the context was given.
Names of 8.5 are those of the wheel ``tensorrt==8.5.3.1``; of 10 and 11 those of NVIDIA's Python API reference and of
its page "Removed Python APIs and Replacements" (10.x to 11.x).
"""

from __future__ import annotations

from enum import Enum, IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

import onnxruntime
from fake_cuda import STREAMS

BATCHES = (1, 4, 6)


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    Severity = Severity

    def __init__(self) -> None:
        self.is_started = True


class IProgressMonitor:
    def __init__(self) -> None:
        self.is_started = True


class TensorIOMode(Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class Config(SimpleNamespace):
    """An ``IBuilderConfig`` that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(flags=set(), limits={}, profiles=[], cache=None, default_device_type=None, DLA_core=-1)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        self.limits[pool] = size

    def set_flag(self, flag: Any) -> None:
        self.flags.add(flag.name)

    def add_optimization_profile(self, profile: Any) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, data: bytes) -> Any:
        return SimpleNamespace(data=data, serialize=lambda: data + b" and more")

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        self.cache = cache
        return True

    def get_timing_cache(self) -> Any:
        return self.cache


class Builder:
    has_gpu = True

    def __init__(self, logger: Any) -> None:
        if not self.has_gpu:
            logger.log(Severity.WARNING, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self.logger, self.num_DLA_cores, self.network_flags = logger, 2, None

    def create_network(self, flags: int = 0) -> Any:
        self.network_flags = flags
        return SimpleNamespace(num_inputs=0, num_outputs=0, flags=flags)

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Any:
        profile = SimpleNamespace(shapes={})
        profile.set_shape = lambda name, smallest, best, largest: profile.shapes.update(
            {name: (smallest, best, largest)}
        )
        return profile

    def build_serialized_network(self, network: Any, config: Config) -> bytes | None:
        self.config = config
        if network.data is None:
            self.logger.log(Severity.ERROR, "Error Code 10: no implementation\nfor node middle")
            self.logger.log(Severity.ERROR, "and what came of it")
        return network.data


class OnnxParser:
    """Takes any ONNX that ONNX Runtime takes."""

    def __init__(self, network: Any, logger: Any) -> None:
        self.network, self.logger, self.num_errors, self.flags = network, logger, 0, []

    def set_flag(self, flag: Any) -> None:
        self.flags.append(flag)

    def parse(self, model: bytes) -> bool:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        shaped = [
            [SimpleNamespace(name=item.name, shape=(-1, *item.shape[1:]), dtype="float32") for item in items]
            for items in (session.get_inputs(), session.get_outputs())
        ]
        self.network.data, self.network.parser = model, self
        self.network.get_input, self.network.get_output = shaped[0].__getitem__, shaped[1].__getitem__
        self.network.num_inputs, self.network.num_outputs = len(shaped[0]), len(shaped[1])
        return True


class Context:
    """An ``IExecutionContext``: work queues on the stream and reads and writes at the addresses it was given."""

    fails = False

    def __init__(self, session: Any) -> None:
        self._session, self._addresses, self._shape = session, {}, None
        self.shapes: list[tuple[int, ...]] = []

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shape = shape
        self.shapes.append(shape)
        return name == "images" and BATCHES[0] <= shape[0] <= BATCHES[2]

    def execute_async_v3(self, stream_handle: int) -> bool:
        memory, rows = STREAMS[stream_handle], self._shape[0]

        def compute() -> None:
            images = memory.at(self._addresses["images"], rows)
            assert images.shape == self._shape
            names = [item.name for item in self._session.get_outputs()]
            for name, values in zip(names, self._session.run(names, {"images": images}), strict=True):
                memory.at(self._addresses[name], rows)[:] = values

        memory.enqueue(f"execute {rows}", compute)
        return not self.fails


class Engine:
    def __init__(self, model: bytes, batches: tuple[int, int, int]) -> None:
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self._io = {item.name: item for item in (*self._session.get_inputs(), *self._session.get_outputs())}
        self._batches = batches
        self.num_io_tensors = len(self._io)
        self.contexts: list[Context] = []

    def get_tensor_name(self, index: int) -> str:
        return list(self._io)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        is_input = name in [item.name for item in self._session.get_inputs()]
        return TensorIOMode.INPUT if is_input else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> str:
        return {"tensor(float)": "float32"}.get(self._io[name].type, "other")

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, *self._io[name].shape[1:])

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        assert (name, profile_index) == ("images", 0)
        return [(batch, *self._io[name].shape[1:]) for batch in self._batches]

    def create_execution_context(self) -> Context:
        self.contexts.append(Context(self._session))
        return self.contexts[-1]


class Runtime:
    engines: list[Engine] = []  # noqa: RUF012 - what the tests look at
    batches = BATCHES

    def __init__(self, logger: Any) -> None:
        self.logger, self.DLA_core = logger, -1

    def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
        if data.startswith(b"damaged"):
            self.logger.log(Severity.ERROR, "Magic tag does not match")
            return None
        self.engines.append(Engine(data, self.batches))
        return self.engines[-1]


def names(kind: str, *members: str) -> Any:
    return IntEnum(kind, {member: number for number, member in enumerate(members)})


FLAGS = ("TF32", "GPU_FALLBACK", "REFIT")
WEAK = ("FP16", "INT8")
NEW = {"monitor": True, "parser": ("ADJUST_FOR_DLA",)}
RELEASES: dict[str, dict[str, Any]] = {
    "8.5.2": {"builder": (*WEAK, *FLAGS), "network": ("EXPLICIT_BATCH", "EXPLICIT_PRECISION")},
    "8.6.2": {"builder": (*WEAK, *FLAGS), "network": ("EXPLICIT_BATCH", "EXPLICIT_PRECISION"), "parser": ()},
    "10.3.0": {"builder": (*WEAK, *FLAGS), "network": ("EXPLICIT_BATCH", "STRONGLY_TYPED"), **NEW},
    "11.4.1": {"builder": FLAGS, "network": ("STRONGLY_TYPED",), **NEW},
}


def fake_tensorrt(release: str = "10.3.0", *, gpu: bool = True, batches: tuple[int, int, int] = BATCHES) -> Any:
    """A module ``tensorrt`` of this release."""
    said = RELEASES[release]
    module: Any = ModuleType("tensorrt")
    module.__version__ = release
    module.float32 = "float32"
    module.ILogger, module.OnnxParser, module.TensorIOMode = ILogger, OnnxParser, TensorIOMode
    module.Builder = type("Builder", (Builder,), {"has_gpu": gpu})
    module.Runtime = type("Runtime", (Runtime,), {"engines": [], "batches": batches})
    module.BuilderFlag = names("BuilderFlag", *said["builder"])
    module.NetworkDefinitionCreationFlag = names("NetworkDefinitionCreationFlag", *said["network"])
    module.MemoryPoolType = names("MemoryPoolType", "WORKSPACE", "DLA_MANAGED_SRAM")
    module.DeviceType = names("DeviceType", "GPU", "DLA")
    if said.get("monitor"):
        module.IProgressMonitor = IProgressMonitor
    if "parser" in said:
        module.OnnxParserFlag = names("OnnxParserFlag", "NATIVE_INSTANCENORM", *said["parser"])
    return module
