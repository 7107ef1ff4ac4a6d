"""Which engine this machine should serve with, and that it must prove itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_engines import FixedRunner
from small_bundle import CROPS, make_bundle, write_document

from ffe_edge.config import load_config
from ffe_edge.engine.device_engine import DeviceEngine, EngineCache, device_engine
from ffe_edge.engine.engine_file import write_engine
from ffe_edge.engine.engine_key import EngineKey, Machine, RuntimeName
from ffe_edge.engine.model import open_source
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.errors import ModelError
from ffe_edge.serving import Serving
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray, ImageArray, Runner

ORIN = Machine("tensorrt", "10.3.0", "Orin", "8.7", "36.4.3")


class Network(FixedRunner):
    """The bare network on a CPU, in an engine's clothes."""

    def __init__(self, file: Path) -> None:
        super().__init__("tensorrt", 0)
        self._run = load_onnxruntime(ModelFile.read(file))

    def __call__(self, crops: ImageArray) -> FloatArray:
        return self._run(crops)


class Orin:
    """A machine with TensorRT, whose engines run as they are told to."""

    def __init__(self, run: Runner | None = None, *, has_gpu: bool = True) -> None:
        self.given: list[tuple[bytes, str, int | None]] = []
        self._run, self._has_gpu = run, has_gpu

    def machine(self, runtime: RuntimeName) -> Machine:
        if runtime != ORIN.runtime:
            raise ModelError(f"{runtime} cannot be loaded")
        if not self._has_gpu:
            raise ModelError("no NVIDIA GPU is seen")
        return ORIN

    def load(self, engine: bytes, spec: ModelSpec, runtime: RuntimeName, dla_core: int | None) -> Runner:
        self.given.append((engine, spec.graph, dla_core))
        if self._run is None:
            raise ModelError("it does not run here")
        return self._run


@pytest.fixture
def state(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "state/engines", tmp_path / "state")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "exported")


def engine_of(folder: Path, state: EngineCache, *, run: Runner | None = None, core: int | None = None) -> DeviceEngine:
    found = device_engine(open_source(folder), "auto", state, core, Orin(run=run))
    assert found is not None
    return found


def cache(engine: DeviceEngine, place: Path, dla_core: int | None = None, machine: Machine = ORIN) -> Path:
    """Put an engine into a folder, as a build would."""
    sha256 = ModelFile.read(engine.network).sha256
    batches = (1, 4, 16) if dla_core is None else (1, 1, 1)
    key = EngineKey(sha256, "fp32", machine, *batches, dla_core)
    return write_engine(place, engine.network.stem, key, b"engine", state_dir=engine.cache.state_dir).path


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_cpu_that_is_asked_for_serves(folder: Path, state: EngineCache, backend: str) -> None:
    assert device_engine(open_source(folder), backend, state, nvidia=Orin()) is None


def test_a_machine_without_nvidia_s_runtime_serves_with_its_cpu(folder: Path, state: EngineCache) -> None:
    nothing = Orin(has_gpu=False)
    assert device_engine(open_source(folder), "auto", state, nvidia=nothing) is None
    with pytest.raises(ModelError, match="tensorrt cannot serve it, no NVIDIA GPU"):
        device_engine(open_source(folder), "tensorrt", state, nvidia=nothing)


@pytest.mark.parametrize(("backend", "found"), [("auto", "tensorrt"), ("tensorrt", "tensorrt")])
def test_a_machine_with_a_gpu_serves_with_it(folder: Path, state: EngineCache, backend: str, found: str) -> None:
    engine = device_engine(open_source(folder), backend, state, nvidia=Orin())
    assert engine is not None
    assert (engine.runtime, engine.network) == (found, folder / "network.onnx")


@pytest.mark.parametrize("lacking", ["engine", "golden"])
def test_a_bundle_without_network_or_proof_has_no_engine(folder: Path, state: EngineCache, lacking: str) -> None:
    write_document(folder, **{lacking: None})
    assert device_engine(open_source(folder), "auto", state, nvidia=Orin()) is None


def test_the_engine_of_this_machine_is_found_in_the_cache_or_the_bundle(folder: Path, state: EngineCache) -> None:
    engine = engine_of(folder, state)
    with pytest.raises(ModelError, match="holds no engine"):
        engine.find()
    cache(engine, folder / "engines", machine=replace(ORIN, runtime_version="8.6.2"))
    with pytest.raises(ModelError, match="holds no engine"):
        engine.find()
    beside = cache(engine, folder / "engines")
    assert engine.find() == beside
    ours = cache(engine, state.folder)
    assert engine.find() == ours


def test_an_engine_that_says_the_same_serves(folder: Path, state: EngineCache) -> None:
    engine = engine_of(folder, state, run=Network(folder / "network.onnx"))
    path = cache(engine, state.folder)
    model = engine.load()
    assert isinstance(engine.nvidia, Orin)
    assert engine.nvidia.given == [(b"engine", "images", None)]
    assert (model.path, model.sha256) == (path, ModelFile.read(engine.network).sha256)
    assert model.run(CROPS).shape == (12, 9)


def test_an_engine_that_says_something_else_is_closed(folder: Path, state: EngineCache) -> None:
    run = FixedRunner("tensorrt", 3)
    engine = engine_of(folder, state, run=run)
    cache(engine, state.folder)
    with pytest.raises(ModelError, match="failed the golden check"):
        engine.load()
    assert run.closed


def test_an_engine_of_another_installation_is_not_loaded(folder: Path, state: EngineCache) -> None:
    engine = engine_of(folder, state, run=Network(folder / "network.onnx"))
    cache(engine, state.folder)
    (state.state_dir / "engine-secret").unlink()
    with pytest.raises(ModelError, match="not built by this installation"):
        engine.load()
    assert isinstance(engine.nvidia, Orin)
    assert engine.nvidia.given == []


def test_a_dla_takes_one_crop_at_a_time(folder: Path, state: EngineCache) -> None:
    engine = engine_of(folder, state, core=1)
    path = cache(engine, state.folder, dla_core=1)
    assert engine.find() == path
    assert engine.build_command("python")[-4:] == ["--dla-core", "1", "--max-batch", "1"]


def test_a_network_of_another_model_is_refused(folder: Path, state: EngineCache) -> None:
    write_document(folder, engine="model.onnx")
    with pytest.raises(ModelError, match="is not the bare network of small"):
        engine_of(folder, state).load()


def test_the_daemon_serves_with_a_cpu_and_would_build_what_is_missing(folder: Path, state: EngineCache) -> None:
    settings = load_config(None, {"model": {"path": folder}, "outbox": {"state_dir": state.state_dir}})
    serving = Serving.from_config(settings, lambda: None, Orin())
    assert serving.model.run.backend in ("onnxruntime", "openvino")
    assert serving.engine_state == "loading"
    command = engine_of(folder, state).build_command("python")
    assert command[:6] == ["python", "-m", "ffe_edge", "export", "--rebuild", str(folder)]
    assert command[6:] == ["--engines", str(state.folder), "--target", "tensorrt"]
    serving.close()


def test_a_backend_that_cannot_be_had_is_refused_at_the_start(folder: Path, state: EngineCache) -> None:
    forced = {"path": folder, "backend": "tensorrt-rtx"}
    settings = load_config(None, {"model": forced, "outbox": {"state_dir": state.state_dir}})
    with pytest.raises(ModelError, match="tensorrt-rtx cannot serve it, tensorrt-rtx cannot be loaded"):
        Serving.from_config(settings, lambda: None, Orin())
