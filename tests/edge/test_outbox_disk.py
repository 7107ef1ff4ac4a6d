"""The outbox takes its room on the disk before it needs it, and outlives a disk that gives none."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ffe_edge import outbox_file
from ffe_edge.messages import Gap
from ffe_edge.outbox import Outbox
from ffe_edge.outbox_file import CHUNK_PAGES, PAGE_BYTES

CHUNK_BYTES = CHUNK_PAGES * PAGE_BYTES
MANY = 4 * CHUNK_BYTES


def gap_payload(sequence: int, gap: Gap) -> bytes:
    return json.dumps({"sequence": sequence, **gap.model_dump()}).encode()


@pytest.fixture
def open_outbox(tmp_path: Path) -> Iterator[Callable[[], Outbox]]:
    opened: list[Outbox] = []

    def open_one() -> Outbox:
        opened.append(Outbox(tmp_path / "o.sqlite", max_bytes=MANY, gap_topic="gaps", render_gap=gap_payload))
        return opened[-1]

    yield open_one
    for outbox in opened:
        outbox.close()


def taken(path: Path) -> int:
    """Bytes that the disk has really given."""
    return path.stat().st_blocks * 512


def append(outbox: Outbox, bytes_in_all: int) -> None:
    for _ in range(bytes_in_all // 8000):
        outbox.append("events", lambda _: b"x" * 8000)


def test_a_new_outbox_has_room_on_the_disk_before_the_first_event(
    open_outbox: Callable[[], Outbox], tmp_path: Path
) -> None:
    open_outbox()
    assert taken(tmp_path / "o.sqlite") > 0.9 * CHUNK_BYTES
    assert taken(tmp_path / "o.sqlite-wal") > 0.9 * CHUNK_BYTES


def test_it_does_not_grow_by_being_opened(open_outbox: Callable[[], Outbox], tmp_path: Path) -> None:
    open_outbox().close()
    before = taken(tmp_path / "o.sqlite")
    for _ in range(3):
        open_outbox().close()
    assert taken(tmp_path / "o.sqlite") < before + 0.2 * CHUNK_BYTES


def test_it_grows_by_chunks_up_to_its_limit_and_then_gives_up_the_oldest(
    open_outbox: Callable[[], Outbox], tmp_path: Path
) -> None:
    outbox = open_outbox()
    append(outbox, 2 * CHUNK_BYTES)
    assert outbox.gaps == 0
    assert 2 * CHUNK_BYTES < taken(tmp_path / "o.sqlite") <= MANY
    append(outbox, 3 * CHUNK_BYTES)
    assert outbox.gaps > 0
    assert taken(tmp_path / "o.sqlite") <= MANY


def test_a_disk_without_room_is_told_once_and_used_again_when_it_has_some(
    open_outbox: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox()
    with monkeypatch.context() as patched, caplog.at_level(logging.INFO):
        patched.setattr(outbox_file, "ROOMY_BYTES", 2**62)  # as on a full disk
        append(outbox, 3 * CHUNK_BYTES)
        assert outbox.gaps > 0
        assert caplog.text.count("the disk is full") == 1
    monkeypatch.setattr("ffe_edge.outbox_store.RETRY_SECONDS", 0.0)
    with caplog.at_level(logging.INFO):
        outbox.expire()
    assert caplog.text.count("the disk has room again") == 1
    before = outbox.gaps
    append(outbox, CHUNK_BYTES)
    assert outbox.gaps == before


def test_growing_that_was_cut_off_by_a_crash_leaves_no_trace(open_outbox: Callable[[], Outbox], tmp_path: Path) -> None:
    open_outbox().close()
    with sqlite3.connect(tmp_path / "o.sqlite") as database:
        database.execute("INSERT INTO room VALUES (zeroblob(100000))")
    database.close()
    append(open_outbox(), CHUNK_BYTES)
    with sqlite3.connect(tmp_path / "o.sqlite") as database:
        assert database.execute("SELECT count(*) FROM room").fetchone() == (0,)
    database.close()


def test_what_cannot_be_stored_is_counted_and_told_with_the_next_event(
    open_outbox: Callable[[], Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox()
    assert outbox.offer("events", lambda _: b"x" * 2 * MANY) is None
    assert caplog.text.count("events are lost, told as a gap later") == 1
    entry = outbox.offer("events", lambda _: b"small")
    assert entry is not None
    gap, last = outbox.pending(0, 10)
    assert (json.loads(gap.payload)["count"], last) == (1, entry)
    assert (len(outbox), outbox.gaps) == (2, 1)
