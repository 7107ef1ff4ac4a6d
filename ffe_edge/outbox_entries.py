"""Entries of the outbox: put in with their sequence, and given up as a gap, both inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ffe_edge.messages import Gap

NOT_KNOWN = -1


@dataclass(frozen=True, slots=True)
class Entry:
    """One message on its way to the broker."""

    sequence: int
    topic: str
    payload: bytes


def insert(
    database: sqlite3.Connection,
    topic: str,
    render: Callable[[int], bytes],
    lost_first: int | None = None,
    lost_count: int | None = None,
) -> Entry:
    """Store a message under the next sequence.

    Args:
        database: the outbox, in a transaction.
        topic: where it is to be published.
        render: payload from the sequence.
        lost_first: of a gap, the first sequence that it names.
        lost_count: of a gap, how many it names, or ``NOT_KNOWN``.
    """
    database.execute("UPDATE counter SET sequence = sequence + 1")
    (sequence,) = database.execute("SELECT sequence FROM counter").fetchone()
    entry = Entry(sequence, topic, render(sequence))
    values = (sequence, topic, entry.payload, lost_first, lost_count)
    database.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", values)
    return entry


def insert_gap(database: sqlite3.Connection, topic: str, gap: Gap, render: Callable[[int, Gap], bytes]) -> None:
    """Store the news of a loss."""
    count = NOT_KNOWN if gap.count is None else gap.count
    insert(database, topic, lambda sequence: render(sequence, gap), gap.first, count)


def evict(database: sqlite3.Connection, number: int) -> Gap:
    """Give up the oldest entries; a gap among them is told anew as part of this one."""
    first, last, told, unknown = database.execute(
        "SELECT min(ifnull(lost_first, sequence)), max(sequence), total(lost_count), total(lost_count = ?)"
        " FROM (SELECT sequence, lost_first, lost_count FROM entry ORDER BY sequence LIMIT ?)",
        (NOT_KNOWN, number),
    ).fetchone()
    database.execute("DELETE FROM entry WHERE sequence <= ?", (last,))
    count = None if unknown else number + int(told)
    return Gap(first=first, last=last, count=count, reason="the outbox was full")


def forget(database: sqlite3.Connection, sequences: Sequence[int]) -> Gap:
    """Remove entries that must not be told any more."""
    database.executemany("DELETE FROM entry WHERE sequence = ?", ((sequence,) for sequence in sequences))
    first, last = min(sequences), max(sequences)
    return Gap(first=first, last=last, count=len(sequences), reason="a resident was forgotten")


def matching(database: sqlite3.Connection, table: str, matches: Callable[[bytes], bool]) -> list[int]:
    """Sequences of the rows of ``entry`` or ``delivered`` whose payload matches."""
    rows = database.execute(f"SELECT sequence, payload FROM {table}")  # noqa: S608  # one of two names of ours
    return [sequence for sequence, payload in rows if matches(payload)]
