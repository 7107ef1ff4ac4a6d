from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffe_edge.messages import Gap
from ffe_edge.outbox import Outbox
from ffe_edge.outbox_delivered import Delivered, Replay
from ffe_edge.outbox_entries import insert
from ffe_edge.outbox_file import PAGE_BYTES, connect

OpenOutbox = Callable[..., Outbox]


def gap_payload(sequence: int, gap: Gap) -> bytes:
    return json.dumps({"sequence": sequence, **gap.model_dump()}).encode()


@pytest.fixture
def open_outbox(tmp_path: Path) -> Iterator[OpenOutbox]:
    opened: list[Outbox] = []

    def open_one(path: Path | None = tmp_path / "outbox.sqlite", max_bytes: int = 2**24, **keep: float) -> Outbox:
        kept = {"keep_seconds": 3600.0, "keep_bytes": 2**20, **keep}
        opened.append(Outbox(path, max_bytes=max_bytes, gap_topic="gaps", render_gap=gap_payload, **kept))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for outbox in opened:
        outbox.close()


def deliver(outbox: Outbox, count: int, size: int = 10) -> None:
    for _ in range(count):
        outbox.acknowledge(outbox.append("events", lambda sequence: b"%d " % sequence + b"x" * size).sequence)


def marked(outbox: Outbox) -> list[int]:
    return [entry.sequence for entry in outbox.marked(0, 1_000_000)]


def test_what_was_delivered_is_replayed_from_a_sequence_on(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    deliver(outbox, 5)
    outbox.append("events", lambda _: b"waiting")
    assert outbox.replay(3) == Replay(count=3, first=3, missing=0)
    assert marked(outbox) == [3, 4, 5]
    assert (outbox.marked(0, 1)[0].payload, len(outbox)) == (b"3 xxxxxxxxxx", 1)
    outbox.unmark(4)
    assert marked(outbox) == [3, 5]


def test_a_replay_outlives_the_process_and_may_be_asked_for_again(open_outbox: OpenOutbox) -> None:
    first = open_outbox()
    deliver(first, 3)
    first.replay(2)
    first.unmark(2)
    first.close()
    second = open_outbox()
    assert marked(second) == [3]
    assert second.replay(1).count == 3
    assert marked(second) == [1, 2, 3]


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(1, Replay(0, None, 5), id="all gone"),
        pytest.param(6, Replay(0, None, 0), id="the next one"),
        pytest.param(2**62, Replay(0, None, 0), id="far beyond"),
    ],
)
def test_what_is_no_longer_there_is_told(since: int, expected: Replay, open_outbox: OpenOutbox) -> None:
    outbox = open_outbox(keep_seconds=0)
    deliver(outbox, 5)
    assert outbox.replay(since) == expected


def test_the_oldest_are_dropped_beyond_the_bytes(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox(keep_bytes=10_000)
    deliver(outbox, 100, size=500)
    replay = outbox.replay(1)
    assert 15 <= replay.count <= 20
    assert replay.first == 101 - replay.count
    assert replay.missing == 100 - replay.count


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 3_000), max_size=40))
def test_kept_bytes_are_counted_and_bounded(open_outbox: OpenOutbox, sizes: list[int]) -> None:
    outbox = open_outbox(None, keep_bytes=10_000)
    for size in sizes:
        deliver(outbox, 1, size)
    outbox.replay(1)
    stored = sum(len(entry.payload) for entry in outbox.marked(0, 1000))
    assert outbox._delivered.bytes == stored <= 10_000


@pytest.mark.parametrize("moment", [pytest.param(1_101.0, id="later"), pytest.param(100.0, id="clock set back")])
def test_nothing_is_kept_longer_than_it_may(moment: float) -> None:
    times = [1_000.0, 1_000.0, moment]
    delivered = Delivered(database := connect(None, 2**20), 100.0, 2**20, clock=lambda: times.pop(0))
    for _ in range(2):
        delivered.take(insert(database, "events", lambda _: b"payload").sequence)
    delivered.expire()
    assert (delivered.mark(1).count, delivered.bytes) == (0, 0)
    database.close()


def test_events_that_wait_are_worth_more_than_delivered_ones(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox(max_bytes=40 * PAGE_BYTES, keep_bytes=2**20)
    deliver(outbox, 60, size=500)
    while outbox.replay(1).count:
        outbox.append("events", lambda _: b"x" * 500)
    assert outbox.gaps == 0
    assert len(outbox) > 100


def test_a_file_of_an_earlier_version_is_taken_over(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "outbox.sqlite") as old:
        old.executescript(
            "CREATE TABLE entry (sequence INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL,"
            " lost_first INTEGER, lost_count INTEGER);"
            "CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL);"
            "INSERT INTO counter VALUES (1, 7); INSERT INTO entry VALUES (7, 'events', 'seven', NULL, NULL);"
        )
    old.close()
    outbox = open_outbox()
    outbox.acknowledge(7)
    assert outbox.replay(7) == Replay(1, 7, 0)


def test_forgotten_entries_are_gone_and_those_not_delivered_are_a_gap(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    deliver(outbox, 4)
    for _ in range(4):
        outbox.append("events", lambda sequence: b"%d waits" % sequence)
    assert outbox.forget(lambda payload: payload[:1] in b"2367") == 4
    entries = outbox.pending(0, 100)
    assert [entry.sequence for entry in entries] == [5, 8, 9]
    assert json.loads(entries[-1].payload) == {
        "sequence": 9, "first": 6, "last": 7, "count": 2, "reason": "a resident was forgotten"
    }  # fmt: skip
    assert outbox.replay(1) == Replay(2, 1, 4)
    assert (len(outbox), outbox.gaps, outbox.forget(lambda _: False)) == (3, 1, 0)


def test_nothing_of_a_forgotten_entry_is_left_on_the_disk(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite.corrupt-20260101T000000Z").write_bytes(b"Yamada")
    outbox = open_outbox()
    for delivered in (True, False):
        entry = outbox.append("events", lambda _: b"Yamada " * 700)
        if delivered:
            outbox.acknowledge(entry.sequence)
    deliver(outbox, 20)
    assert outbox.forget(lambda payload: b"Yamada" in payload) == 2
    assert [path.name for path in tmp_path.iterdir() if b"Yamada" in path.read_bytes()] == []


CHILD = """
import sys
from pathlib import Path
from ffe_edge.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), max_bytes=2**24, gap_topic="gaps", render_gap=lambda sequence, gap: b"",
                keep_seconds=3600, keep_bytes=2**20)
while True:
    outbox.acknowledge(outbox.append("events", lambda sequence: b"%d" % sequence).sequence)
    sys.stdout.write("x")
    sys.stdout.flush()
"""


def test_sigkill_leaves_every_entry_either_waiting_or_delivered(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.read(20)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    outbox = open_outbox(path)
    replay = outbox.replay(1)
    assert (replay.missing, replay.first) == (0, 1)
    assert replay.count >= 60
    assert len(outbox) <= 3


FULL_DISK = """
import sys
from pathlib import Path
from ffe_edge.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), max_bytes=2**24, gap_topic="gaps", render_gap=lambda sequence, gap: b"gap",
                keep_seconds=3600, keep_bytes=2**22)
delivered = 0
for _ in range(2500):
    outbox.acknowledge(outbox.append("events", lambda sequence: b"x" * 500).sequence)
for _ in range(1500):
    outbox.append("events", lambda sequence: b"x" * 500)
while entries := outbox.pending(0, 2000):
    for entry in entries:
        outbox.acknowledge(entry.sequence)
        delivered += 1
sys.stdout.write(f"{delivered < 1500} {outbox.gaps > 0} {len(outbox)}")
"""


def test_a_full_disk_is_survived_while_delivered_entries_are_kept(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=1200k tmpfs {tmp_path}"
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-Urm", "sh", "-c", mount], check=False).returncode
    ):
        pytest.skip("a disk of its own for the test needs user namespaces")
    command = f'{mount} && exec "{sys.executable}" -c "$FULL_DISK" {tmp_path}/outbox.sqlite'
    environment = {**os.environ, "FULL_DISK": FULL_DISK}
    child = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    assert child.stdout == "True True 0", child.stderr
