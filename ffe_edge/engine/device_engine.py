"""This machine's engine of a bundle's network: wanted or not, found in the cache, proven before it serves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ffe_edge.engine.bundle import ENGINES, Bundle
from ffe_edge.engine.engine_file import EngineFile, newest_engine, read_engine
from ffe_edge.engine.engine_key import RUNTIMES, Machine, RuntimeName
from ffe_edge.engine.golden import Golden, check_golden
from ffe_edge.engine.model import Model, ModelSource
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.tensorrt_module import load_api, this_machine
from ffe_edge.engine.tensorrt_runner import load_tensorrt
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import Runner


@dataclass(frozen=True, slots=True)
class EngineCache:
    """Where this installation keeps its engines."""

    folder: Path
    """Where a build goes; the bundle's own ``engines`` is looked into after it."""
    state_dir: Path
    """Where the secret lies that seals them."""


class Nvidia(Protocol):
    """What is asked of NVIDIA's runtimes: the seam to TensorRT and the GPU."""

    def machine(self, runtime: RuntimeName) -> Machine:
        """This machine as engines are keyed by it.

        Raises:
            ModelError: the runtime is not installed, or there is no GPU.
        """
        ...

    def load(self, engine: bytes, spec: ModelSpec, runtime: RuntimeName, dla_core: int | None) -> Runner:
        """The runner of an engine.

        Raises:
            ModelError: it does not run here.
        """
        ...


class InstalledNvidia:
    """The runtimes that are installed here."""

    def machine(self, runtime: RuntimeName) -> Machine:
        """This machine as engines are keyed by it."""
        load_api(runtime)
        machine = this_machine(runtime)
        if not machine.gpu_name:
            raise ModelError("no NVIDIA GPU is seen; see `ffe-edge doctor`")
        return machine

    def load(self, engine: bytes, spec: ModelSpec, runtime: RuntimeName, dla_core: int | None) -> Runner:
        """The runner of an engine."""
        return load_tensorrt(engine, spec, runtime, dla_core=dla_core)


INSTALLED: Final = InstalledNvidia()


@dataclass(frozen=True, slots=True)
class DeviceEngine:
    """Where the engine of this machine comes from."""

    bundle: Bundle
    network: Path
    golden: Golden
    spec: ModelSpec
    """Of the file that serves meanwhile: the engine must have its labels."""
    runtime: RuntimeName
    cache: EngineCache
    dla_core: int | None = None
    nvidia: Nvidia = INSTALLED

    @property
    def name(self) -> str:
        """Of the engine, plain enough for a file's name."""
        return f"{self.network.stem}-{self.runtime}"

    @property
    def folder(self) -> Path:
        """The cache."""
        return self.cache.folder

    def load(self) -> Model:
        """The engine from the cache, which has passed the golden check.

        Raises:
            ModelError: there is none, it does not fit this machine, or says something else than the model.
        """
        file, spec = self._network()
        found = self._found(file)
        data = read_engine(found.path, found.key, state_dir=self.cache.state_dir)
        model = Model(self.nvidia.load(data, spec, self.runtime, self.dla_core), spec, file.sha256, found.path)
        try:
            check_golden(model.run, self.golden)
        except ModelError:
            model.close()
            raise
        return model

    def find(self) -> Path:
        """Where it lies, whether it can be believed or not; nothing is loaded.

        Raises:
            ModelError: the cache has none for this machine.
        """
        return self._found(self._network()[0]).path

    def _found(self, file: ModelFile) -> EngineFile:
        """The newest one, whatever batches it takes."""
        machine = self.nvidia.machine(self.runtime)
        for folder in (self.folder, self.bundle.folder / ENGINES):
            if found := newest_engine(folder, file.sha256, machine, self.dla_core):
                return found
        raise ModelError(f"{self.folder}: holds no engine of {self.network.name} for this machine")

    def _network(self) -> tuple[ModelFile, ModelSpec]:
        file = self.bundle.read(self.network)
        spec = file.spec()
        if (spec.graph, spec.labels, spec.size_px) != ("images", self.spec.labels, self.spec.size_px):
            raise ModelError(f"{self.network}: is not the bare network of {self.spec.name}; export the bundle again")
        return file, spec

    def build_command(self, python: str) -> list[str]:
        """The command that builds it into the cache."""
        dla = [] if self.dla_core is None else ["--dla-core", str(self.dla_core), "--max-batch", "1"]
        places = ["--rebuild", str(self.bundle.folder), "--engines", str(self.folder)]
        return [python, "-m", "ffe_edge", "export", *places, "--target", self.runtime, *dla]


def device_engine(
    source: ModelSource, backend: str, cache: EngineCache, dla_core: int | None = None, nvidia: Nvidia = INSTALLED
) -> DeviceEngine | None:
    """The engine that this machine should serve with, whether it is built already or not; None where a CPU serves.

    Args:
        source: the model.
        backend: ``tensorrt`` or ``tensorrt-rtx`` force one; ``auto``: where the machine has what it needs.
        cache: where engines are kept.
        dla_core: of an Orin or Xavier, None for the GPU.
        nvidia: what is installed here.

    Raises:
        ModelError: the forced runtime cannot be had here.
    """
    for runtime in RUNTIMES:
        if backend == runtime or (backend == "auto" and not _missing(source, runtime, nvidia)):
            return forced_engine(source, runtime, cache, dla_core, nvidia)
    return None


def forced_engine(
    source: ModelSource,
    runtime: RuntimeName,
    cache: EngineCache,
    dla_core: int | None = None,
    nvidia: Nvidia = INSTALLED,
) -> DeviceEngine:
    """The engine for this very runtime; as ``device_engine``.

    Raises:
        ModelError: it cannot be had here.
    """
    bundle, golden = source.bundle, source.golden
    why_not = _missing(source, runtime, nvidia)
    if why_not or bundle is None or bundle.engine is None or golden is None:
        raise ModelError(f"{source.file.path}: {runtime} cannot serve it, {why_not}")
    core = dla_core if runtime == "tensorrt" else None
    return DeviceEngine(bundle, bundle.engine, golden, source.spec, runtime, cache, core, nvidia)


def _missing(source: ModelSource, runtime: RuntimeName, nvidia: Nvidia) -> str:
    """What an engine lacks here; nothing: an empty text."""
    if source.bundle is None or source.bundle.engine is None:
        return "it is no bundle with a network for engines; make one with `ffe-edge export`"
    if source.golden is None:
        return "its bundle has no golden inputs that prove an engine; export it again"
    try:
        nvidia.machine(runtime)
    except ModelError as error:
        return str(error)
    return ""
