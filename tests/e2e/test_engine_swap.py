"""The daemon serves with a CPU while a real child process builds, then swaps; status and events say so."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from fake_engines import FakeEngines, build, model
from small_bundle import make_bundle

from ffe_edge.config import Config, load_config
from ffe_edge.engine.engine_key import Machine, RuntimeName
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.engine.rebuild import Build
from ffe_edge.engine.tensorrt_module import this_machine
from ffe_edge.service import Service
from ffe_edge.serving import Engine, Serving
from ffe_edge.spec import ModelSpec
from ffe_edge.types import Runner

STATUS = "ffe/v1/home/edge-01/status"
EVENTS = "ffe/v1/home/edge-01/camera/camera/emotion"


@contextmanager
def running(folder: Path, url: str, how: Build) -> Iterator[Service]:
    """A daemon on the rendered person, whose engines lie in the folder."""
    settings = load_config(
        None,
        {"broker": {"url": url}, "outbox": {"state_dir": folder / "state"}, "events": {"hold_seconds": 0.3}},
    )

    def serving(_config: Config, on_change: Callable[[], None]) -> Serving:
        return Serving(model("onnxruntime", 0), Engine(FakeEngines(folder), how), on_change)

    service = Service(settings, serving=serving)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(20)
        assert not thread.is_alive()


def states(subscriber: Subscriber) -> list[tuple[Any, ...]]:
    told = [json.loads(payload) for payload in subscriber.payloads(STATUS)]
    return [(said["state"], said.get("engine"), said.get("engine_state")) for said in told]


def test_a_cpu_serves_until_the_engine_is_built(tmp_path: Path) -> None:
    program = (
        f"while not Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.01)\nPath({str(tmp_path / 'good')!r}).touch()"
    )
    with Mosquitto(tmp_path) as broker, Subscriber(broker) as subscriber:
        with running(tmp_path, broker.url, build(program)):
            assert wait_for(lambda: ("online", "onnxruntime", "building") in states(subscriber), 20)
            assert wait_for(lambda: bool(subscriber.payloads(EVENTS)), 20)
            (tmp_path / "go").touch()
            assert wait_for(lambda: ("online", "tensorrt", "rebuilt") in states(subscriber), 20)
            assert wait_for(lambda: json.loads(subscriber.last(EVENTS))["data"]["model"]["backend"] == "tensorrt", 20)
        assert wait_for(lambda: states(subscriber)[-1] == ("stopped", None, None))
    first, last = (json.loads(subscriber.payloads(EVENTS)[number])["data"] for number in (0, -1))
    assert (first["emotion"], first["model"]["backend"], first["model"]["precision"]) == ("joy", "onnxruntime", "fp32")
    assert last["model"]["precision"] == "int8"
    assert last["model"]["sha256"] != first["model"]["sha256"]


def test_a_build_that_fails_is_in_the_status_with_its_reason(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker) as subscriber,
        running(tmp_path, broker.url, build("sys.exit('error: no memory\\n\\x1b[31m')")),
    ):
        assert wait_for(lambda: ("online", "onnxruntime", "failed") in states(subscriber), 20)
        told = json.loads(subscriber.last(STATUS))
        assert "the build failed" in told["engine_reason"]


@pytest.mark.parametrize(
    "program", ["time.sleep(60)", "import signal; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]
)
def test_the_daemon_stops_in_time_while_an_engine_is_built(tmp_path: Path, program: str) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker) as subscriber:
        with running(tmp_path, broker.url, build(program)):
            assert wait_for(lambda: ("online", "onnxruntime", "building") in states(subscriber), 20)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        assert wait_for(lambda: states(subscriber)[-1] == ("stopped", None, None))


class Rtx:
    """A PC with an RTX GPU, whose engines are computed by ONNX Runtime: all but the GPU is real."""

    def __init__(self, network: Path) -> None:
        self._network = network

    def machine(self, runtime: RuntimeName) -> Machine:
        return replace(this_machine(runtime), gpu_name="NVIDIA GeForce RTX 4090", compute_capability="8.9")

    def load(self, engine: bytes, _spec: ModelSpec, runtime: RuntimeName, dla_core: int | None) -> Runner:
        assert len(engine) > 1000
        run = load_onnxruntime(ModelFile.read(self._network))
        run.backend = runtime
        return run


@pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed")
def test_the_daemon_s_own_command_builds_an_engine_that_it_finds(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "exported")
    model_settings = {"path": folder, "backend": "tensorrt-rtx"}
    settings = load_config(None, {"model": model_settings, "outbox": {"state_dir": tmp_path / "state"}})
    told: list[tuple[str | None, str]] = []
    serving = Serving.from_config(
        settings, lambda: told.append((serving.engine_state, serving.runner.backend)), Rtx(folder / "network.onnx")
    )
    serving.start()
    assert wait_for(lambda: bool(told) and told[-1][0] not in ("loading", "building"), 60)
    assert told[-1] == ("rebuilt", "tensorrt-rtx"), serving.engine_reason
    assert len(list((tmp_path / "state/engines").glob("network-*.engine"))) == 1
    serving.close()
