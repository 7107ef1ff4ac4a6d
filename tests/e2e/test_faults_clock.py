"""The wall clock is set while the daemon runs. What lasts is measured by the other clock."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import Rows
from e2e.daemon import NODE, Daemon, counted, everything_came
from e2e.fault_table import Fault
from e2e.mosquitto import Mosquitto, Subscriber, wait_for

SOURCE = Path(__file__).with_name("wall_clock.c")
HOUR_SECONDS = 3600


@pytest.fixture
def set_clock(tmp_path: Path) -> Callable[[int], None]:
    """Shifts the wall clock of programs that are started with ``preloaded``."""
    compiler = shutil.which("cc")
    if compiler is None or sys.version_info < (3, 11):
        pytest.skip("needs a C compiler, and a Python whose locks do not wait by the wall clock (3.11)")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "clock.so", SOURCE, "-ldl"], check=True)

    def shift(seconds: int) -> None:
        with (tmp_path / "shift").open("r+b" if (tmp_path / "shift").exists() else "wb") as file:
            file.write(struct.pack("q", seconds))

    shift(0)
    return shift


def preloaded(folder: Path) -> dict[str, str]:
    return {"LD_PRELOAD": str(folder / "clock.so"), "WALL_CLOCK_SHIFT": str(folder / "shift")}


def hours_ahead(event: dict[str, Any]) -> int:
    """By how many hours the event's time is ahead of now."""
    told = datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
    return round((told - datetime.now(timezone.utc)).total_seconds() / HOUR_SECONDS)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_wall_clock_that_jumps_an_hour_either_way_breaks_nothing(
    tmp_path: Path, set_clock: Callable[[int], None], fault_table: Rows
) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        daemon = Daemon(tmp_path, broker.url, env=preloaded(tmp_path))
        daemon.configure('id = "hall"\nsource = "demo:3"\nfps = 6', 'id = "lounge"\nsource = "demo:4"\nfps = 6')
        with daemon:
            assert daemon.tells(4)
            for hours in (1, -1, 0):
                set_clock(hours * HOUR_SECONDS)
                assert daemon.tells(1)  # of a frame that may be older than the jump
                assert daemon.tells(4)
                assert {hours_ahead(event) for event in daemon.printed[-3:]} == {hours}
                assert {event["clocksync"] for event in daemon.printed[-3:]} == {hours >= 0}
                broker.kill()
                broker.start()  # back-off and keepalive do not wait for an hour
                assert everything_came(daemon, subscriber, 15)
            assert daemon.get("/healthz") == "ok\n"
            assert wait_for(lambda: len(subscriber.payloads(f"{NODE}/camera/hall/summary")) > 0, 120)
            assert daemon.stop() == 0
        assert everything_came(daemon, subscriber)
        counts = counted(daemon, subscriber)
        summary = json.loads(subscriber.payloads(f"{NODE}/camera/hall/summary")[0])
    assert (counts.missing, counts.holes, counts.gaps) == (frozenset(), (), 0)
    assert len(set(daemon.ids())) == len(daemon.printed)
    sequences = [event["sequence"] for event in daemon.printed]
    assert sequences == sorted(set(sequences))
    for source in ("hall", "lounge"):
        events = [event for event in daemon.printed if event["source"].endswith(source)]
        assert [event["monotonic"] for event in events] == sorted(event["monotonic"] for event in events)
        assert all(0 <= event["data"]["held_seconds"] < 120 for event in events)
    assert b"Traceback" not in daemon.raw_log()
    assert 59 <= summary["data"]["seconds"] < 75
    fault_table.add(
        Fault(
            "wall clock jumped by +1 h, -2 h, +1 h",
            "while two cameras told events; the broker was killed after each jump",
            "`time` follows the clock, `monotonic`, `sequence`, held seconds and the minute's summary go on; connected"
            " again at once",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip
