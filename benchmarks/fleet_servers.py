"""What the fleet tells to: one mosquitto, one dashboard, perhaps one PostgreSQL, and what each of them takes."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ffe_edge.demo_mosquitto import find_mosquitto, is_open

BROKER: Final = """
listener {port} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location {folder}/
{autosave}
max_queued_messages 0
max_connections -1
log_dest none
"""
AUTOSAVE: Final = {
    "changes": "autosave_on_changes true\nautosave_interval 1",
    "seconds": "autosave_on_changes false\nautosave_interval 30",
}
"""``changes``: the whole of the broker's memory is written after every change; ``seconds``: every half minute."""
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
POSTGRESQL: Final = "-c listen_addresses='' -c shared_buffers=256MB -c max_connections=40"
"""PostgreSQL waits for the disk here, as in use."""
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a program has taken."""

    cpu_seconds: float
    memory_mib: float
    """Its share of what it has in common with others counted once (Pss)."""
    files: int


@dataclass(frozen=True)
class Program:
    """A process, and with it its children."""

    name: str
    pid: int

    def usage(self) -> Usage:
        """Now."""
        family = [self.pid, *_children(self.pid)]
        found = [one for pid in family if (one := _usage(pid)) is not None]
        return Usage(sum(one.cpu_seconds for one in found), sum(one.memory_mib for one in found),
                     max((one.files for one in found), default=0))  # fmt: skip


@dataclass(frozen=True)
class Dashboard:
    """A running `ffe-edge dashboard`."""

    program: Program
    url: str
    one_time_password: str
    """Of the first user."""

    def figures(self) -> dict[str, float]:
        """What it tells Prometheus."""
        with urllib.request.urlopen(f"{self.url}metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        found = (re.fullmatch(r"ffe_dashboard_(\S+) (\S+)", line) for line in lines)
        return {one[1]: float(one[2]) for one in found if one is not None}

    def result(self, name: str) -> float:
        """Messages that were ``new``, ``known`` or ``refused``."""
        return self.figures()[f'messages_total{{result="{name}"}}']


@contextmanager
def broker(folder: Path, port: int, autosave: str) -> Iterator[Program]:
    """A mosquitto that keeps what comes."""
    program = find_mosquitto()
    if program is None:
        sys.exit("mosquitto is not installed: apt-get install mosquitto")
    config = folder / "mosquitto.conf"
    config.write_text(BROKER.format(port=port, folder=folder, autosave=AUTOSAVE[autosave]))
    with _child([program, "-c", str(config)]) as child:
        _wait(lambda: is_open(port), child, "mosquitto")
        yield Program("broker", child.pid)


@contextmanager
def dashboard(folder: Path, broker_port: int, database_url: str, code: Path) -> Iterator[Dashboard]:
    """The dashboard as it is shipped, or of another checkout."""
    url_file = folder / "database.url"
    url_file.touch(mode=0o600)
    url_file.write_text(database_url)
    settings = folder / "dashboard.toml"
    settings.write_text(
        f'[broker]\nurl = "mqtt://127.0.0.1:{broker_port}"\n[database]\nurl_file = "{url_file}"\n[web]\nport = 0\n'
    )
    command = [sys.executable, "-m", "ffe_edge", "dashboard", "--config", str(settings)]
    with (folder / "dashboard.log").open("wb") as log:
        environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONUNBUFFERED": "1"}
        with _child(command, environment, stdout=subprocess.PIPE, stderr=log, cwd=code) as child:
            yield Dashboard(Program("dashboard", child.pid), *_opened(child, folder / "dashboard.log"))


def _opened(child: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    """The URL that it says it is open at, and the password that it tells once."""
    deadline = time.monotonic() + START_SECONDS
    said = b""
    while child.stdout is not None and time.monotonic() < deadline and child.poll() is None:
        if select.select([child.stdout], [], [], 1)[0]:
            said += os.read(child.stdout.fileno(), 4096)
        if (found := re.search(rb"Open (http://\S+)\n.*one-time password (\S+)\n", said)) is not None:
            return found[1].decode(), found[2].decode()
    raise SystemExit(f"the dashboard does not start: {log.read_text(errors='replace')[-500:]}")


@contextmanager
def postgresql() -> Iterator[tuple[str, Program]]:
    """A server in a temporary folder; gives the URL of an empty database."""
    here = Path(__file__).resolve().parent
    # This folder's dashboard.py is another one, and would be found first.
    sys.path[:] = [str(here.parent / "tests"), *(one for one in sys.path if Path(one or ".").resolve() != here)]
    from dashboard.postgresql import PostgreSql  # noqa: PLC0415  # it needs pytest

    with PostgreSql(POSTGRESQL) as server:
        pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        yield server.make_database("fleet"), Program("database", pid)


@contextmanager
def _child(
    command: list[str], environment: dict[str, str] | None = None, **more: object
) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(command, env=environment, **more)  # type: ignore[call-overload]
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _wait(condition: object, child: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():  # type: ignore[operator]
        if child.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{name} does not start")
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    try:
        own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [found for child in own for found in (int(child), *_children(int(child)))]


def _usage(pid: int) -> Usage | None:
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        rollup = (folder / "smaps_rollup").read_text()
        files = len(list((folder / "fd").iterdir()))
    except OSError:
        return None
    pss = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
    # Of the dead children, too: PostgreSQL's come and go.
    return Usage(sum(int(field) for field in fields[11:15]) / TICKS, int(pss[1]) / 1024 if pss else 0.0, files)
