"""The watchdog's rule: which silence is a hang, and which is waiting."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ffe_edge.service_watch import Pulse, SignOfLife, Watch, hung
from ffe_edge.systemd import Notifier


def test_every_part_must_have_shown_a_sign_of_life() -> None:
    signs = [SignOfLife("capture of hall", 40.0), SignOfLife("inference", 99.0), SignOfLife("publishing", 39.0)]
    assert hung(signs, 100.0, 60.0) == ("publishing",)


def test_a_part_that_waits_for_its_next_attempt_is_not_hung() -> None:
    pulse = Pulse()
    pulse.beat(due_in_seconds=45.0)
    assert hung([SignOfLife("capture", pulse.seconds)], time.monotonic() + 100.0, 60.0) == ()
    assert hung([SignOfLife("capture", pulse.seconds)], time.monotonic() + 106.0, 60.0) == ("capture",)


def drain(server: socket.socket) -> None:
    with suppress(BlockingIOError):
        while server.recv(100):
            continue


def test_systemd_is_pinged_while_all_live_and_not_when_one_hangs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = time.monotonic
    inference = [now() + 1000]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000"})
        signs = lambda: (SignOfLife("capture", now()), SignOfLife("inference", inference[0]))  # noqa: E731
        watch = Watch(signs, 30.0, notifier, lambda: "1 of 1 cameras online")
        watch.start()
        told = {server.recv(100) for _ in range(4)}
        inference[0] = now() - 31
        time.sleep(0.1)
        server.setblocking(False)
        drain(server)
        time.sleep(0.1)
        with pytest.raises(BlockingIOError):
            server.recv(100)
        watch.stop()
    assert told == {b"WATCHDOG=1", b"STATUS=1 of 1 cameras online"}
    assert caplog.text.count("no progress for 30 s: inference") == 1
