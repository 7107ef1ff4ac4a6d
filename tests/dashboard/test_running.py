"""`ffe-edge dashboard` as a process: a real broker, a real store, a real web server."""

from __future__ import annotations

import http.cookiejar
import re
import signal
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dashboard.intake import EMOTION, STATUS, Device
from dashboard.payloads import event, status
from e2e.mosquitto import Mosquitto, free_port, wait_for
from e2e.program import PROGRAM, environment
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_edge.errors import ConfigError, FfeError


@dataclass
class Program:
    """What it printed, and where it is."""

    process: subprocess.Popen[str]
    url: str
    printed: list[str] = field(default_factory=list)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def figure(self, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("metrics"), re.MULTILINE)
        return float(found[1]) if found else -1


@contextmanager
def dashboard(tmp_path: Path, broker: str, *more: str) -> Iterator[Program]:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    command = [*PROGRAM, "dashboard", "--broker", broker, "--database", url, "--port", "0", *more]
    process = subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    program = Program(process, "")
    reader = threading.Thread(target=lambda: program.printed.extend(process.stdout or ()), daemon=True)
    reader.start()
    try:
        assert wait_for(lambda: any(line.startswith("Open ") for line in program.printed), 60), program.printed
        program.url = next(line for line in program.printed if line.startswith("Open ")).split()[1]
        yield program
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        reader.join(5)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as one:
        yield one


def passwords(program: Program) -> list[str]:
    return [line for line in program.printed if "one-time password" in line]


@pytest.mark.slow
def test_the_first_start_prints_the_admins_password_once_and_stores_what_is_told(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with dashboard(tmp_path, broker.url) as program, Device(broker) as device:
        assert wait_for(lambda: len(passwords(program)) == 1)
        assert wait_for(lambda: program.figure("ffe_dashboard_broker_connected") == 1)
        device.told(STATUS, status())
        device.told(EMOTION, event())
        assert wait_for(lambda: program.figure('ffe_dashboard_messages_total{result="new"}') >= 1)
        assert program.get("healthz") == "ok\n"
        signs_in(program, passwords(program)[0].split()[-1])
    assert program.process.returncode == 0
    assert not any("ERROR" in line or "WARNING" in line for line in program.printed), program.printed
    with dashboard(tmp_path, broker.url) as program:
        assert program.get("healthz") == "ok\n"
    assert passwords(program) == []


def signs_in(program: Program, password: str) -> None:
    """The password is taken: the next page asks for another one."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with opener.open(program.url + "login", timeout=10) as page:
        token = re.search(r'name="csrf" value="([^"]+)"', page.read().decode())
    form = {"name": "admin", "password": password} | ({"csrf": token[1]} if token else {})
    request = urllib.request.Request(
        program.url + "login", urllib.parse.urlencode(form).encode(), {"Origin": program.url.rstrip("/")}
    )
    with opener.open(request, timeout=20) as page:
        assert "password" in page.url


@pytest.mark.slow
def test_a_broker_that_is_away_is_told_and_the_pages_are_there(tmp_path: Path) -> None:
    with dashboard(tmp_path, f"mqtt://127.0.0.1:{free_port()}") as program:
        assert program.get("healthz") == "ok\n"
        assert program.figure("ffe_dashboard_broker_connected") == 0
        assert wait_for(lambda: any("unreachable" in line for line in program.printed))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param([], "no broker is set", id="no-broker"),
        pytest.param(["--broker", "http://x"], "broker.url", id="no-mqtt"),
        pytest.param(["--broker", "mqtt://127.0.0.1:1", "--database", "mysql://x"], "database.url", id="no-database"),
        pytest.param(["--broker", "mqtt://127.0.0.1:1", "--config", "none.toml"], "none.toml", id="no-file"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["dashboard", *arguments, "--port", "0"], env={"XDG_STATE_HOME": str(tmp_path)})
    assert isinstance(result.exception, FfeError)
    assert told in str(result.exception)


def test_a_port_in_use_is_told(tmp_path: Path, broker: Mosquitto) -> None:
    command = ["dashboard", "--broker", broker.url, "--port", str(broker.port)]
    result = CliRunner().invoke(app, command, env={"XDG_STATE_HOME": str(tmp_path)})
    assert isinstance(result.exception, ConfigError)
    assert f"port {broker.port}" in str(result.exception)


def test_help_teaches() -> None:
    told = CliRunner().invoke(app, ["dashboard", "--help"]).output
    assert all(word in told for word in ("--broker", "--database", "--config", "max_queued_messages", "one-time"))
