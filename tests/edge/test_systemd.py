"""systemd is told over a real datagram socket; without one nothing happens."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffe_edge.systemd import Notifier


class Systemd:
    """The reading end of a notify socket."""

    def __init__(self, address: str) -> None:
        self.name = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(5)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def told(self) -> str:
        return self._socket.recv(4096).decode()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    name = f"@ffe-{secrets.token_hex(8)}" if request.param == "abstract" else str(tmp_path / "notify")
    server = Systemd(name)
    yield server
    server.close()


def test_every_message_arrives(systemd: Systemd) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.name})
    for tell in (notifier.ready, notifier.watchdog, notifier.stopping):
        tell()
    assert [systemd.told() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_a_status_is_told_when_it_has_changed(systemd: Systemd) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.name})
    for text in ("1 of 2 cameras", "1 of 2 cameras", "2 of 2 cameras"):
        notifier.status(text)
    assert [systemd.told(), systemd.told()] == ["STATUS=1 of 2 cameras", "STATUS=2 of 2 cameras"]


def test_a_reload_carries_the_time_of_its_begin(systemd: Systemd) -> None:
    Notifier({"NOTIFY_SOCKET": systemd.name}).reloading()
    first, second = systemd.told().splitlines()
    assert first == "RELOADING=1"
    assert abs(int(second.removeprefix("MONOTONIC_USEC=")) / 1e6 - time.monotonic()) < 5


@pytest.mark.parametrize("name", ["", "@", "relative", "vsock:2:1234"])
def test_without_a_socket_nothing_is_sent_nor_watched(name: str, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"})
    notifier.ready()
    assert (notifier.watchdog_seconds, caplog.text) == (None, "")


def test_a_socket_that_is_gone_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert "systemd does not take READY" in caplog.text


@pytest.mark.parametrize(
    ("interval", "process", "seconds"),
    [
        pytest.param("30000000", None, 30.0, id="for-whoever"),
        pytest.param("30000000", str(os.getpid()), 30.0, id="for-us"),
        pytest.param("30000000", "1", None, id="for-another"),
        pytest.param("0", None, None, id="zero"),
        pytest.param("soon", None, None, id="no-number"),
    ],
)
def test_the_watchdogs_interval_is_the_one_meant_for_us(
    interval: str, process: str | None, seconds: float | None
) -> None:
    environment = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": interval}
    if process is not None:
        environment["WATCHDOG_PID"] = process
    assert Notifier(environment).watchdog_seconds == seconds
