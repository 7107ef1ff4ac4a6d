"""Engines are built for real, by TensorRT-RTX, which needs no GPU; what cannot be built is refused with its reason."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bare_networks import SIDE, SPEC, bare_network, load
from fake_tensorrt import fake_tensorrt

from ffe_edge.engine import engine_file
from ffe_edge.engine.cuda_memory import Gpu
from ffe_edge.engine.engine_file import describe, read_engine, read_timing_cache
from ffe_edge.engine.tensorrt_module import this_machine
from ffe_edge.errors import ModelError
from ffe_export import to_engine
from ffe_export.to_engine import EngineSettings, build_engine, workspace_mib

RTX = EngineSettings("tensorrt-rtx")
JETSON = EngineSettings("tensorrt", opt_batch=4, max_batch=6)


@pytest.fixture
def rtx() -> Any:
    return pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install 'ffe-edge[rtx]'")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in of TensorRT 10 on an Orin."""
    module = fake_tensorrt("10.3.0")
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    for used in (to_engine, sys.modules["ffe_edge.engine.tensorrt_module"]):
        monkeypatch.setattr(used, "find_gpu", lambda: Gpu("Orin", "8.7", shares_memory=True))
    return module


def test_an_engine_is_built_written_and_found_again(rtx: Any, tmp_path: Path) -> None:
    onnx = bare_network(tmp_path / "network.onnx")
    engine = build_engine(onnx, tmp_path / "engines", RTX)
    assert engine.path.name == f"network-{engine.key.digest}.engine"
    assert (engine.size_bytes, len(read_engine(engine.path, engine.key))) == (engine.path.stat().st_size,) * 2
    assert (engine.key.machine.runtime_version, engine.key.batches) == (rtx.__version__, (1, 4, 16))
    assert describe(engine.path, this_machine("tensorrt-rtx"))["fits"]
    found = engine_file.newest_engine(tmp_path / "engines", engine.key.onnx_sha256, engine.key.machine)
    assert found is not None
    assert (found.path, found.key) == (engine.path, engine.key)


def test_progress_rises_to_the_whole(rtx: Any, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    onnx = bare_network(tmp_path / "network.onnx")
    build_engine(onnx, tmp_path / "engines", RTX, lambda phase, share: told.append((phase, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (told[0], told[-1]) == (("Parsing", 0.0), ("Built", 1.0))
    assert len({phase for phase, _ in told}) > 4


def test_it_is_built_for_the_gpus_that_are_asked_for(rtx: Any, tmp_path: Path) -> None:
    settings = replace(RTX, compute_capabilities=("8.6", "8.9", "12.0"), max_batch=4)
    engine = build_engine(bare_network(tmp_path / "network.onnx"), tmp_path / "engines", settings)
    assert (engine.key.machine.compute_capability, engine.key.max_batch) == ("8.6,8.9,12.0", 4)


@pytest.mark.parametrize(
    ("capability", "told"),
    [
        pytest.param("8.7", "8.7 is not one of", id="jetson"),
        pytest.param("7.5", r"no engine could be built: .*FP32 GEMM is not supported", id="turing-in-fp32"),
    ],
)
def test_a_gpu_that_it_cannot_reach_is_refused(rtx: Any, tmp_path: Path, capability: str, told: str) -> None:
    onnx = bare_network(tmp_path / "network.onnx")
    with pytest.raises(ModelError, match=told):
        build_engine(onnx, tmp_path / "engines", replace(RTX, compute_capabilities=(capability,)))
    assert not (tmp_path / "engines").exists()


@pytest.mark.parametrize(
    ("operator", "told"),
    [
        pytest.param("Bernoulli", r"node middle \(Bernoulli\): UNSUPPORTED_NODE", id="not supported"),
        pytest.param("Frobnicate", r"node middle \(Frobnicate\): .*Plugin not found", id="not known"),
    ],
)
def test_an_operator_that_the_runtime_lacks_is_named(rtx: Any, tmp_path: Path, operator: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        build_engine(bare_network(tmp_path / "network.onnx", operator=operator), tmp_path / "engines", RTX)


def test_another_size_than_its_spec_says_is_refused(rtx: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"takes images \(-1, 3, 48, 48\), must .* \(-1, 3, {SIDE}, {SIDE}\)"):
        build_engine(bare_network(tmp_path / "network.onnx", side=48), tmp_path / "engines", RTX)


def test_a_fixed_batch_is_refused(rtx: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a batch that may vary"):
        build_engine(bare_network(tmp_path / "network.onnx", batch=1), tmp_path / "engines", RTX)


def test_other_outputs_are_refused(rtx: Any, tmp_path: Path) -> None:
    onnx = bare_network(tmp_path / "network.onnx", replace(SPEC, labels=("a", "b")))
    with pytest.raises(ModelError, match=r"gives logits \(-1, 4\).*must give logits \(-1, 2\)"):
        build_engine(onnx, tmp_path / "engines", RTX)


def test_the_graph_that_takes_crops_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"takes crops.*network\*\.onnx"):
        build_engine(bare_network(tmp_path / "model.onnx", replace(SPEC, graph="crops")), tmp_path / "engines", RTX)


def test_an_onnx_without_a_spec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model spec"):
        build_engine(bare_network(tmp_path / "network.onnx", None), tmp_path / "engines", RTX)


@pytest.mark.parametrize("keep", [pytest.param(0.5, id="truncated"), pytest.param(0.0, id="empty")])
def test_a_damaged_onnx_is_one_clear_error(tmp_path: Path, keep: float) -> None:
    onnx = bare_network(tmp_path / "network.onnx")
    data = onnx.read_bytes()
    onnx.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ModelError, match=r"network\.onnx"):
        build_engine(onnx, tmp_path / "engines", RTX)


def test_damage_behind_an_intact_spec_is_found_by_the_parser(rtx: Any, tmp_path: Path) -> None:
    model = load(bare_network(tmp_path / "network.onnx"))
    model.graph.node[3].input[1] = "absent"
    (tmp_path / "network.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"network\.onnx: tensorrt_rtx .* cannot take it"):
        build_engine(tmp_path / "network.onnx", tmp_path / "engines", RTX)


def test_no_onnx_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"network\.onnx"):
        build_engine(tmp_path / "network.onnx", tmp_path / "engines", RTX)


def test_without_tensorrt_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ModelError, match="JetPack"):
        build_engine(bare_network(tmp_path / "network.onnx"), tmp_path / "engines", JETSON)


def test_on_a_jetson_the_engine_is_for_this_gpu_and_what_was_measured_is_kept(jetson: Any, tmp_path: Path) -> None:
    onnx = bare_network(tmp_path / "network.onnx")
    engine = build_engine(onnx, tmp_path / "engines", JETSON)
    machine = engine.key.machine
    assert (machine.gpu_name, machine.compute_capability, machine.runtime_version) == ("Orin", "8.7", "10.3.0")
    assert read_timing_cache(tmp_path / "engines", machine) == b" and more"
    build_engine(onnx, tmp_path / "engines", JETSON)
    assert read_timing_cache(tmp_path / "engines", machine) == b" and more and more"


def test_a_timing_cache_from_elsewhere_is_not_used(
    jetson: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    onnx = bare_network(tmp_path / "network.onnx")
    machine = build_engine(onnx, tmp_path / "engines", JETSON).key.machine
    (tmp_path / "engines/timing.cache").write_bytes(b"hostile")
    build_engine(onnx, tmp_path / "engines", JETSON)
    assert "timing cache not used" in caplog.text
    assert read_timing_cache(tmp_path / "engines", machine) == b" and more"


def test_without_a_gpu_tensorrt_is_refused(jetson: Any, tmp_path: Path) -> None:
    jetson.Builder.has_gpu = False
    with pytest.raises(ModelError, match="no NVIDIA GPU here"):
        build_engine(bare_network(tmp_path / "network.onnx"), tmp_path / "engines", JETSON)


def test_a_dla_takes_no_fp32(tmp_path: Path) -> None:
    settings = EngineSettings("tensorrt", 4, 4, 4, dla_core=0)
    with pytest.raises(ModelError, match=r"network\.fp16\.onnx"):
        build_engine(bare_network(tmp_path / "network.onnx"), tmp_path / "engines", settings)


def test_a_dla_engine_is_built_for_its_core(jetson: Any, tmp_path: Path) -> None:
    onnx = bare_network(tmp_path / "network.fp16.onnx", replace(SPEC, precision="fp16"))
    engine = build_engine(onnx, tmp_path / "engines", EngineSettings("tensorrt", 4, 4, 4, dla_core=1))
    assert (engine.key.dla_core, engine.key.batches) == (1, (4, 4, 4))


@pytest.mark.parametrize(
    ("memory_mib", "workspace"),
    [
        pytest.param(3956, 247, id="4 GB board"),
        pytest.param(7620, 476, id="8 GB board"),
        pytest.param(0, 128, id="unknown"),
        pytest.param(130_000, 2048, id="large"),
    ],
)
def test_small_boards_keep_their_memory(memory_mib: int, workspace: int) -> None:
    assert workspace_mib(memory_mib) == workspace


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": "tensorrt-rtx", "min_batch": 5},
        {"target": "tensorrt-rtx", "workspace_mib": 0},
        {"target": "tensorrt", "compute_capabilities": ("8.7",)},
        {"target": "tensorrt-rtx", "dla_core": 0},
        {"target": "tensorrt", "dla_core": 0},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"batches|workspace|capabilities|DLA"):
        EngineSettings(**wrong)
