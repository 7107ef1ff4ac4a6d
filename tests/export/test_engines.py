"""Engines that an export builds, and the one that a device builds again: run and checked where there is a GPU."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_cuda import FakeMemory
from fake_tensorrt import fake_tensorrt
from small_bundle import make_bundle

from ffe_edge.engine import tensorrt_module
from ffe_edge.engine.cuda_memory import Gpu
from ffe_edge.engine.tensorrt_runner import load_tensorrt
from ffe_edge.errors import ModelError
from ffe_export import engines, to_engine
from ffe_export.engines import NO_GPU, built, check_runtimes, rebuild
from ffe_export.to_engine import EngineSettings

JETSON = EngineSettings("tensorrt", max_batch=6)
RTX = EngineSettings("tensorrt-rtx", compute_capabilities=("8.6",))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in of TensorRT 10 on an Orin, whose engines really compute."""
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt("10.3.0"))
    for used in (to_engine, tensorrt_module, engines):
        monkeypatch.setattr(used, "find_gpu", lambda: Gpu("Orin", "8.7", shares_memory=True))
    memory = FakeMemory(shared=True)
    monkeypatch.setattr(engines, "load_tensorrt", partial(load_tensorrt, memory=memory))
    return memory


def _hear(told: list[str], what: str, _share: float) -> None:
    told.append(what)


def nothing(_what: str, _share: float) -> None:
    """Nobody listens."""


def test_an_engine_that_says_what_was_exported_is_kept(jetson: Any, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    engine, unchecked = rebuild(bundle, None, JETSON, nothing)
    assert (engine.path.parent, unchecked) == (bundle / "engines", "")
    assert engine.key.machine.gpu_name == "Orin"


def test_an_engine_that_says_something_else_is_refused(jetson: Any, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", golden_seed=1)
    with pytest.raises(ModelError, match="tensorrt: failed the golden check"):
        rebuild(bundle, tmp_path / "cache", JETSON, nothing)


def test_a_bundle_without_golden_outputs_is_built_and_said_to_be_unchecked(jetson: Any, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", golden=None)
    assert rebuild(bundle, tmp_path / "cache", JETSON, nothing)[1] == "the bundle has none"


def test_a_bundle_without_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no network that engines are built of"):
        rebuild(make_bundle(tmp_path / "bundle", engine=None), None, JETSON, nothing)


def test_golden_outputs_that_were_exchanged_are_refused(jetson: Any, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    other = make_bundle(tmp_path / "other", golden_seed=1)
    (bundle / "golden.npz").write_bytes((other / "golden.npz").read_bytes())
    with pytest.raises(ModelError, match="SHA-256 differs"):
        rebuild(bundle, tmp_path / "cache", JETSON, nothing)


def test_engines_of_an_export_run_where_there_is_a_gpu_and_are_closed(jetson: Any, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    told: list[str] = []
    with ExitStack() as opened:
        listen = partial(_hear, told)
        (found,) = built(bundle, tmp_path / "cache", ["fp32"], [JETSON], opened, listen)
        assert (found.name, found.device, found.why_not_run) == ("FP32, TensorRT", "gpu", "")
        assert found.runner is not None
    assert {what.partition(":")[0] for what in told} == {"FP32, TensorRT"}


def test_without_a_gpu_an_engine_is_built_and_said_not_to_have_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="the extra rtx is not installed")

    def no_gpu() -> None:
        raise ModelError("no NVIDIA GPU")

    monkeypatch.setattr(engines, "find_gpu", no_gpu)
    bundle = make_bundle(tmp_path / "bundle")
    with ExitStack() as opened:
        (found,) = built(bundle, tmp_path / "cache", ["fp32"], [RTX], opened, nothing)
    assert (found.runner, found.why_not_run) == (None, NO_GPU)
    assert found.file is not None
    assert found.file.is_file()
    assert rebuild(bundle, tmp_path / "other", RTX, nothing)[1] == NO_GPU


@pytest.mark.parametrize(
    ("settings", "module", "said"),
    [pytest.param(JETSON, "tensorrt", "JetPack", id="jetson"), pytest.param(RTX, "tensorrt_rtx", "rtx", id="rtx")],
)
def test_a_missing_runtime_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, settings: EngineSettings, module: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(ModelError, match=said):
        check_runtimes([settings])


def test_tensorrt_without_its_gpu_is_told_before_anything_is_made(jetson: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    check_runtimes([JETSON])

    def no_gpu() -> None:
        raise ModelError("no NVIDIA GPU")

    monkeypatch.setattr(engines, "find_gpu", no_gpu)
    with pytest.raises(ModelError, match="no NVIDIA GPU"):
        check_runtimes([JETSON])
