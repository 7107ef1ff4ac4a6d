"""One module knows what the releases of TensorRT call things; each is driven here by the names it documents."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bare_networks import SIDE, bare_network
from fake_tensorrt import RELEASES, fake_tensorrt

from ffe_edge.engine import tensorrt_api
from ffe_edge.engine.tensorrt_api import Api
from ffe_edge.engine.tensorrt_module import install_hint, load_api, plain, this_machine
from ffe_edge.engine.tensorrt_progress import Phases
from ffe_edge.errors import ModelError

NO_RTX = "TensorRT-RTX is not installed: pip install 'ffe-edge[rtx]'"


def started(release: str, **options: Any) -> tuple[Api, Any]:
    """A release's module and its builder."""
    api = Api(fake_tensorrt(release, **options))
    return api, api.builder()


def flags_of(trt: Any, number: int) -> set[str]:
    return {flag.name for flag in trt.NetworkDefinitionCreationFlag if number >> int(flag) & 1}


@pytest.mark.parametrize(
    ("release", "on_gpu", "on_dla"),
    [
        pytest.param("8.5.2", {"EXPLICIT_BATCH"}, {"EXPLICIT_BATCH"}, id="8.5"),
        pytest.param("8.6.2", {"EXPLICIT_BATCH"}, {"EXPLICIT_BATCH"}, id="8.6"),
        pytest.param("10.3.0", {"EXPLICIT_BATCH", "STRONGLY_TYPED"}, {"EXPLICIT_BATCH"}, id="10"),
        pytest.param("11.4.1", {"STRONGLY_TYPED"}, {"STRONGLY_TYPED"}, id="11"),
    ],
)
def test_a_network_gets_the_flags_that_its_release_has(release: str, on_gpu: set[str], on_dla: set[str]) -> None:
    api, builder = started(release)
    assert flags_of(api.trt, tensorrt_api.new_network(api, builder).flags) == on_gpu
    assert flags_of(api.trt, tensorrt_api.new_network(api, builder, dla=True).flags) == on_dla


@pytest.mark.parametrize(
    ("release", "precision", "dla_core", "flags"),
    [
        pytest.param("8.5.2", "fp32", None, set(), id="8.5-fp32"),
        pytest.param("8.5.2", "fp16", None, {"FP16"}, id="8.5-fp16"),
        pytest.param("8.6.2", "int8", None, {"FP16", "INT8"}, id="8.6-int8"),
        pytest.param("10.3.0", "int8", None, set(), id="10-typed-by-the-onnx"),
        pytest.param("10.3.0", "fp16", 1, {"FP16", "GPU_FALLBACK"}, id="10-dla"),
        pytest.param("11.4.1", "int8", None, set(), id="11"),
        pytest.param("11.4.1", "fp16", 0, {"GPU_FALLBACK"}, id="11-dla"),
    ],
)
def test_precision_is_flagged_only_where_the_onnx_does_not_rule(
    release: str, precision: str, dla_core: int | None, flags: set[str]
) -> None:
    api, builder = started(release)
    config = tensorrt_api.new_config(api, builder, workspace_mib=256, precision=precision, dla_core=dla_core)
    assert config.flags == flags
    assert config.limits == {api.trt.MemoryPoolType.WORKSPACE: 256 << 20}
    assert config.default_device_type is (None if dla_core is None else api.trt.DeviceType.DLA)


def test_a_dla_core_that_is_not_here_is_refused() -> None:
    api, builder = started("10.3.0")
    with pytest.raises(ModelError, match=r"DLA core 2 is not here \(2 are\)"):
        tensorrt_api.new_config(api, builder, workspace_mib=1, precision="fp16", dla_core=2)


@pytest.mark.parametrize("release", RELEASES)
def test_a_whole_build_runs_on_every_release(release: str, tmp_path: Path) -> None:
    api, builder = started(release)
    network = tensorrt_api.new_network(api, builder)
    data = bare_network(tmp_path / "network.onnx").read_bytes()
    tensorrt_api.parse(api, network, data, "network.onnx")
    config = tensorrt_api.new_config(api, builder, workspace_mib=256, precision="fp32", dla_core=None)
    tensorrt_api.set_batches(builder, config, "images", (3, SIDE, SIDE), (1, 4, 6))
    tensorrt_api.set_timing_cache(config, b"old")
    assert tensorrt_api.watch(api, config, lambda _phase, _share: None) is hasattr(api.trt, "IProgressMonitor")
    engine = tensorrt_api.load_engine(api, tensorrt_api.build(api, builder, network, config, "network.onnx"))
    assert {tensor.name: tensor.is_input for tensor in tensorrt_api.tensors(api, engine)}["images"]
    assert tensorrt_api.batches(engine, "images") == (1, 6)
    assert config.profiles[0].shapes == {"images": tuple((batch, 3, SIDE, SIDE) for batch in (1, 4, 6))}
    assert tensorrt_api.timing_cache(config) == b"old and more"


def test_a_dla_has_its_network_adjusted_where_the_parser_can(tmp_path: Path) -> None:
    data = bare_network(tmp_path / "network.onnx").read_bytes()
    for release, count in {"8.6.2": 0, "11.4.1": 1}.items():
        api, builder = started(release)
        network = tensorrt_api.new_network(api, builder, dla=True)
        assert len(tensorrt_api.parse(api, network, data, "network.onnx", dla=True).flags) == count


def test_without_a_gpu_the_reason_is_tensorrts_own() -> None:
    with pytest.raises(ModelError, match=r"no NVIDIA GPU here \(CUDA initialization failure with error: 35\)"):
        started("8.5.2", gpu=False)


def test_a_failed_build_tells_its_first_error() -> None:
    api, builder = started("10.3.0")
    with pytest.raises(ModelError, match=r"built: Error Code 10: no implementation for node middle$"):
        tensorrt_api.build(api, builder, SimpleNamespace(data=None), None, "network.onnx")


class OldError:
    """A ``ParserError`` of 8.5: no name of the node."""

    def __init__(self, node: int = 3) -> None:
        self.number = node

    def node(self) -> int:
        return self.number

    def desc(self) -> str:
        return "no importer\nfor Foo\x1b"

    def code(self) -> Any:
        return SimpleNamespace(name="UNSUPPORTED_NODE")


class NewError(OldError):
    """A ``ParserError`` of 10."""

    def node_name(self) -> str:
        return "middle"

    def node_operator(self) -> str:
        return "Foo"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(OldError(), r"node number 3: UNSUPPORTED_NODE, no importer for Foo\?", id="8.5"),
        pytest.param(NewError(), r"node middle \(Foo\): UNSUPPORTED_NODE", id="10"),
        pytest.param(OldError(-1), r"take it: UNSUPPORTED_NODE", id="no-node"),
    ],
)
def test_the_parsers_words_name_the_node(error: OldError, told: str) -> None:
    api, builder = started("10.3.0")
    api.trt.OnnxParser = lambda network, logger: SimpleNamespace(
        num_errors=1, parse=lambda data: False, get_error=lambda index: error
    )
    with pytest.raises(ModelError, match=told):
        tensorrt_api.parse(api, tensorrt_api.new_network(api, builder), b"", "network.onnx")


def test_an_empty_onnx_is_refused_though_the_parser_takes_it() -> None:
    api, builder = started("10.3.0")
    api.trt.OnnxParser = lambda network, logger: SimpleNamespace(num_errors=0, parse=lambda data: True)
    with pytest.raises(ModelError, match="is empty"):
        tensorrt_api.parse(api, tensorrt_api.new_network(api, builder), b"", "network.onnx")


@pytest.mark.parametrize(
    ("runtime", "release", "told"),
    [
        pytest.param("tensorrt", "", "ffe-edge\\[rtx\\]", id="pc"),
        pytest.param("tensorrt", "R35 (release), REVISION: 5.0", "too old.*to JetPack 6", id="jetpack-5"),
        pytest.param("tensorrt", "R36 (release), REVISION: 4.3", "JetPack 6.*python3-libnvinfer", id="jetpack-6"),
        pytest.param("tensorrt", "R39 (release), REVISION: 2.0", "JetPack 7 brings it", id="jetpack-7"),
        pytest.param("tensorrt-rtx", "", "pip install 'ffe-edge\\[rtx\\]'", id="rtx"),
        pytest.param("tensorrt-rtx", "R36 (release), REVISION: 4.3", "knows no Jetson", id="rtx-on-a-jetson"),
    ],
)
def test_a_missing_runtime_says_what_to_install_here(tmp_path: Path, runtime: Any, release: str, told: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text(release)
    assert pytest.raises(AssertionError, match=told).matches(AssertionError(install_hint(runtime, tmp_path)))


def test_a_missing_runtime_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ModelError, match="tensorrt cannot be loaded"):
        load_api("tensorrt")
    assert this_machine("tensorrt").runtime_version == ""


def test_a_strangers_text_becomes_one_printable_line() -> None:
    assert plain("a\n\tb\x1b[31m\ud800" + "c" * 999, limit=20) == "a b?[31m?ccccccccccc"


def test_phases_within_phases_add_up_and_never_fall() -> None:
    told: list[tuple[str, float]] = []
    phases = Phases(lambda name, share: told.append((name, share)))
    phases.start("build", None, 2)
    phases.start("optimise", "build", 4)
    phases.step("optimise", 0)
    phases.finish("optimise")
    phases.step("build", 0)
    phases.step("unknown", 3)
    phases.start("time", "build", 0)
    phases.finish("time")
    phases.finish("build")
    assert told[:4] == [("build", 0.0), ("optimise", 0.0), ("optimise", 0.125), ("optimise", 0.5)]
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert told[-1] == ("build", 1.0)


def test_a_phase_that_names_itself_its_parent_ends() -> None:
    phases = Phases(lambda _name, _share: None)
    phases.start("loop", "loop", 2)
    phases.step("loop", 0)


def test_rtx_has_every_name_that_is_used() -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason=NO_RTX)
    api = Api(trt)
    builder = api.builder()
    config = tensorrt_api.new_config(api, builder, workspace_mib=64, precision="int8", dla_core=None)
    tensorrt_api.set_capabilities(api, config, ("8.6", "12.0"))
    assert tensorrt_api.is_strongly_typed(api, dla=False)
    used = ("get_tensor_name", "get_tensor_mode", "get_tensor_dtype", "get_tensor_shape", "get_tensor_profile_shape")
    assert all(hasattr(trt.ICudaEngine, name) for name in (*used, "num_io_tensors", "create_runtime_config"))
    used = ("set_tensor_address", "set_input_shape", "execute_async_v3")
    assert all(hasattr(trt.IExecutionContext, name) for name in used)
    with pytest.raises(ModelError, match=r"compute capability 8\.7 is not one of 7\.5, .*12\.1"):
        tensorrt_api.set_capabilities(api, config, ("8.7",))
