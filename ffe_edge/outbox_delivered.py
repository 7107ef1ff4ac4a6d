"""What the broker has already, kept for a while so that a consumer that lost its store can have it again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ffe_edge.outbox_entries import Entry
from ffe_edge.outbox_file import transaction


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay will bring."""

    count: int
    """Messages that will be delivered again."""
    first: int | None
    """The oldest sequence that is still there, None when there is none."""
    missing: int
    """Sequences from the one asked for on that are no longer there."""


class Delivered:
    """The table of delivered messages, bounded in time and in bytes. Its user holds the outbox's mutex."""

    def __init__(
        self,
        database: sqlite3.Connection,
        keep_seconds: float,
        keep_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take over what an earlier run kept.

        Args:
            database: the outbox.
            keep_seconds: how long a message is kept; 0 keeps none.
            keep_bytes: payloads in all; beyond it the oldest are dropped.
            clock: Unix seconds.

        Raises:
            sqlite3.Error: the table cannot be read.
        """
        self._database = database
        self._keep_seconds = keep_seconds
        self._keep_bytes = keep_bytes if keep_seconds > 0 else 0
        self._clock = clock
        self._bytes = self._measured()

    @property
    def bytes(self) -> int:
        """Payloads that are kept."""
        return self._bytes

    def take(self, sequence: int) -> int:
        """Move an acknowledged entry here; returns 0 when there is no such entry.

        Raises:
            sqlite3.Error: nothing was changed.
        """
        if self._keep_bytes == 0:
            return self.pass_by(sequence)
        with transaction(self._database):
            (size,) = self._database.execute(
                "SELECT ifnull(max(length(payload)), 0) FROM entry WHERE sequence = ?", (sequence,)
            ).fetchone()
            self._database.execute(
                "INSERT OR REPLACE INTO delivered SELECT sequence, topic, payload, ?, 0 FROM entry WHERE sequence = ?",
                (self._clock(), sequence),
            )
            removed = self.pass_by(sequence)
            freed = self._trim(self._bytes + size - self._keep_bytes)
        self._bytes += size - freed
        return removed

    def pass_by(self, sequence: int) -> int:
        """Remove an acknowledged entry and keep nothing of it; returns 0 when there is no such entry."""
        return self._database.execute("DELETE FROM entry WHERE sequence = ?", (sequence,)).rowcount

    def drop(self) -> None:
        """Make room for what is not delivered yet; inside the caller's transaction."""
        self._database.execute("DELETE FROM delivered")

    def expire(self) -> None:
        """Drop what has been kept long enough. A clock that jumped is no reason to keep it longer."""
        now = self._clock()
        old = "abs(? - delivered_at) > ?"
        limits = (now, self._keep_seconds)
        if self._bytes and self._database.execute(f"SELECT 1 FROM delivered WHERE {old} LIMIT 1", limits).fetchone():  # noqa: S608
            self._database.execute(f"DELETE FROM delivered WHERE {old}", limits)  # noqa: S608
            self.measure()

    def mark(self, since: int) -> Replay:
        """Everything from a sequence on is to be delivered again."""
        with transaction(self._database):
            count, first = self._database.execute(
                "SELECT count(*), min(sequence) FROM delivered WHERE sequence >= ?", (since,)
            ).fetchone()
            waiting, oldest = self._database.execute(
                "SELECT count(*), min(sequence) FROM entry WHERE sequence >= ?", (since,)
            ).fetchone()
            (last,) = self._database.execute("SELECT sequence FROM counter").fetchone()
            self._database.execute("UPDATE delivered SET again = 1 WHERE sequence >= ?", (since,))
        missing = max(0, last + 1 - since) - count - waiting
        return Replay(count, min((number for number in (first, oldest) if number is not None), default=None), missing)

    def marked(self, after: int, limit: int) -> list[Entry]:
        """The oldest marked messages whose sequence is greater than ``after``, in order."""
        query = (
            "SELECT sequence, topic, payload FROM delivered WHERE again = 1 AND sequence > ? ORDER BY sequence LIMIT ?"
        )
        return [Entry(*row) for row in self._database.execute(query, (after, limit)).fetchall()]

    def unmark(self, sequence: int) -> None:
        """The broker has it again."""
        self._database.execute("UPDATE delivered SET again = 0 WHERE sequence = ?", (sequence,))

    def remove(self, sequences: Iterable[int]) -> None:
        """Drop these; inside the caller's transaction."""
        self._database.executemany("DELETE FROM delivered WHERE sequence = ?", ((number,) for number in sequences))

    def measure(self) -> None:
        """Count anew after ``drop`` or ``remove``."""
        self._bytes = self._measured()

    def _measured(self) -> int:
        return int(self._database.execute("SELECT total(length(payload)) FROM delivered").fetchone()[0])

    def _trim(self, excess: int) -> int:
        """Drop the oldest until ``excess`` bytes are gone, a little more so that it is not done at every step."""
        freed, last = 0, 0
        if excess <= 0:
            return freed
        for sequence, size in self._database.execute(
            "SELECT sequence, length(payload) FROM delivered ORDER BY sequence"
        ):
            freed, last = freed + size, sequence
            if freed >= excess + self._keep_bytes // 16:
                break
        self._database.execute("DELETE FROM delivered WHERE sequence <= ?", (last,))
        return freed
