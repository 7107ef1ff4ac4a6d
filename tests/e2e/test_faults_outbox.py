"""The disk is damaged or full: the daemon goes on and tells what was lost."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from e2e.conftest import Rows
from e2e.daemon import NODE, Daemon, counted, everything_came, write_busy_clip
from e2e.fault_table import Fault
from e2e.mosquitto import Mosquitto, Subscriber, free_port, wait_for

DISK_BYTES = 6 * 2**20
LEFT_BYTES = 700 * 1024
"""Room for an outbox, but not for what it would take in advance."""
ASKED_AGAIN_SECONDS = 11.0
"""After a full disk is asked again whether it has room."""

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> str:
    clip = write_busy_clip(tmp_path_factory.mktemp("clip") / "clip.avi", seconds=240)
    return f'id = "hall"\nsource = "{clip}"\nrealtime = true'


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of its own that is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("a disk that is full needs root, who may mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def told(daemon: Daemon, word: str) -> int:
    return sum(word in line for line in daemon.log("warning", "error"))


def gaps(subscriber: Subscriber) -> list[dict[str, object]]:
    events = [json.loads(payload) for payload in subscriber.payloads(f"{NODE}/camera/hall/emotion")]
    return [event["data"] for event in events if event["type"] == "jp.ffe.gap.v1"]


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize("damage", ["zeroed page", "no database", "cut short"])
def test_a_corrupt_outbox_is_put_aside_and_told_as_a_gap(
    tmp_path: Path, camera: str, damage: str, fault_table: Rows
) -> None:
    port = free_port()
    daemon = Daemon(tmp_path, f"mqtt://127.0.0.1:{port}")
    daemon.configure(camera)
    with daemon:
        assert daemon.tells(10)
        assert daemon.stop() == 0
    content = bytearray(daemon.outbox.read_bytes())
    if damage == "zeroed page":
        content[4096:8192] = bytes(4096)
    elif damage == "no database":
        content[:] = bytes(range(256)) * (len(content) // 256)
    else:
        del content[len(content) // 2 + 100 :]
    daemon.outbox.write_bytes(content)
    lost = len(daemon.printed)
    with Mosquitto(tmp_path, port=port) as broker, Subscriber(broker, "ffe/v1/#") as subscriber, daemon:
        assert daemon.tells(5)
        assert wait_for(lambda: not set(daemon.ids()[lost:]) & counted(daemon, subscriber).missing)
        assert daemon.stop() == 0
        counts = counted(daemon, subscriber)
        (gap,) = gaps(subscriber)
    assert told(daemon, "its events are told as a gap") == 1
    assert len(list(daemon.outbox.parent.glob("*.corrupt-*Z"))) == 1
    assert (gap["reason"], gap["count"]) == ("the outbox was damaged", None)
    assert len(counts.missing) == lost
    assert counts.gaps == (lost if gap["last"] else 0)  # where its last sequence is not known the gap says just that
    named = f"all up to sequence {gap['last']}" if gap["last"] else "all before, whose number is not known"
    fault_table.add(
        Fault(
            f"corrupt outbox at start: {damage}",
            f"{lost} events waited for an absent broker when the file was damaged",
            f"one line in the log, file put aside, a gap of {named}, then as ever",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip


@pytest.mark.faults
@pytest.mark.slow
def test_a_disk_that_fills_up_while_the_broker_is_away_costs_nothing(
    tmp_path: Path, camera: str, small_disk: Path, fault_table: Rows
) -> None:
    port = free_port()
    daemon = Daemon(tmp_path, f"mqtt://127.0.0.1:{port}", state=small_disk)
    daemon.configure(camera)
    with daemon:
        assert daemon.tells(5)
        with filled(small_disk / "fill"):
            assert daemon.tells(40)
            assert daemon.get("/healthz") == "ok\n"
            with Mosquitto(tmp_path, port=port) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
                assert everything_came(daemon, subscriber)
                assert daemon.tells(5)
                assert everything_came(daemon, subscriber)
                assert daemon.stop() == 0
                counts = counted(daemon, subscriber)
    assert (counts.missing, counts.holes, counts.gaps) == (frozenset(), (), 0)
    fault_table.add(
        Fault(
            "disk full: a tmpfs of 6 MiB, filled by another program that takes every bit",
            "for 40 events with the broker absent, and 5 with the broker there",
            "stored on in the room that the outbox had taken before; everything came",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip


@pytest.mark.faults
@pytest.mark.slow
def test_a_disk_with_hardly_any_room_at_the_start_is_survived_and_the_gap_is_named(
    tmp_path: Path, camera: str, small_disk: Path, fault_table: Rows
) -> None:
    port = free_port()
    daemon = Daemon(tmp_path, f"mqtt://127.0.0.1:{port}", state=small_disk)
    daemon.configure(camera)
    (small_disk / "fill").write_bytes(bytes(DISK_BYTES - LEFT_BYTES))
    with daemon:
        assert daemon.tells(40), daemon.log()
        (small_disk / "fill").unlink()
        time.sleep(ASKED_AGAIN_SECONDS)
        assert daemon.tells(15)
        assert any("has room again" in line for line in daemon.log())
        with Mosquitto(tmp_path, port=port) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
            assert wait_for(lambda: all_came_or_are_named(daemon, subscriber), 30)
            assert daemon.stop() == 0
            counts = counted(daemon, subscriber)
    assert counts.holes == ()
    assert len(counts.missing) == counts.gaps > 0
    assert not set(daemon.ids()[-10:]) & counts.missing
    fault_table.add(
        Fault(
            "disk full from the start, then freed",
            f"{LEFT_BYTES // 1024} KiB were left when the outbox was made; 40 events with the broker absent;"
            " then freed, and the broker came",
            f"one line that the disk is full, {told(daemon, 'were given up')} of what was given up, one that it has"
            " room again; from then on everything was kept",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip


@contextmanager
def filled(path: Path) -> Iterator[None]:
    """Others take all room there is, and every bit of it that gets free."""
    ending = threading.Event()

    def fill() -> None:
        with path.open("wb", buffering=0) as file:
            while not ending.wait(0.002):
                with suppress(OSError):
                    while file.write(bytes(4096)) and not ending.is_set():
                        continue

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        path.unlink()


def all_came_or_are_named(daemon: Daemon, *subscribers: Subscriber) -> bool:
    counts = counted(daemon, *subscribers)
    return len(counts.missing) == counts.gaps and not counts.holes
