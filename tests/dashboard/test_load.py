"""500 events a second for a minute, while the broker is killed and the database refuses."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from dashboard.intake import EMOTION, Device, Running
from dashboard.payloads import LABELS, event
from dashboard.postgresql import PostgreSql
from e2e.mosquitto import Mosquitto, wait_for
from sqlalchemy import select

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.tables import events, nodes
from ffe_edge.wire import as_replayed

RATE_HZ = 500
SECONDS = 60
KEPT = "allow_anonymous true\nmax_queued_messages 0\nautosave_on_changes false\nautosave_interval 2"
"""A broker that keeps whatever comes, on the disk every two seconds: what it took last is lost when it is killed."""


def told(count: int) -> Iterator[bytes]:
    """Changes of twenty people, each numbered."""
    template = event("change", "joy", track=0, sequence=10**9, event_id="0" * 8 + "-0000-7000-8000-" + "0" * 12, at=0.0)
    for number in range(1, count + 1):
        now = time.time()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
        emotion, previous = LABELS[number % len(LABELS)], LABELS[(number - 20) % len(LABELS)]
        yield (
            template.replace(b"1000000000", str(number).encode())
            .replace(b"00000000-0000-7000-8000-000000000000", str(uuid.UUID(int=number)).encode())
            .replace(b"1970-01-01T00:00:00.000Z", moment.encode())
            .replace(b'"track": 0', f'"track": {number % 20}'.encode())
            .replace(b'"emotion": "joy"', f'"emotion": "{emotion}"'.encode())
            .replace(b'"previous": null', f'"previous": "{previous}"'.encode())
        )


def answering(device: Device, kept: list[bytes]) -> None:
    """The device tells again what it is asked for."""

    def answer(name: str, command: dict[str, Any]) -> dict[str, Any]:
        since = command["since_sequence"]
        again = kept[since - 1 :]
        threading.Thread(target=lambda: [device.publish(EMOTION, as_replayed(one)) for one in again]).start()
        return {"ok": True, "reason": name, "count": len(again), "first_sequence": since, "missing": 0}

    device.answer = answer


def publish(device: Device, kept: list[bytes]) -> None:
    """At the rate, whatever the broker does."""
    began = time.monotonic()
    for number, payload in enumerate(told(RATE_HZ * SECONDS), 1):
        kept.append(payload)
        device.publish(EMOTION, payload)
        if (ahead := began + number / RATE_HZ - time.monotonic()) > 0:
            time.sleep(ahead)


@contextmanager
def refusing_sqlite(path: Path) -> Iterator[None]:
    """Another program holds the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def killed_postgresql(server: PostgreSql) -> Iterator[None]:
    server.stop("immediate")
    yield
    server.start()


def run(broker: Mosquitto, database: Database, refusing: Any) -> dict[str, float]:
    """Returns figures."""
    kept: list[bytes] = []
    total = RATE_HZ * SECONDS
    with Running(broker, database) as intake, Device(broker) as device:
        answering(device, kept)
        began = time.monotonic()
        publisher = threading.Thread(target=publish, args=(device, kept))
        publisher.start()
        time.sleep(15)
        broker.kill()
        time.sleep(3)
        broker.start()
        time.sleep(12)
        with refusing:
            assert wait_for(lambda: not intake.present.snapshot()["store"]["available"], 30)
            time.sleep(5)
        publisher.join()
        published = time.monotonic() - began
        assert wait_for(lambda: count(intake) == total, 300), (count(intake), total, intake.writer.counts)
        stored = time.monotonic() - began
        with database.reading() as connection:
            assert connection.execute(select(nodes.c.sequence_seen)).scalar_one() == total
        assert (intake.intake.book.missing(), intake.intake.book.lost, intake.writer.counts.refused) == (0, 0, 0)
        return {"published_s": published, "stored_s": stored, "repeated": intake.writer.counts.repeated,
                "batches": intake.writer.counts.batches, "replays": len(device.commands)}  # fmt: skip


def count(intake: Running) -> int:
    time.sleep(0.5)
    return intake.count(events) if not intake.writer.reason else -1


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, config=KEPT) as one:
        yield one


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_under_load_nothing_is_lost_in_sqlite(
    broker: Mosquitto, sqlite: Database, tmp_path: Path, record_property: Any
) -> None:
    figures = run(broker, sqlite, refusing_sqlite(tmp_path / "dashboard.sqlite"))
    record_property("figures", figures)


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_under_load_nothing_is_lost_in_postgresql(broker: Mosquitto, record_property: Any) -> None:
    with PostgreSql() as server, closing(Database(server.make_database("care"))) as database:
        database.migrate()
        figures = run(broker, database, killed_postgresql(server))
        record_property("figures", figures)
