"""The daemon as systemd runs it: four sources, a reload, the watchdog, the health port, an end in time."""

from __future__ import annotations

import json
import queue
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import pytest
from e2e.mosquitto import Mosquitto, Subscriber, free_port, wait_for
from e2e.program import PROGRAM, environment, write_rendered_clip
from e2e.rtsp_server import RtspServer, require_rtsp
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

NODE = "ffe/v1/home/edge-01"
SECTIONS = """
[model]
backend = "onnxruntime"
[events]
hold_seconds = 0.3
[broker]
url = "{url}"
[service]
health_port = {port}
log_format = "json"
"""


@final
class Daemon:
    """`ffe-edge run` with a file of settings, under a notify socket."""

    def __init__(self, folder: Path, url: str) -> None:
        self.port = free_port()
        self.file = folder / "ffe.toml"
        self._sections = SECTIONS.format(url=url, port=self.port)
        self._state = folder / "state"
        self._log = folder / "log"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._notify = str(folder / "notify")
        self._told: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def configure(self, *cameras: str, more: str = "") -> None:
        tables = "".join(f"[[camera]]\n{camera}\n" for camera in cameras)
        self.file.write_text(tables + self._sections + more)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        variables = {**environment(self._state), "NOTIFY_SOCKET": self._notify, "WATCHDOG_USEC": "1000000"}
        with self._log.open("wb") as log:
            process = subprocess.Popen([*PROGRAM, "run", "--config", str(self.file)], env=variables, stderr=log)
            try:
                yield process
            finally:
                process.kill()
                process.wait()
                self._socket.shutdown(socket.SHUT_RD)

    def notified(self, word: str) -> str:
        """The next message that begins with the word."""
        while not (told := self._told.get(timeout=20)).startswith(word):
            continue
        return told

    def _listen(self) -> None:
        """As systemd does, at once: a socket holds ten messages that nobody reads, and no more."""
        with self._socket:
            while told := self._socket.recv(4096):
                self._told.put(told.decode())

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def state(subscriber: Subscriber, camera: str) -> str:
    payload = subscriber.last(f"{NODE}/camera/{camera}/state")
    return str(json.loads(payload)["state"]) if payload else ""


def stop(process: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 5


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rendered_clip(tmp_path_factory.mktemp("clip") / "clip.avi", seconds=30, fps=2)


def test_four_sources_at_once_and_one_that_hangs_disturbs_no_other(tmp_path: Path, clip: Path) -> None:
    require_rtsp()
    with RtspServer() as camera, Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure(
            f'id = "door"\nsource = "{camera.url}"\ntimeout_seconds = 2',
            'id = "hall"\nsource = "demo:3"',
            f'id = "lounge"\nsource = "{clip}"\nrealtime = true',
            'id = "usb"\nsource = "/dev/video97"',
        )
        with daemon.running() as process:
            online = {"door": "online", "hall": "online", "lounge": "online", "usb": "offline"}
            assert wait_for(lambda: {name: state(subscriber, name) for name in online} == online, 30), daemon.log()
            camera.hang()
            assert wait_for(lambda: state(subscriber, "door") == "offline", 20)
            told = len(subscriber.payloads(f"{NODE}/camera/hall/emotion"))
            assert wait_for(lambda: len(subscriber.payloads(f"{NODE}/camera/hall/emotion")) > told, 20)
            assert daemon.get("/healthz") == (200, "ok\n")
            status, text = daemon.get("/readyz")
            assert (status, "door: offline" in text, "hall: online" in text) == (200, True, True)
            assert 'ffe_camera_state{camera="usb",state="offline"} 1' in daemon.get("/metrics")[1]
            stop(process)
    assert json.loads(subscriber.last(f"{NODE}/status"))["state"] == "stopped"


def test_systemd_hears_of_start_life_reload_and_end(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure('id = "hall"\nsource = "demo:3"')
        with daemon.running() as process:
            daemon.notified("READY=1")
            daemon.notified("WATCHDOG=1")
            assert "1 of 1 cameras online" in daemon.notified("STATUS=1 of 1")
            daemon.configure('id = "hall"\nsource = "demo:3"', 'id = "lounge"\nsource = "demo:4"')
            process.send_signal(signal.SIGHUP)
            daemon.notified("RELOADING=1")
            daemon.notified("READY=1")
            assert wait_for(lambda: state(subscriber, "lounge") == "online", 10)
            assert json.loads(subscriber.last(f"{NODE}/status"))["cameras"] == ["hall", "lounge"]
            assert [json.loads(told)["state"] for told in subscriber.payloads(f"{NODE}/camera/hall/state")] == [
                "starting",
                "online",
            ]
            stop(process)
            daemon.notified("STOPPING=1")


def test_a_wrong_file_at_a_reload_leaves_everything_as_it_was(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure('id = "hall"\nsource = "demo:3"')
        with daemon.running() as process:
            daemon.notified("READY=1")
            daemon.configure('id = "hall"\nsource = "demo:3"\nfps = "fast"')
            process.send_signal(signal.SIGHUP)
            daemon.notified("RELOADING=1")
            daemon.notified("READY=1")
            assert "ffe_failed_reloads_total 1" in daemon.get("/metrics")[1]
            assert daemon.get("/healthz")[0] == 200
            stop(process)
    (told,) = [line["message"] for line in daemon.log() if line["level"] == "error"]
    assert "camera[1].fps" in told
    assert "stays as it was" in told


def asked(subscriber: Subscriber, name: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The answer to a command."""
    topic, count = f"{NODE}/response/test", len(subscriber.payloads(f"{NODE}/response/test"))
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
    properties.ResponseTopic = topic
    subscriber._client.publish(f"{NODE}/command/{name}", json.dumps(payload), qos=1, properties=properties)
    assert wait_for(lambda: len(subscriber.payloads(topic)) > count, 10)
    answer: dict[str, Any] = json.loads(subscriber.last(topic))
    return answer


def test_commands_pause_resume_replay_and_reload(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "#") as subscriber:
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure('id = "hall"\nsource = "demo:3"')
        with daemon.running() as process:
            topic = f"{NODE}/camera/hall/emotion"
            assert wait_for(lambda: len(subscriber.payloads(topic)) > 0, 20)
            assert asked(subscriber, "pause", {"camera": "hall"})["ok"]
            assert wait_for(lambda: state(subscriber, "hall") == "disabled", 5)
            assert json.loads(subscriber.last(topic))["data"]["change"] == "end"
            assert "no camera" in asked(subscriber, "pause", {"camera": "attic"})["reason"]
            assert asked(subscriber, "resume", {})["ok"]
            assert wait_for(lambda: state(subscriber, "hall") == "online", 5)
            assert asked(subscriber, "replay", {"since_sequence": 1})["count"] >= 2
            assert wait_for(lambda: any(json.loads(told)["replayed"] for told in subscriber.payloads(topic)), 10)
            assert asked(subscriber, "reload", {})["ok"]
            assert wait_for(lambda: "ffe_reloads_total 1" in daemon.get("/metrics")[1], 10)
            assert asked(subscriber, "forget", {"resident": "nobody"}) == {
                "ok": True,
                "reason": "events that name the resident are removed",
                "count": 0,
            }
            stop(process)
    device = json.loads(subscriber.last("homeassistant/device/ffe-home-edge-01/config"))
    assert "ffe-home-edge-01-hall-emotion" in device["cmps"]


def test_two_hundred_connections_do_not_disturb_the_daemon(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure('id = "hall"\nsource = "demo:3"')
        with daemon.running() as process:
            daemon.notified("READY=1")
            flood = [socket.create_connection(("127.0.0.1", daemon.port), timeout=5) for _ in range(200)]
            assert daemon.get("/healthz") == (200, "ok\n")
            descriptors = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
            assert descriptors < 150
            for connection in flood:
                connection.close()
            stop(process)
