"""The daemon as a service: wrong reloads, floods of its health port, hangs, as systemd and a probe see them."""

from __future__ import annotations

import fcntl
import json
import os
import random
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

import pytest
from e2e.conftest import Rows
from e2e.daemon import NODE, Daemon, counted, everything_came, write_busy_clip
from e2e.fault_table import Fault
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from e2e.program import PROGRAM

from ffe_edge.engine.model import SHIPPED_MODEL

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(180)]

SILENT, SLOW = 100, 100
PROBES = 20
PIPE_BYTES = 4096


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person who changes often."""
    return write_busy_clip(tmp_path_factory.mktemp("clip") / "clip.avi", seconds=170)


@final
class Systemd:
    """A notify socket that remembers what it was told, and when."""

    def __init__(self, folder: Path) -> None:
        self.told: list[tuple[float, str]] = []
        self.env = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "1000000"}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.env["NOTIFY_SOCKET"])
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def count(self, word: str, after: float = 0.0) -> int:
        return sum(told.startswith(word) and seconds > after for seconds, told in self.told)

    def _listen(self) -> None:
        while not self._ending.is_set():
            if select.select([self._socket], [], [], 0.2)[0]:
                self.told.append((time.monotonic(), self._socket.recv(4096).decode()))

    def __enter__(self) -> Systemd:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()


def configure(daemon: Daemon, camera: str, *, model: str = "", service: str = "") -> None:
    """With more lines in these sections."""
    daemon.configure(camera)
    text = daemon._file.read_text()
    text = text.replace("[model]\n", f"[model]\n{model}\n").replace("[service]\n", f"[service]\n{service}\n")
    daemon._file.write_text(text)


def figure(daemon: Daemon, name: str) -> float:
    """One of the metrics, without labels or summed over them."""
    lines = [line for line in daemon.get("/metrics").splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def models(subscriber: Subscriber) -> set[str]:
    """Digests of the models that told events."""
    told = subscriber.payloads(f"{NODE}/camera/hall/emotion")
    return {json.loads(payload)["data"]["model"]["sha256"] for payload in told}


def broken(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Files that are no model, by what was done to them."""
    rng = random.Random(8)
    yield "cut in the middle", whole[: len(whole) // 2]
    yield "empty", b""
    yield "every byte random", rng.randbytes(len(whole))
    start = len(whole) // 3
    yield "a third overwritten", whole[:start] + rng.randbytes(start) + whole[2 * start :]


def wrong_cameras(camera: str) -> tuple[str, ...]:
    """A wrong value, an unknown key, a file that is not there."""
    return f"{camera}\nfps = 0", f"{camera}\ncolour = 1", camera.replace(".avi", ".nowhere")


def refuses(daemon: Daemon, count: int) -> bool:
    """Whether a reload becomes the so manyth that is refused, and events go on."""
    os.kill(daemon.pid, signal.SIGHUP)
    return wait_for(lambda: figure(daemon, "ffe_failed_reloads_total") == count, 20) and daemon.tells(1)


def test_a_broken_model_or_wrong_settings_at_a_reload_leave_the_old_ones_serving(
    tmp_path: Path, clip: Path, fault_table: Rows
) -> None:
    model = tmp_path / "model.onnx"
    whole = SHIPPED_MODEL.read_bytes()
    model.write_bytes(whole)
    camera = f'id = "hall"\nsource = "{clip}"\nrealtime = true'
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        daemon = Daemon(tmp_path, broker.url)
        configure(daemon, camera, model=f'path = "{model}"')
        with daemon:
            assert daemon.tells(1)
            for wrongs, (what, data) in enumerate(broken(whole), 1):
                model.write_bytes(data)
                assert refuses(daemon, wrongs), what
            model.write_bytes(whole)
            for wrongs, wrong in enumerate(wrong_cameras(camera), wrongs + 1):  # noqa: B020 - it goes on counting
                configure(daemon, wrong, model=f'path = "{model}"')
                assert refuses(daemon, wrongs), wrong
            configure(daemon, camera, model=f'path = "{model}"')
            os.kill(daemon.pid, signal.SIGHUP)
            assert wait_for(lambda: figure(daemon, "ffe_reloads_total") == 1, 20)
            assert everything_came(daemon, subscriber)
            counts = counted(daemon, subscriber)
            assert daemon.stop() == 0
    complaints = daemon.log("error")
    assert len(complaints) == wrongs
    assert all("everything stays as it was" in line for line in complaints)
    assert all(str(model) in line for line in complaints[:4])
    assert len(models(subscriber)) == 1
    fault_table.add(
        Fault(
            "corrupt model, wrong settings at reload",
            f"model file {', '.join(what for what, _ in broken(b'123'))}; in the settings a wrong value, an unknown "
            "key, a missing file; SIGHUP after each",
            f"{wrongs} of {wrongs} refused with one line that names the file or key and counted in "
            "ffe_failed_reloads_total; the old model and settings served on, also after a good reload",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip


@final
class Nuisance:
    """A client that says nothing, or a byte at a time, and comes again when it is hung up on."""

    def __init__(self, port: int, *, is_silent: bool) -> None:
        self._port = port
        self._is_silent = is_silent
        self._client = socket.create_connection(("127.0.0.1", port), timeout=5)

    def bother(self) -> None:
        try:
            if not self._is_silent:
                self._client.send(b"G")
            elif self._client.recv(1, socket.MSG_DONTWAIT) == b"":
                self._come_again()
        except BlockingIOError:
            return
        except OSError:
            self._come_again()

    def _come_again(self) -> None:
        self._client.close()
        self._client = socket.create_connection(("127.0.0.1", self._port), timeout=5)

    def close(self) -> None:
        self._client.close()


@contextmanager
def flood(port: int) -> Iterator[None]:
    """Two hundred of them."""
    ending = threading.Event()

    def bother() -> None:
        clients = [Nuisance(port, is_silent=number < SILENT) for number in range(SILENT + SLOW)]
        while not ending.wait(0.2):
            for client in clients:
                client.bother()
        for client in clients:
            client.close()

    thread = threading.Thread(target=bother)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def descriptors(daemon: Daemon) -> int:
    return sum(1 for _ in Path(f"/proc/{daemon.pid}/fd").iterdir())


def test_two_hundred_connections_that_come_again_keep_no_probe_out(
    tmp_path: Path, clip: Path, fault_table: Rows
) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure(f'id = "hall"\nsource = "{clip}"\nrealtime = true')
        with daemon:
            assert daemon.tells(1)
            before, frames, most, answers = descriptors(daemon), figure(daemon, "ffe_camera_frames_total"), 0, 0
            with flood(daemon.port):
                for _ in range(PROBES):
                    answers += daemon.get("/healthz") == "ok\n"
                    most = max(most, descriptors(daemon))
                    time.sleep(0.25)
                assert daemon.tells(1)
            assert wait_for(lambda: descriptors(daemon) <= before, 15)
            seen = figure(daemon, "ffe_camera_frames_total") - frames
            assert everything_came(daemon, subscriber)
            counts = counted(daemon, subscriber)
            assert daemon.stop() == 0
    assert answers >= PROBES - 1
    assert most - before <= 70
    assert seen > 20
    fault_table.add(
        Fault(
            "health port flooded",
            f"{SILENT} connections that say nothing and {SLOW} that send a byte at a time, each back as soon as it is "
            "hung up on",
            f"/healthz answered {answers} of {PROBES} probes; at most {most - before} descriptors more, "
            "all closed afterwards; frames and events went on",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip


def test_a_stopped_daemon_is_silent_to_systemd_and_goes_on_when_it_may(
    tmp_path: Path, clip: Path, fault_table: Rows
) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber, Systemd(tmp_path) as systemd:
        daemon = Daemon(tmp_path, broker.url, env=systemd.env)
        daemon.configure(f'id = "hall"\nsource = "{clip}"\nrealtime = true')
        with daemon:
            assert daemon.tells(1)
            assert wait_for(lambda: systemd.count("WATCHDOG=1") > 2)
            os.kill(daemon.pid, signal.SIGSTOP)
            time.sleep(1)
            since = time.monotonic()
            time.sleep(9)
            silent = systemd.count("WATCHDOG=1", since)
            os.kill(daemon.pid, signal.SIGCONT)
            assert wait_for(lambda: systemd.count("WATCHDOG=1", since) > 2)
            assert daemon.tells(1)
            assert everything_came(daemon, subscriber)
            counts = counted(daemon, subscriber)
            assert daemon.stop() == 0
    assert silent == 0
    fault_table.add(
        Fault(
            "the whole process stands still",
            "SIGSTOP for 10 s, then SIGCONT",
            "no WATCHDOG=1 meanwhile, so that systemd would restart it; allowed to go on, events came",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip


def test_a_loop_that_hangs_ends_the_watchdog_and_turns_healthz_to_503(
    tmp_path: Path, clip: Path, fault_table: Rows
) -> None:
    with Mosquitto(tmp_path) as broker, Systemd(tmp_path) as systemd:
        daemon = Daemon(tmp_path, broker.url)
        configure(daemon, f'id = "hall"\nsource = "{clip}"\nrealtime = true', service="hang_seconds = 45")
        source, sink = os.pipe()
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        process = subprocess.Popen(
            [*PROGRAM, "run", "--print", "--config", str(daemon._file)], env={**daemon._env, **systemd.env}, stdout=sink
        )
        os.close(sink)
        with process, os.fdopen(source) as output:
            try:
                assert wait_for(lambda: "no progress: inference" in daemon.get("/healthz"), 90)
                since = time.monotonic()
                time.sleep(3)
                silent = systemd.count("WATCHDOG=1", since)
                not_ready = daemon.get("/readyz")
                reading = threading.Thread(target=output.read)
                reading.start()
                assert wait_for(lambda: daemon.get("/healthz") == "ok\n", 20)
                assert wait_for(lambda: systemd.count("WATCHDOG=1", since) > 2)
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
                reading.join()
            finally:
                process.kill()
    assert (silent, "no progress: inference" in not_ready) == (0, True)
    fault_table.add(
        Fault(
            "the loop hangs",
            "who reads the daemon's standard output stops to, so that writing an event waits for ever; hang_seconds 45",
            "after 45 s no WATCHDOG=1 any more, /healthz and /readyz 503 with `no progress: inference`; "
            "when the output was read again, everything went on",
        )
    )
