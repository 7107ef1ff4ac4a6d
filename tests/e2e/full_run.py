"""A daemon of several cameras and a resident, and every byte that it says or writes, kept by where it was found."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

from conftest import SHARED
from e2e.mosquitto import Mosquitto, Subscriber, free_port, wait_for
from e2e.program import PROGRAM, environment
from e2e.rtsp_server import RtspServer, missing_rtsp
from e2e.test_daemon import NODE

YUNET = SHARED / "detector_yunet" / "yunet_n_640_640.onnx"
SEEDS = {"hall": 3, "lounge": 5}
"""Clips in the folder of what is known, and the rendered people in them."""
SETTINGS = """
{cameras}
[model]
backend = "onnxruntime"
path = "{model}"
[pipeline]
detect_every_frames = 1
[tracker]
smoothing_seconds = 0.02
[events]
hold_seconds = 0.0
min_frames = 2
min_probability = 0.3
hysteresis = 0.0
[broker]
url = "{broker}"
backoff_max_seconds = 1
[service]
health_port = {port}
log_format = "json"
[residents]
recognise = true
policy = "everyone"
"""


@final
class FullRun:
    """A daemon, all that it says, and a world of its own to write into."""

    def __init__(self, folder: Path, known: Path, stack: ExitStack) -> None:
        self._known = known
        self.bytes: dict[str, bytes] = {}
        self._port = free_port()
        self._world = folder / "world"
        self._file = folder / "ffe.toml"
        self.log = folder / "log"
        for name in ("state", "cwd", "tmp", "home", "broker"):
            (self._world / name).mkdir(parents=True)
        self.broker = stack.enter_context(Mosquitto(self._world / "broker"))
        self.subscriber = stack.enter_context(Subscriber(self.broker, "#"))
        cameras = [f'id = "{name}"\nsource = "{known / name}.avi"\nrealtime = true' for name in SEEDS]
        if not missing_rtsp():
            server = stack.enter_context(RtspServer(credentials="carer:s3cret"))
            cameras.append(f'id = "door"\nsource = "{server.url}"')
        text = "\n".join(f"[[camera]]\n{camera}" for camera in cameras)
        model, url = known / "model.onnx", self.broker.url
        self._file.write_text(SETTINGS.format(cameras=text, model=model, broker=url, port=self._port))
        self._words = ["--config", str(self._file)]
        self._words += ["--detector", str(YUNET)] if YUNET.is_file() else []

    def enrol(self) -> str:
        photos = str(self._known / "photos")
        words = ["resident", "add", "Hanako Sato", "--from", photos, "--consent", "herself, form 12", *self._words]
        added = subprocess.run([*PROGRAM, *words], **self._where(), capture_output=True, check=False, timeout=60)
        assert added.returncode == 0, added.stderr
        self.keep("logged while enrolling", added.stdout + added.stderr)
        return str(added.stdout.split()[0].decode())

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as log:
            words = ["run", "--verbose", "--print", *self._words]
            return subprocess.Popen([*PROGRAM, *words], **self._where(), stdout=log, stderr=subprocess.STDOUT)

    def look(self, when: str) -> None:
        """Read all pages, and all files as they are now."""
        for path in ("/metrics", "/healthz", "/readyz", "/nothing"):
            answer = subprocess.run(
                ["curl", "-si", f"http://127.0.0.1:{self._port}{path}"], capture_output=True, check=False, timeout=20
            )
            self.keep(f"served {when}", answer.stdout)
        self.files(when)

    def files(self, when: str) -> None:
        for path in sorted(self._world.rglob("*")):
            if path.is_file():
                self.keep(f"written: {path.relative_to(self._world)} {when}", path.read_bytes())

    def end(self) -> None:
        self.keep("logged", self.log.read_bytes())
        with Subscriber(self.broker, "#") as late:
            wait_for(lambda: bool(late.last(f"{NODE}/status")))
            self.keep("retained", b"\n".join(spoken(late)))
        self.keep("published", b"\n".join(spoken(self.subscriber)))
        self.files("afterwards")

    def elsewhere(self) -> list[Path]:
        """What was written outside the state folder."""
        return [path for name in ("cwd", "tmp", "home") for path in (self._world / name).rglob("*")]

    def keep(self, name: str, data: bytes) -> None:
        self.bytes[name] = self.bytes.get(name, b"") + b"\n" + data

    def resident_told(self, resident: str) -> bool:
        told = self.subscriber.payloads(f"{NODE}/camera/hall/emotion")
        return any(json.loads(payload)["data"].get("resident") == resident for payload in told)

    def _where(self) -> dict[str, Any]:
        world = self._world
        env = {**environment(world / "state"), "TMPDIR": str(world / "tmp"), "HOME": str(world / "home")}
        return {"env": env, "cwd": world / "cwd"}


def spoken(subscriber: Subscriber) -> Iterator[bytes]:
    """Topics, payloads and properties."""
    for message in subscriber.messages:
        yield message.topic.encode() + b" " + bytes(message.payload) + b" " + str(message.properties).encode()
