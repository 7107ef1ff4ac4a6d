"""What a reload moves: to another broker nothing is lost, a camera that is taken out says so and tells its minute."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from e2e.acting import EAGER, expressions, write_acting_clip
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from e2e.test_daemon import NODE, Daemon, stop


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_acting_clip(tmp_path_factory.mktemp("clip") / "clip.avi", expressions(3))


def configure(daemon: Daemon, clip: Path, *cameras: str, url: tuple[str, str] = ("", "")) -> None:
    daemon.configure(*(f'id = "{name}"\nsource = "{clip}"\nrealtime = true' for name in cameras))
    text = daemon.file.read_text().replace("hold_seconds = 0.3\n", EAGER)
    daemon.file.write_text(text.replace(*url) if url[0] else text)


def reload(daemon: Daemon, process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGHUP)
    daemon.notified("RELOADING=1")
    daemon.notified("READY=1")


def told(subscriber: Subscriber, kind: str) -> list[dict[str, Any]]:
    """Events of one kind, in the order in which they came."""
    return [json.loads(message.payload) for message in list(subscriber.messages) if message.topic.endswith(f"/{kind}")]


def last(subscriber: Subscriber, topic: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(subscriber.last(f"{NODE}/{topic}") or b"{}")
    return found


@pytest.mark.slow
def test_another_broker_gets_what_follows_the_old_one_hears_of_the_end_and_nothing_is_lost(
    tmp_path: Path, clip: Path
) -> None:
    folders = tmp_path / "old", tmp_path / "new"
    for folder in folders:
        folder.mkdir()
    old, new = map(Mosquitto, folders)
    with old, new, Subscriber(old, "ffe/v1/#") as left, Subscriber(new, "ffe/v1/#") as joined:
        daemon = Daemon(tmp_path, old.url)
        configure(daemon, clip, "hall")
        with daemon.running() as process:
            daemon.notified("READY=1")
            assert wait_for(lambda: len(told(left, "emotion")) >= 3, 20)
            configure(daemon, clip, "hall", url=(old.url, new.url))
            reload(daemon, process)
            assert wait_for(lambda: len(told(joined, "emotion")) >= 3, 20)
            assert last(left, "status")["state"] == "stopped"
            assert last(joined, "status")["state"] == "online"
            assert last(joined, "status")["session"] == last(left, "status")["session"]
            assert last(joined, "camera/hall/state")["state"] == "online"
            count = len(told(left, "emotion"))
            stop(process)
        assert wait_for(lambda: last(joined, "status")["state"] == "stopped", 5)
        assert len(told(left, "emotion")) == count
    events = [event for one in (left, joined) for kind in ("emotion", "summary") for event in told(one, kind)]
    sequences = sorted({event["sequence"] for event in events})
    assert sequences == list(range(1, len(sequences) + 1))
    assert len({event["id"] for event in events}) == len(sequences)


@pytest.mark.slow
def test_a_camera_that_is_taken_out_says_so_and_the_minutes_that_were_begun_are_told(
    tmp_path: Path, clip: Path
) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        daemon = Daemon(tmp_path, broker.url)
        configure(daemon, clip, "hall", "lounge")
        with daemon.running() as process:
            daemon.notified("READY=1")
            assert wait_for(lambda: subscriber.last(f"{NODE}/camera/lounge/emotion") != b"", 20)
            configure(daemon, clip, "hall")
            reload(daemon, process)
            gone = {"state": "disabled", "reason": "removed from the settings"}
            assert wait_for(lambda: last(subscriber, "camera/lounge/state") == gone, 10)
            assert json.loads(subscriber.last(f"{NODE}/camera/lounge/emotion"))["data"]["change"] == "end"
            assert wait_for(lambda: subscriber.last(f"{NODE}/camera/lounge/summary") != b"", 10)
            assert subscriber.last(f"{NODE}/camera/hall/summary") == b""
            stop(process)
        minutes = [last(subscriber, f"camera/{name}/summary")["data"] for name in ("lounge", "hall")]
    assert [0 < minute["seconds"] < 60 and minute["people"] >= 1 for minute in minutes] == [True, True]
    assert [sum(minute["emotions"].values()) <= minute["seconds"] for minute in minutes] == [True, True]
