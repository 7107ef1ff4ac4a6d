"""What differs between TensorRT 8.5, 8.6, 10, 11 and TensorRT-RTX: here, and nowhere else.

Each difference is asked of the module at hand (``hasattr``), never of its version: JetPack 5.1 to 7.2 bring 8.5 to 11.
Explicit batches are a flag in 8, nothing in 10, gone in 11. A strongly typed network takes its precision from the ONNX
(10, and always in 11 and RTX); a weakly typed one is told FP16 and INT8 by builder flags (8, and the DLA of 10).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ffe_edge.engine.tensorrt_module import Messages, plain
from ffe_edge.engine.tensorrt_progress import Phases
from ffe_edge.errors import ModelError

Progress = Callable[[str, float], None]
"""Called with the phase of a build and the share of the whole that is done."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of an engine."""

    name: str
    is_input: bool
    is_float32: bool
    shape: tuple[int, ...]
    """-1 where it may vary."""


class Api:
    """A runtime's module, its logger, and what it complained of."""

    def __init__(self, trt: Any) -> None:
        self.trt = trt
        self.messages = Messages()
        self.logger = self._new_logger()

    @property
    def name(self) -> str:
        """``tensorrt 10.3.0``, say."""
        return f"{self.trt.__name__} {self.trt.__version__}"

    def builder(self) -> Any:
        """What builds engines.

        Raises:
            ModelError: TensorRT finds no GPU. TensorRT-RTX needs none.
        """
        return self.made(self.trt.Builder)

    def made(self, kind: Any) -> Any:
        """A builder or a runtime.

        Raises:
            ModelError: there is no GPU.
        """
        try:
            return kind(self.logger)
        except TypeError as error:  # what pybind11 makes of a null pointer
            raise ModelError(f"TensorRT finds no NVIDIA GPU here ({self.messages.reason()})") from error

    def _new_logger(self) -> Any:
        """The runtime keeps it as long as what it was given to."""

        def init(this: Any) -> None:
            self.trt.ILogger.__init__(this)

        def log(_: Any, severity: Any, text: str) -> None:
            self.messages.add(severity.name, text)

        return type("CollectingLogger", (self.trt.ILogger,), {"log": log, "__init__": init})()


def is_strongly_typed(api: Api, *, dla: bool) -> bool:
    """Whether the precision comes from the ONNX alone."""
    if not hasattr(api.trt.BuilderFlag, "FP16"):
        return True
    return hasattr(api.trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") and not dla


def new_network(api: Api, builder: Any, *, dla: bool = False) -> Any:
    """An empty network with explicit batches, strongly typed where it can be."""
    kinds = api.trt.NetworkDefinitionCreationFlag
    names = ["EXPLICIT_BATCH", *(["STRONGLY_TYPED"] if is_strongly_typed(api, dla=dla) else [])]
    return builder.create_network(sum(1 << int(getattr(kinds, name)) for name in names if hasattr(kinds, name)))


def parse(api: Api, network: Any, data: bytes, where: str, *, dla: bool = False) -> Any:
    """Fill a network from an ONNX.

    Returns:
        The parser: it owns weights that the network points to, so keep it until the engine is built.

    Raises:
        ModelError: an operator is not supported, the file is damaged or empty; with the parser's words and the node.
    """
    parser = api.trt.OnnxParser(network, api.logger)
    adjust = getattr(getattr(api.trt, "OnnxParserFlag", None), "ADJUST_FOR_DLA", None)
    if dla and adjust is not None:
        parser.set_flag(adjust)
    if not parser.parse(data) or parser.num_errors:
        told = _parser_error(parser) or api.messages.reason()
        raise ModelError(f"{where}: {api.name} cannot take it: {told}")
    if not network.num_inputs or not network.num_outputs:
        raise ModelError(f"{where}: is empty, it has no inputs or outputs; export it again")
    return parser


def new_config(api: Api, builder: Any, *, workspace_mib: int, precision: str, dla_core: int | None) -> Any:
    """The settings of a build.

    Raises:
        ModelError: there is no such DLA core here.
    """
    trt, config = api.trt, builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mib << 20)
    if not is_strongly_typed(api, dla=dla_core is not None):
        for name in {"fp32": (), "fp16": ("FP16",), "int8": ("FP16", "INT8")}[precision]:
            config.set_flag(getattr(trt.BuilderFlag, name))
    if dla_core is not None:
        if builder.num_DLA_cores <= dla_core:
            raise ModelError(f"DLA core {dla_core} is not here ({builder.num_DLA_cores} are); build for the GPU")
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = dla_core
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    return config


def set_batches(builder: Any, config: Any, name: str, shape: Sequence[int], batches: Sequence[int]) -> None:
    """One optimisation profile: the smallest, the best and the largest batch of an input (S, ...) without its batch."""
    profile = builder.create_optimization_profile()
    profile.set_shape(name, *[(batch, *shape) for batch in batches])
    config.add_optimization_profile(profile)


def set_capabilities(api: Api, config: Any, capabilities: Sequence[str]) -> None:
    """The GPUs that an engine of TensorRT-RTX is for; none: all that it knows.

    Raises:
        ModelError: it does not know one of them.
    """
    known = {name[2:-1] + "." + name[-1]: value for name, value in _capabilities(api.trt).items()}
    if unknown := [capability for capability in capabilities if capability not in known]:
        told = f"compute capability {plain(unknown[0])} is not one of {', '.join(known) or 'none'}"
        raise ModelError(f"{told}, which {api.name} builds for; it knows no Jetson")
    if capabilities:
        config.num_compute_capabilities = len(capabilities)
    for index, capability in enumerate(capabilities):
        if not config.set_compute_capability(known[capability], index):
            raise ModelError(f"{api.name} refuses the compute capability {capability}")


def set_timing_cache(config: Any, data: bytes) -> None:
    """What earlier builds measured. For TensorRT: TensorRT-RTX measures nothing while it builds."""
    config.set_timing_cache(config.create_timing_cache(data), ignore_mismatch=False)


def timing_cache(config: Any) -> bytes:
    """What was measured up to now."""
    return bytes(config.get_timing_cache().serialize())


def watch(api: Api, config: Any, progress: Progress) -> bool:
    """Have a build tell its progress; False where the runtime cannot (TensorRT 8)."""
    if not hasattr(api.trt, "IProgressMonitor"):
        return False
    config.progress_monitor = Phases(progress).monitor(api.trt)
    return True


def build(api: Api, builder: Any, network: Any, config: Any, where: str) -> bytes:
    """The serialised engine.

    Raises:
        ModelError: the build failed, with the runtime's first error.
    """
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ModelError(f"{where}: no engine could be built: {api.messages.reason()}")
    return bytes(engine)


def load_engine(api: Api, data: bytes, dla_core: int | None = None) -> Any:
    """Deserialise an engine. Give it bytes of ``read_engine`` only: this runs what is in them.

    Raises:
        ModelError: there is no GPU, or the engine is not for it.
    """
    runtime = api.made(api.trt.Runtime)
    if dla_core is not None:
        runtime.DLA_core = dla_core
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        raise ModelError(f"{api.name} cannot load the engine: {api.messages.reason()}")
    return engine


def new_context(api: Api, engine: Any, *, graph: bool = False) -> Any:
    """What executes an engine; with ``graph`` as one CUDA graph where the runtime captures it itself (RTX)."""
    if not graph or not hasattr(api.trt, "CudaGraphStrategy"):
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.cuda_graph_strategy = api.trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    return engine.create_execution_context(config)


def tensors(api: Api, engine: Any) -> tuple[Tensor, ...]:
    """Inputs and outputs of an engine."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return tuple(
        Tensor(
            name,
            engine.get_tensor_mode(name) == api.trt.TensorIOMode.INPUT,
            engine.get_tensor_dtype(name) == api.trt.float32,
            tuple(engine.get_tensor_shape(name)),
        )
        for name in names
    )


def batches(engine: Any, name: str) -> tuple[int, int]:
    """Smallest and largest batch of an input."""
    smallest, _, largest = engine.get_tensor_profile_shape(name, 0)
    return int(smallest[0]), int(largest[0])


def _capabilities(trt: Any) -> dict[str, Any]:
    kinds = getattr(trt, "ComputeCapability", None)
    names = [name for name in dir(kinds) if name.startswith("SM") and name[2:].isdigit()]
    return {name: getattr(kinds, name) for name in sorted(names, key=lambda name: int(name[2:]))}


def _parser_error(parser: Any) -> str:
    """The parser's first error; its fields are copied at once, for the object does not outlive the parser."""
    if not parser.num_errors:
        return ""
    error = parser.get_error(0)
    node, description = int(error.node()), str(error.desc())
    name = str(error.node_name()) if hasattr(error, "node_name") else ""
    operator = str(error.node_operator()) if hasattr(error, "node_operator") else ""
    code = getattr(error.code(), "name", str(error.code()))
    where = "" if node < 0 else f"node {name or f'number {node}'}{f' ({operator})' if operator else ''}: "
    return plain(f"{where}{code}, {description}")
