"""Batches into the store: what is acknowledged and when, without a broker."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from dashboard.intake import EMOTION, TOKYO
from dashboard.payloads import event, status
from e2e.mosquitto import wait_for
from sqlalchemy import func, insert, select

from ffe_edge.dashboard import database as database_module
from ffe_edge.dashboard import writer as writer_module
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.inbox import MAX_CARELESS, MAX_WAITING, Inbox
from ffe_edge.dashboard.ingest import Ingested, ingest
from ffe_edge.dashboard.known_places import MAX_NODES
from ffe_edge.dashboard.link import Received
from ffe_edge.dashboard.sequence_book import SequenceBook
from ffe_edge.dashboard.tables import events, nodes, quarantine
from ffe_edge.dashboard.writer import Ends, Writer


def received(number: int | None, payload: bytes, topic: str | None = EMOTION, connection: int = 1) -> Received:
    return Received(topic, payload, False, 1_790_000_000_000, connection, number)


class Line:
    """A writer, and what it did."""

    def __init__(self, database: Database) -> None:
        self.acknowledged: list[int | None] = []
        self.states: list[bool] = []
        self.database = database
        ends = Ends(self._acknowledge, stored_state=self.states.append)
        self.writer = Writer(database, "ffe/v1", TOKYO, SequenceBook(), ends)

    def _acknowledge(self, batch: Sequence[Received]) -> None:
        self.acknowledged += [one.number for one in batch]

    def stores(self, *messages: Received) -> None:
        self.writer._store(messages)

    def events(self) -> int:
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(events)).scalar_one()

    def reasons(self) -> list[str]:
        with self.database.reading() as connection:
            return list(connection.execute(select(quarantine.c.reason)).scalars())


@pytest.fixture
def line(sqlite: Database) -> Line:
    return Line(sqlite)


def test_what_is_stored_and_what_is_refused_are_both_acknowledged(line: Line) -> None:
    line.stores(received(1, event(sequence=1)), received(2, b"{"), received(3, event(), topic=None), received(4, b""))
    assert (line.events(), line.acknowledged) == (1, [1, 2, 3, 4])
    assert line.reasons() == ["not JSON", "its topic is no text"]


def test_one_strange_message_holds_up_no_other(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def strange(connection: Any, arrivals: Any, zone: Any) -> Ingested:
        if any(getattr(arrival.message, "sequence", 0) == 2 for arrival in arrivals):
            raise OverflowError("no such day")
        return ingest(connection, arrivals, zone)

    monkeypatch.setattr(writer_module, "ingest", strange)
    line.stores(*(received(number, event(sequence=number)) for number in (1, 2, 3)))
    assert (line.events(), line.acknowledged, line.reasons()) == (2, [1, 2, 3], ["it cannot be stored"])


def test_what_cannot_be_stored_now_is_not_acknowledged_and_stored_later(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 1)
    with closing(sqlite3.connect(tmp_path / "dashboard.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        line.writer.start()
        line.writer.put(received(1, event(sequence=1)))
        assert wait_for(lambda: line.states == [False], 15)
        assert "cannot be used" in line.writer.reason
        assert line.acknowledged == []
        other.execute("ROLLBACK")
    assert wait_for(lambda: line.acknowledged == [1])
    assert (line.states, line.writer.reason, line.events()) == ([False, True], "", 1)
    line.writer.stop()


def test_the_store_may_know_too_many_nodes_and_says_so(line: Line) -> None:
    known = {"site": "t", "state": "online", "since_ms": 1, "heard_ms": 1, "sequence_seen": 0}
    with line.database.writing() as connection:
        connection.execute(insert(nodes), [known | {"node": f"n{number}"} for number in range(MAX_NODES - 10)])
    batch = [received(number, status(), topic=f"ffe/v1/s/n{number}/status") for number in range(30)]
    line.stores(*batch)
    assert len(line.acknowledged) == 30
    assert all("nodes already" in reason for reason in line.reasons())
    assert line.writer.counts.refused == 30 - 10


def test_an_inbox_gives_a_batch_in_order_and_ends_when_it_is_closed() -> None:
    inbox = Inbox(max_batch=3)
    for number in range(5):
        inbox.put(received(number, b""))
    assert [one.number for one in inbox.take(0.01)] == [0, 1, 2]
    inbox.close()
    assert [one.number for one in inbox.take(0.01)] == [3, 4]
    assert inbox.take(0.01) == []


def test_what_need_not_be_acknowledged_is_dropped_where_too_much_waits() -> None:
    inbox = Inbox(max_batch=10)
    for _ in range(2 * MAX_CARELESS):
        inbox.put(received(None, b""))
    assert len(inbox) == MAX_CARELESS


def test_a_full_inbox_lets_the_network_wait() -> None:
    inbox = Inbox(max_batch=500)
    for number in range(MAX_WAITING):
        inbox.put(received(number, b""))
    waiting = threading.Thread(target=inbox.put, args=(received(1, b""),))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    inbox.take(0)
    waiting.join(5)
    assert not waiting.is_alive()


def test_of_many_that_wait_those_of_an_old_connection_go() -> None:
    inbox = Inbox(max_batch=500)
    for number in range(MAX_WAITING // 2 + 1):
        inbox.put(received(number, b""))
    inbox.put(received(1, b"", connection=2))
    assert len(inbox) == 1
