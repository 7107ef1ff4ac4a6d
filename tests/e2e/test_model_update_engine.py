"""Where engines are built, a new model serves when its engine is there, not before; a daemon in one process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import pytest
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from fake_engines import FakeEngines, build, model
from https_server import certificate, served
from model_updates import DESIRED, EVENTS, STATE, Publisher
from update_models import bundle, write_clip

from ffe_edge.config import Config
from ffe_edge.service import Service
from ffe_edge.serving import Engine, Serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FOR_GO = "while not Path({go!r}).exists(): time.sleep(0.01)\nPath({good!r}).touch()"


@final
class Engines:
    """Of two models: the one of the settings, whose engine is there, and the updated one, whose engine is built."""

    def __init__(self, folder: Path, program: str) -> None:
        self.old, self.new = folder / "old", folder / "new"
        for each in (self.old, self.new):
            each.mkdir()
        (self.old / "good").touch()
        self.go = self.new / "go"
        self._program = program.format(go=str(self.go), good=str(self.new / "good"))

    def __call__(self, config: Config, on_change: Callable[[], None]) -> Serving:
        if config.model.path is None:
            return Serving(model("onnxruntime", 0), Engine(FakeEngines(self.old), build("sys.exit(1)")), on_change)
        return Serving(model("openvino", 3), Engine(FakeEngines(self.new), build(self._program)), on_change)


@contextmanager
def running(folder: Path, program: str) -> Iterator[tuple[Engines, Subscriber, Publisher]]:
    pem = certificate(folder)
    with served(pem) as site, Mosquitto(folder) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        publisher, engines = Publisher(folder, site), Engines(folder, program)
        clip = write_clip(folder / "hall.avi", 90)
        settings = {
            "camera": {"id": "hall", "source": str(clip), "realtime": True},
            "broker": {"url": broker.url},
            "outbox": {"state_dir": folder / "state"},
            "schedule": {"trust_clock": True},
            "model_updates": {
                "enabled": True, "public_keys": [publisher.key.public.text], "ca_file": pem, "probation_seconds": 1,
                "probation_looks": 1, "shadow_looks": 1, "min_fps_share": 0,
            },
        }  # fmt: skip
        service = Service(Config.model_validate(settings), serving=engines)
        thread = threading.Thread(target=service.run)
        thread.start()
        try:
            yield engines, subscriber, publisher
        finally:
            service.stop()
            thread.join(20)
            assert not thread.is_alive()


def last(subscriber: Subscriber) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(subscriber.last(STATE) or b"{}")
    return told


def emotions(subscriber: Subscriber) -> list[str]:
    return [json.loads(payload)["data"]["emotion"] for payload in subscriber.payloads(EVENTS)]


def wished(subscriber: Subscriber, publisher: Publisher, folder: Path) -> None:
    payload = publisher.release(bundle(folder / "a", "a"), 1).payload
    subscriber.client.publish(DESIRED, payload, qos=1, retain=True).wait_for_publish(10)


def test_the_old_model_serves_until_the_engine_of_the_new_one_is_built(tmp_path: Path) -> None:
    with running(tmp_path, FOR_GO) as (engines, subscriber, publisher):
        wished(subscriber, publisher, tmp_path)
        assert wait_for(lambda: last(subscriber).get("phase") == "building", 90)
        assert wait_for(lambda: bool(emotions(subscriber)), 90)
        assert set(emotions(subscriber)) == {"sadness"}  # the old engine is sure of it
        engines.go.touch()
        assert wait_for(lambda: last(subscriber).get("phase") == "active", 90), last(subscriber)
        status = json.loads(subscriber.last("ffe/v1/home/edge-01/status"))
        assert (status["engine"], status["engine_state"]) == ("tensorrt", "rebuilt")


def test_a_model_whose_engine_cannot_be_built_is_refused_where_the_old_one_has_an_engine(tmp_path: Path) -> None:
    with running(tmp_path, "sys.exit('error: no memory')") as (_, subscriber, publisher):
        wished(subscriber, publisher, tmp_path)
        assert wait_for(lambda: last(subscriber).get("phase") == "refused", 90), last(subscriber)
        assert "it has no engine here" in last(subscriber)["reason"]
        assert json.loads(subscriber.last("ffe/v1/home/edge-01/status"))["engine"] == "tensorrt"
