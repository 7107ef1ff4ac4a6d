from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffe_edge.errors import StoreError
from ffe_edge.messages import Gap
from ffe_edge.outbox import Outbox
from ffe_edge.outbox_entries import Entry
from ffe_edge.outbox_file import PAGE_BYTES

MANY = 2**24
SMALL = 40 * PAGE_BYTES

OpenOutbox = Callable[..., Outbox]


def gap_payload(sequence: int, gap: Gap) -> bytes:
    return json.dumps({"sequence": sequence, **gap.model_dump()}).encode()


@pytest.fixture
def open_outbox(tmp_path: Path) -> Iterator[OpenOutbox]:
    opened: list[Outbox] = []

    def open_one(path: Path | None = tmp_path / "state" / "outbox.sqlite", max_bytes: int = MANY) -> Outbox:
        opened.append(Outbox(path, max_bytes=max_bytes, gap_topic="gaps", render_gap=gap_payload))
        return opened[-1]

    yield open_one
    for outbox in opened:
        outbox.close()


def append(outbox: Outbox, count: int = 1, size: int = 10) -> list[int]:
    return [outbox.append("events", lambda sequence: b"%d " % sequence + b"x" * size).sequence for _ in range(count)]


def everything(outbox: Outbox) -> list[Entry]:
    return outbox.pending(0, 1_000_000)


def gaps_in(entries: list[Entry]) -> list[dict[str, int | None]]:
    return [json.loads(entry.payload) for entry in entries if entry.topic == "gaps"]


@pytest.mark.parametrize(
    "path", [pytest.param(None, id="memory"), pytest.param(Path("state/outbox.sqlite"), id="disk")]
)
def test_entries_come_out_in_the_order_they_went_in(path: Path | None, open_outbox: OpenOutbox, tmp_path: Path) -> None:
    outbox = open_outbox(path and tmp_path / path)
    assert append(outbox, 5) == [1, 2, 3, 4, 5]
    assert [entry.sequence for entry in outbox.pending(2, 2)] == [3, 4]
    assert everything(outbox)[0] == Entry(1, "events", b"1 xxxxxxxxxx")


def test_an_acknowledged_entry_is_gone(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    append(outbox, 3)
    outbox.acknowledge(2)
    outbox.acknowledge(2)
    assert ([entry.sequence for entry in everything(outbox)], len(outbox)) == ([1, 3], 2)


def test_entries_and_sequences_outlive_the_process(open_outbox: OpenOutbox) -> None:
    first = open_outbox()
    append(first, 3)
    for sequence in (1, 2, 3):
        first.acknowledge(sequence)
    first.close()
    second = open_outbox()
    assert (len(second), append(second)) == (0, [4])


def test_a_payload_that_cannot_be_made_costs_no_sequence(open_outbox: OpenOutbox) -> None:
    def broken(_: int) -> bytes:
        raise ValueError("no payload")

    outbox = open_outbox()
    with pytest.raises(ValueError, match="no payload"):
        outbox.append("events", broken)
    assert append(outbox) == [1]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.none(), st.integers(1, 30)), max_size=60))
def test_any_order_of_appends_and_acknowledgements_leaves_no_holes(
    open_outbox: OpenOutbox, steps: list[int | None]
) -> None:
    outbox = open_outbox(None)
    formed, acknowledged = [], set()
    for step in steps:
        if step is None:
            formed += append(outbox)
        elif step in formed:
            outbox.acknowledge(step)
            acknowledged.add(step)
    assert formed == list(range(1, len(formed) + 1))
    assert [entry.sequence for entry in everything(outbox)] == [n for n in formed if n not in acknowledged]
    assert len(outbox) == len(formed) - len(acknowledged)


@pytest.mark.parametrize("memory", [True, False], ids=["memory", "disk"])
def test_the_oldest_are_evicted_and_told_as_gaps(memory: bool, open_outbox: OpenOutbox, tmp_path: Path) -> None:
    path = None if memory else tmp_path / "outbox.sqlite"
    outbox = open_outbox(path, SMALL)
    append(outbox, 600, size=500)
    entries = everything(outbox)
    kept = {entry.sequence for entry in entries}
    told = {n for gap in gaps_in(entries) for n in range(gap["first"] or 0, (gap["last"] or 0) + 1)}
    assert max(kept) > 600 > len(kept) > 100
    assert kept | told == set(range(1, max(kept) + 1))
    assert sum(gap["count"] or 0 for gap in gaps_in(entries)) == max(kept) - len(kept)
    assert len(outbox) == len(entries)


def test_a_full_outbox_stays_within_its_bytes(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path / "outbox.sqlite", SMALL)
    append(outbox, 600, size=500)
    assert (tmp_path / "outbox.sqlite").stat().st_size <= SMALL
    assert (tmp_path / "outbox.sqlite-wal").stat().st_size <= 256 * PAGE_BYTES + 2**15


def test_an_entry_larger_than_the_outbox_is_refused_and_costs_no_other(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox(max_bytes=SMALL)
    append(outbox, 5)
    with pytest.raises(StoreError, match=r"raise outbox\.max_bytes"):
        append(outbox, size=2 * SMALL)
    assert append(outbox) == [6]
    assert len(everything(outbox)) == 6


def test_a_second_process_is_refused(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    open_outbox(tmp_path / "outbox.sqlite")
    with pytest.raises(StoreError, match="another ffe-edge uses it"):
        open_outbox(tmp_path / "outbox.sqlite")


def test_the_folder_is_for_its_owner_only(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    open_outbox(tmp_path / "state" / "outbox.sqlite")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_names_the_remedy(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"outbox\.state_dir"):
        open_outbox(tmp_path / "file" / "outbox.sqlite")


def test_a_closed_outbox_is_a_store_error(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox()
    outbox.close()
    with pytest.raises(StoreError, match="closed"):
        append(outbox)


def filled_file(open_outbox: OpenOutbox, path: Path) -> None:
    outbox = open_outbox(path)
    append(outbox, 200, size=500)
    outbox.close()


def zero_page(path: Path, number: int) -> None:
    with path.open("r+b") as file:
        file.seek((number - 1) * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES))


def test_a_damaged_page_is_told_as_a_gap_and_sequences_go_on(
    open_outbox: OpenOutbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.sqlite"
    filled_file(open_outbox, path)
    zero_page(path, 2)
    with caplog.at_level(logging.ERROR):
        outbox = open_outbox(path)
    (gap,) = gaps_in(everything(outbox))
    assert (gap["sequence"], gap["last"], gap["count"]) == (201, 200, None)
    assert append(outbox) == [202]
    assert "is damaged" in caplog.text
    assert len(list(tmp_path.glob("outbox.sqlite.corrupt-*"))) == 1


@pytest.mark.parametrize("content", [b"", b"no database" * 1000], ids=["empty", "noise"])
def test_a_file_that_is_no_outbox_is_no_crash(content: bytes, open_outbox: OpenOutbox, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(content)
    outbox = open_outbox(path)
    gaps = gaps_in(everything(outbox))
    assert [gap["count"] for gap in gaps] == ([None] if content else [])
    assert append(outbox) == [len(gaps) + 1]


def test_damage_while_running_is_survived(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    filled_file(open_outbox, path)
    outbox = open_outbox(path)
    for page in range(2, path.stat().st_size // PAGE_BYTES + 1):
        zero_page(path, page)
    outbox._database.execute("PRAGMA shrink_memory")
    assert [gap["count"] for gap in gaps_in(everything(outbox))] == [None]
    assert append(outbox) == [2]
    assert (outbox.gaps, len(outbox)) == (1, 2)


def test_a_loss_of_unknown_size_stays_unknown_when_its_gap_is_evicted(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"no database" * 1000)
    outbox = open_outbox(path, SMALL)
    append(outbox, 300, size=500)
    assert gaps_in(everything(outbox))[0]["count"] is None


CHILD = """
import sys
from pathlib import Path
from ffe_edge.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), max_bytes=2**24, gap_topic="gaps", render_gap=lambda sequence, gap: b"")
while True:
    entry = outbox.append("events", lambda sequence: b"%d" % sequence)
    sys.stdout.write(f"{entry.sequence}\\n")
    sys.stdout.flush()
"""


def test_what_was_appended_survives_sigkill(open_outbox: OpenOutbox, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    told = 0
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(25):
            told = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        told = int((child.communicate()[0].split() or [str(told)])[-1])
    stored = [entry.sequence for entry in everything(open_outbox(path))]
    assert stored == list(range(1, len(stored) + 1))
    assert told <= len(stored) <= told + 1


FULL_DISK = """
import sys
from pathlib import Path
from ffe_edge.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), max_bytes=2**24, gap_topic="gaps", render_gap=lambda sequence, gap: b"gap")
formed = [outbox.append("events", lambda sequence: b"x" * 500).sequence for _ in range(1500)]
entries = outbox.pending(0, 2000)
for entry in entries:
    outbox.acknowledge(entry.sequence)
sys.stdout.write(f"{len(formed)} {len(entries) < 1500} {outbox.gaps > 0} {len(outbox)}")
"""


def test_a_full_disk_evicts_and_goes_on(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=1200k tmpfs {tmp_path}"
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-Urm", "sh", "-c", mount], check=False).returncode
    ):
        pytest.skip("a disk of its own for the test needs user namespaces")
    command = f'{mount} && exec "{sys.executable}" -c "$FULL_DISK" {tmp_path}/outbox.sqlite'
    environment = {**os.environ, "FULL_DISK": FULL_DISK}
    child = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert child.stdout == "1500 True True 0"


def test_threads_share_an_outbox(open_outbox: OpenOutbox) -> None:
    outbox = open_outbox(None)
    threads = [threading.Thread(target=append, args=(outbox, 100)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.sequence for entry in everything(outbox)] == list(range(1, 401))
