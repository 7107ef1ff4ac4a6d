"""What could not be read, in the store."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.quarantine import MAX_PAYLOAD_BYTES, MAX_ROWS, OTHERS, SAME_MS, Refused, keep
from ffe_edge.dashboard.tables import quarantine


def kept(database: Database) -> list[Any]:
    with database.reading() as connection:
        return list(connection.execute(select(quarantine).order_by(quarantine.c.id)).all())


def put(database: Database, *refused: Refused) -> None:
    with database.writing() as connection:
        keep(connection, refused)


def test_the_first_of_a_kind_is_kept_and_those_like_it_are_counted(database: Database) -> None:
    put(database, Refused("a", "not JSON", b"{", 1), Refused("a", "not JSON", b"[", 2), Refused("b", "type", b"x", 3))
    put(database, Refused("a", "not JSON", b"(", 4))
    assert [(row.topic, row.reason, row.payload, row.count) for row in kept(database)] == [
        ("a", "not JSON", b"{", 3),
        ("b", "type", b"x", 1),
    ]


def test_after_an_hour_it_is_kept_anew(database: Database) -> None:
    put(database, Refused("a", "not JSON", b"{", 1))
    put(database, Refused("a", "not JSON", b"{", 1 + SAME_MS))
    assert [row.count for row in kept(database)] == [1, 1]


def test_only_the_beginning_of_a_long_one_is_kept(database: Database) -> None:
    put(database, Refused("a", "too long", b"x" * 100_000, 1))
    [row] = kept(database)
    assert (row.bytes, len(row.payload)) == (100_000, MAX_PAYLOAD_BYTES)


def test_a_flood_of_topics_stays_bounded(sqlite: Database) -> None:
    put(sqlite, *(Refused(f"t{number}", "not JSON", b"", 1) for number in range(2 * MAX_ROWS)))
    rows = kept(sqlite)
    assert len(rows) == MAX_ROWS + 1
    assert (rows[-1].topic, rows[-1].count) == (OTHERS, MAX_ROWS)


@pytest.mark.parametrize(
    "topic", ["a\0b", "a\nb", "x" * 65_000, "<script>alert(1)</script>", "'; DROP TABLE events; --"]
)
def test_a_hostile_topic_is_kept_as_text(database: Database, topic: str) -> None:
    put(database, Refused(topic, "not a topic of this contract", b"\0\xff", 1))
    [row] = kept(database)
    assert len(row.topic) <= 256
    assert row.topic.isprintable()
