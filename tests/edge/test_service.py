"""The daemon in one process: several cameras, a reload by difference, an end in time."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, final

import pytest
from e2e.program import write_rendered_clip

from ffe_edge.config import Config, load_config
from ffe_edge.config_people import DAYS
from ffe_edge.engine.model import SHIPPED_MODEL
from ffe_edge.errors import ConfigError, SourceError
from ffe_edge.service import Service


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rendered_clip(tmp_path_factory.mktemp("clip") / "clip.avi", seconds=6)


def settings(*cameras: dict[str, Any], **sections: Any) -> Config:
    model = {"backend": "onnxruntime", **sections.pop("model", {})}
    return Config.model_validate({"camera": list(cameras), **sections, "model": model})


def demo(camera_id: str, **others: Any) -> dict[str, Any]:
    return {"id": camera_id, "source": "demo:", **others}


@final
class Running:
    """A daemon in a thread, and what it has told."""

    def __init__(self, config: Config) -> None:
        self.events: list[dict[str, Any]] = []
        self._next: Callable[[], Config] = lambda: config
        self.service = Service(
            config, on_event=lambda payload: self.events.append(json.loads(payload)), load=self._load
        )
        self._thread = threading.Thread(target=self.service.run)

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        began = time.monotonic()
        self.service.stop()
        self._thread.join(10)
        assert time.monotonic() - began < 5

    def reload(self, load: Callable[[], Config]) -> bool:
        self._next = load
        return self.service.reload()

    def _load(self) -> Config:
        return self._next()

    def states(self) -> dict[str, str]:
        return {camera.id: camera.state for camera in self.service.cameras}

    def frames(self, camera_id: str) -> int:
        feeds = [camera.feed for camera in self.service.cameras if camera.id == camera_id]
        return feeds[0].frames if feeds and feeds[0] else 0

    def wait(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.states()
            time.sleep(0.02)


def by_camera(events: list[dict[str, Any]]) -> dict[str, list[Any]]:
    told: dict[str, list[Any]] = {}
    for event in events:
        told.setdefault(event["source"].rpartition("/")[2], []).append(event["data"])
    return told


def test_several_files_give_each_the_events_that_it_gives_alone(clip: Path) -> None:
    told = []
    for names in (["hall"], ["hall", "lounge", "porch"]):
        running = Running(settings(*({"id": name, "source": str(clip)} for name in names)))
        running.service.run()
        told.append(by_camera(running.events))
    alone, together = told
    assert alone["hall"]
    assert together == dict.fromkeys(("hall", "lounge", "porch"), alone["hall"])


def test_a_baseline_changes_nothing_before_enough_of_the_rest_was_seen(clip: Path) -> None:
    told = []
    for enabled in (False, True):
        running = Running(settings({"id": "hall", "source": str(clip)}, baseline={"enabled": enabled}))
        running.service.run()
        told.append(by_camera(running.events))
    assert told[0]["hall"]
    assert told[0] == told[1]


def test_a_camera_that_fails_does_not_disturb_the_others(clip: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(b"no image")
    running = Running(settings({"id": "hall", "source": str(clip)}, {"id": "broken", "source": str(images)}))
    with pytest.raises(SourceError, match=r"a\.png"):
        running.service.run()
    assert by_camera(running.events)["hall"][-1]["change"] == "end"
    broken = running.service.cameras[1]
    assert (broken.state, "a.png" in broken.reason) == ("offline", True)


def test_a_camera_that_is_not_there_is_waited_for_unless_it_is_the_only_one() -> None:
    missing = {"id": "usb", "source": "/dev/video97"}
    with pytest.raises(SourceError, match="no such camera"):
        Running(settings(missing))
    with Running(settings(demo("hall"), missing)) as running:
        running.wait(lambda: running.states() == {"hall": "online", "usb": "offline"})


def test_a_file_that_is_not_there_is_refused_at_the_start(clip: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.mp4: no such file"):
        Running(settings({"id": "hall", "source": str(clip)}, {"id": "b", "source": "nowhere.mp4"}))


def test_a_camera_that_is_switched_off_is_told_as_disabled(clip: Path) -> None:
    running = Running(settings({"id": "hall", "source": str(clip)}, demo("off", enabled=False)))
    running.service.run()
    assert running.states() == {"hall": "offline", "off": "disabled"}


def test_privacy_comes_before_what_the_source_does(clip: Path) -> None:
    running = Running(settings({"id": "hall", "source": str(clip)}))
    hall = running.service.cameras[0]
    hall.hide(("privacy", "the switch is on"))
    assert (hall.state, hall.reason) == ("privacy", "the switch is on")
    hall.hide(None)
    assert hall.state == "starting"


def test_a_reload_adds_removes_and_leaves_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Running(settings(demo("stays"), demo("goes"))) as running:
        running.wait(lambda: all(state == "online" for state in running.states().values()))
        stays, goes = running.service.cameras
        assert running.reload(lambda: settings(demo("stays"), demo("comes")))
        running.wait(lambda: running.states() == {"stays": "online", "comes": "online"})
        assert running.service.cameras[0] is stays
        assert (goes.state, goes.reason) == ("disabled", "removed from the settings")
        frames = running.frames("stays")
        running.wait(lambda: running.frames("stays") > frames)
    assert "reloaded" in caplog.text


def wrong() -> Config:
    raise ConfigError("ffe.toml: camera.fps: too many")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(wrong, "camera.fps", id="settings"),
        pytest.param(lambda: settings(demo("hall"), site="kiso"), "restart", id="site"),
        pytest.param(lambda: settings(demo("hall"), model={"path": "gone.onnx"}), "gone.onnx", id="model"),
        pytest.param(
            lambda: settings(demo("hall"), residents={"recognise": True}), "tell people apart", id="residents"
        ),
        pytest.param(lambda: settings(demo("hall"), {"id": "b", "source": "gone.mp4"}), "gone.mp4", id="file"),
        pytest.param(lambda: settings(demo("hall"), detector={"path": "gone.onnx"}), "gone.onnx", id="detector"),
    ],
)
def test_a_reload_that_is_wrong_changes_nothing(
    change: Callable[[], Config], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Running(settings(demo("hall"))) as running:
        running.wait(lambda: running.states() == {"hall": "online"})
        before = running.service.cameras
        assert not running.reload(change)
        frames = running.frames("hall")
        running.wait(lambda: running.frames("hall") > frames)
        assert running.service.cameras == before
    assert "not reloaded, everything stays as it was" in caplog.text
    assert reason in caplog.text


def test_a_model_file_that_is_broken_by_the_time_of_a_reload_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(SHIPPED_MODEL.read_bytes())
    with Running(settings(demo("hall"), model={"path": path})) as running:
        running.wait(lambda: running.states() == {"hall": "online"})
        path.write_bytes(path.read_bytes()[:10_000])
        assert not running.reload(lambda: settings(demo("hall"), model={"path": path}))
        running.wait(lambda: bool(running.events))
    assert f"{path}" in caplog.text


def test_other_hours_and_zones_end_nothing_that_was_told() -> None:
    with Running(settings(demo("hall"), events={"hold_seconds": 0.2})) as running:
        running.wait(lambda: bool(running.events))
        lines = running.service._loop.parts.lines
        whole = {"hall": {"include": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}}
        assert running.reload(lambda: settings(demo("hall"), events={"hold_seconds": 0.2}, zones=whole))
        assert running.service._loop.parts.lines is lines
        frames = running.frames("hall")
        running.wait(lambda: running.frames("hall") > frames + 5)
        assert "end" not in [told["change"] for told in by_camera(running.events)["hall"]]


def test_other_thresholds_end_what_was_told_and_begin_anew() -> None:
    with Running(settings(demo("hall"), events={"hold_seconds": 0.2})) as running:
        running.wait(lambda: bool(running.events))
        assert running.reload(lambda: settings(demo("hall"), events={"hold_seconds": 0.3}))
        running.wait(lambda: [told["change"] for told in by_camera(running.events)["hall"]].count("start") == 2)
    changes = [told["change"] for told in by_camera(running.events)["hall"]]
    assert changes.index("end") < len(changes) - 1 - changes[::-1].index("start")


def test_without_a_broker_and_without_a_reader_events_have_nowhere_to_go() -> None:
    with pytest.raises(ConfigError, match="nowhere to go"):
        Service(load_config(None))


def test_privacy_ends_what_was_told_and_the_hours_switch_off(tmp_path: Path) -> None:
    switch = tmp_path / "privacy"
    privacy = {"file": str(switch), "check_seconds": 0.1}
    another_day = DAYS[(datetime.now(timezone.utc).weekday() + 3) % 7]
    hours = {"cameras": {"night": [{"days": [another_day]}]}, "time_zone": "Asia/Tokyo", "trust_clock": True}
    config = settings(demo("hall"), demo("night"), privacy=privacy, schedule=hours, events={"hold_seconds": 0.2})
    with Running(config) as running:
        running.wait(lambda: running.states() == {"hall": "online", "night": "disabled"} and bool(running.events))
        switch.touch()
        running.wait(lambda: running.states() == {"hall": "privacy", "night": "privacy"})
        running.wait(lambda: running.events[-1]["data"]["change"] == "end")
        told = len(running.events)
        switch.unlink()
        running.wait(lambda: len(running.events) > told)
    assert {event["source"].rpartition("/")[2] for event in running.events} == {"hall"}
