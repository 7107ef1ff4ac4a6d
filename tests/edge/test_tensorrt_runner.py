"""Crops go through the engine on the GPU's memory: what arrives is what the network says, whatever the batch."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from bare_networks import FILTERS, LABELS, SIDE, SPEC, bare_network
from fake_cuda import FakeMemory
from fake_tensorrt import Context, fake_tensorrt

from ffe_edge.engine.images import to_images, to_probs
from ffe_edge.engine.tensorrt_runner import TensorRtRunner, load_tensorrt
from ffe_edge.errors import ModelError
from ffe_edge.types import ImageArray, Reading


@pytest.fixture
def network(tmp_path: Path) -> bytes:
    return bare_network(tmp_path / "network.onnx").read_bytes()


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> object:
    module = fake_tensorrt()
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return module


def crops_of(count: int) -> ImageArray:
    return np.random.default_rng(count).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def reading(network: bytes, crops: ImageArray) -> Reading:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    logits, embedding = session.run(["logits", "embedding"], {"images": to_images(crops)})
    return Reading(to_probs(logits, SPEC.temperature), embedding)


@pytest.mark.parametrize("shared", [pytest.param(True, id="zero-copy"), pytest.param(False, id="copied")])
@pytest.mark.parametrize("count", [1, 2, 6, 7, 13])
def test_it_says_what_the_network_says_for_any_batch(trt: object, network: bytes, count: int, shared: bool) -> None:
    run = load_tensorrt(network, SPEC, "tensorrt", FakeMemory(shared=shared))
    expected, found = reading(network, crops_of(count)), run.read(crops_of(count))
    np.testing.assert_allclose(found.probs, expected.probs, atol=1e-6)
    np.testing.assert_allclose(found.embedding, expected.embedding, atol=1e-6)
    assert (run.backend, run.precision) == ("tensorrt", "fp32")


def test_no_crops_give_no_probabilities(trt: object, network: bytes) -> None:
    found = load_tensorrt(network, SPEC, "tensorrt", FakeMemory()).read(crops_of(0))
    assert (found.probs.shape, found.embedding.shape) == ((0, len(LABELS)), (0, FILTERS))


def test_copies_and_work_queue_in_order_and_are_waited_for(trt: object, network: bytes) -> None:
    memory = FakeMemory()
    load_tensorrt(network, SPEC, "tensorrt", memory)(crops_of(8))
    batch = ["to device {0}", "execute {0}", "to host {0}", "to host {0}", "wait"]
    assert memory.log == [step.format(6) for step in batch] + [step.format(2) for step in batch]


def test_the_shape_is_told_only_when_it_changes(trt: object, network: bytes) -> None:
    run = load_tensorrt(network, SPEC, "tensorrt", FakeMemory())
    for count in (2, 2, 3, 3, 2):
        run(crops_of(count))
    assert [shape[0] for shape in trt.Runtime.engines[0].contexts[0].shapes] == [2, 3, 2]


def test_an_earlier_batch_leaves_nothing_behind(trt: object, network: bytes) -> None:
    run = load_tensorrt(network, SPEC, "tensorrt", FakeMemory(shared=True))
    run(crops_of(6))
    np.testing.assert_allclose(run(crops_of(2)), reading(network, crops_of(2)).probs, atol=1e-6)


def test_a_fixed_batch_is_filled_up(monkeypatch: pytest.MonkeyPatch, network: bytes) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(batches=(4, 4, 4)))
    memory = FakeMemory()
    found = load_tensorrt(network, SPEC, "tensorrt", memory, dla_core=1)(crops_of(5))
    np.testing.assert_allclose(found, reading(network, crops_of(5)).probs, atol=1e-6)
    assert [step for step in memory.log if step.startswith("execute")] == ["execute 4", "execute 4"]


def test_threads_take_turns(trt: object, network: bytes) -> None:
    run = load_tensorrt(network, SPEC, "tensorrt", FakeMemory())
    found: dict[int, np.ndarray] = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: run(crops_of(n))})) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for count, probs in found.items():
        np.testing.assert_allclose(probs, reading(network, crops_of(count)).probs, atol=1e-6)
    assert len(found) == 8


@pytest.mark.parametrize(
    "crops",
    [
        pytest.param(np.zeros((1, SIDE + 1, SIDE, 3), np.uint8), id="other size"),
        pytest.param(np.zeros((1, SIDE, SIDE, 3), np.float32), id="floats"),
        pytest.param(np.zeros((SIDE, SIDE, 3), np.uint8), id="no batch"),
    ],
)
def test_other_crops_are_the_callers_mistake(trt: object, network: bytes, crops: ImageArray) -> None:
    with pytest.raises(ValueError, match="the model takes crops"):
        load_tensorrt(network, SPEC, "tensorrt", FakeMemory())(crops)


def test_closing_frees_once_and_reading_then_is_refused(trt: object, network: bytes) -> None:
    memory = FakeMemory()
    run = load_tensorrt(network, SPEC, "tensorrt", memory)
    run.close()
    run.close()
    assert memory.closed >= 1
    with pytest.raises(ModelError, match="closed"):
        run(crops_of(1))


def test_a_failure_on_the_gpu_is_told(trt: object, network: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "fails", True)
    with pytest.raises(ModelError, match="failed on the GPU"):
        load_tensorrt(network, SPEC, "tensorrt", FakeMemory())(crops_of(1))


@pytest.mark.parametrize(
    ("data", "spec", "told"),
    [
        pytest.param(b"damaged", SPEC, "Magic tag does not match", id="damaged"),
        pytest.param(None, replace(SPEC, size_px=64), "not the bare network", id="other size"),
        pytest.param(None, replace(SPEC, labels=("a", "b")), "not the bare network", id="other labels"),
    ],
)
def test_an_engine_that_is_not_ours_is_refused_and_frees_the_gpu(
    trt: object, network: bytes, data: bytes | None, spec: object, told: str
) -> None:
    memory = FakeMemory()
    with pytest.raises(ModelError, match=told):
        load_tensorrt(data or network, spec, "tensorrt", memory)
    assert memory.closed == 1


def test_without_pycuda_it_says_what_to_install(trt: object, network: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(ModelError, match="pip install pycuda"):
        load_tensorrt(network, SPEC, "tensorrt")


def test_an_engine_of_rtx_without_a_gpu_is_refused_with_its_own_words() -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install 'ffe-edge[rtx]'")
    memory = FakeMemory()
    with pytest.raises(ModelError, match="cannot load the engine"):
        load_tensorrt(b"no engine" * 100, SPEC, "tensorrt-rtx", memory)
    assert memory.closed == 1


def test_it_is_a_runner() -> None:
    assert {"backend", "precision", "read", "close"} <= set(dir(TensorRtRunner(FakeMemory(), SPEC, "tensorrt")))
