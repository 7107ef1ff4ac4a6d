"""`ffe-edge run --print` as a process that may be killed and started again, and cameras that give it much to tell."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, final

import cv2
from e2e.fault_table import Counts, tally
from e2e.mosquitto import Subscriber, free_port, wait_for
from e2e.program import PROGRAM, environment

NODE = "ffe/v1/home/edge-01"
EAGER = """
[model]
backend = "onnxruntime"
[tracker]
smoothing_seconds = 0.02
[events]
hold_seconds = 0.0
min_frames = 2
hysteresis = 0.0
min_probability = 0.55
min_quality = 0.0
[service]
health_port = {port}
log_format = "json"
"""
"""Settings under which a person's every look is news."""


def write_busy_clip(path: Path, *, seconds: float, fps: float = 8.0, seed: int = 3) -> Path:
    """A clip of a rendered person who changes expression several times faster than anybody does."""
    from ffe_edge.rendered.timeline import demo_timeline

    frames = [frame.image for frame in itertools.islice(demo_timeline(seed, fps=1.0), 60)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (640, 480))
    for image in itertools.islice(itertools.cycle(frames), int(seconds * fps)):
        writer.write(image)
    writer.release()
    return path


@final
class Daemon:
    """With ``[broker]`` at ``url``; what it printed and logged is kept over all its lives."""

    def __init__(
        self, folder: Path, url: str, *, state: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self.state = state or folder / "state"
        self.printed: list[dict[str, Any]] = []
        self._url = url
        self._file = folder / "ffe.toml"
        self._log = folder / "log"
        self._env = {**environment(self.state), **(env or {})}
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def outbox(self) -> Path:
        return self.state / "ffe-edge" / "home.edge-01.sqlite"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def configure(self, *cameras: str, broker: str = "", more: str = "") -> None:
        tables = "".join(f"[[camera]]\n{camera}\n" for camera in cameras)
        access = f'[broker]\nurl = "{self._url}"\nbackoff_max_seconds = 1\nkeepalive_seconds = 5\n{broker}\n'
        self._file.write_text(tables + access + EAGER.format(port=self.port) + more)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*PROGRAM, "run", "--print", "--config", str(self._file)],
                env=self._env, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self, *levels: str) -> list[str]:
        """Messages of the log, of all levels where none is given."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [str(line["message"]) for line in lines if not levels or line["level"] in levels]

    def raw_log(self) -> bytes:
        return self._log.read_bytes()

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                text: str = answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode()
        except OSError:
            return ""
        return text

    def ids(self) -> list[str]:
        return [event["id"] for event in self.printed]

    def tells(self, count: int, timeout_seconds: float = 90.0) -> bool:
        """Whether it tells so many events more."""
        wanted = len(self.printed) + count
        return wait_for(lambda: len(self.printed) >= wanted, timeout_seconds)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        assert self._reader is not None
        self._process.send_signal(number)
        code = self._process.wait(10)
        self._reader.join(10)
        return code

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                if line.endswith("\n"):  # a line cut short was not told
                    self.printed.append(json.loads(line))

    def __enter__(self) -> Daemon:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_alive():
            os.kill(self.pid, signal.SIGCONT)
            self.kill()


def counted(daemon: Daemon, *subscribers: Subscriber) -> Counts:
    """What was told and what came to one subscriber after another, so far; ``gaps`` are events of those told."""
    wanted, messages = ("/emotion", "/summary"), [one for each in subscribers for one in list(each.messages)]
    came = [one for one in messages if one.topic.endswith(wanted) and not one.retain]
    counts = tally(daemon.ids(), [bytes(one.payload) for one in came])
    lost = [event for event in daemon.printed if event["id"] in counts.missing]
    return replace(counts, gaps=sum(event["sequence"] in counts.named for event in lost))


def everything_came(daemon: Daemon, subscriber: Subscriber, timeout_seconds: float = 60.0) -> bool:
    """Whether every event that was told gets delivered."""
    return wait_for(lambda: not counted(daemon, subscriber).missing, timeout_seconds)
