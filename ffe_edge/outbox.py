"""Events on disk until the broker has them, so that power may fail at any moment.

An entry's sequence is handed out in the transaction that stores it, so sequences have no holes. What does not fit
evicts the oldest entries; those are told as a gap, which is an entry of the same transaction.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ffe_edge.errors import StoreError
from ffe_edge.messages import Gap
from ffe_edge.outbox_file import (
    REMEDY,
    connect,
    is_damage,
    is_full,
    last_sequence,
    lock,
    quarantine,
    reserve,
    transaction,
    use_reserve,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

EVICTED_SHARES = (0, 16, 4, 1)
"""What is given up to store one more entry: nothing, else a 16th of the entries, a 4th, all of them."""
NOT_KNOWN = -1


@dataclass(frozen=True, slots=True)
class Entry:
    """One message on its way to the broker."""

    sequence: int
    topic: str
    payload: bytes


class Outbox:
    """First in, first out, at least once. Every method may be called from any thread."""

    def __init__(
        self, path: Path | None, *, max_bytes: int, gap_topic: str, render_gap: Callable[[int, Gap], bytes]
    ) -> None:
        """Open or create an outbox.

        Args:
            path: its SQLite file, or None to keep the entries in memory.
            max_bytes: beyond it the oldest entries are evicted.
            gap_topic: where a gap is told.
            render_gap: payload of a gap, from its sequence and what was lost. May be called more than once.

        Raises:
            StoreError: the file cannot be used, or another process uses it.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._gap_topic = gap_topic
        self._render_gap = render_gap
        self._mutex = threading.RLock()
        self._gaps = 0
        self._lock_descriptor = None if path is None else lock(path)
        try:
            self._open()
        except StoreError:
            self._unlock()
            raise

    def __len__(self) -> int:
        return self._count

    @property
    def gaps(self) -> int:
        """Gaps told since this outbox was opened."""
        return self._gaps

    def append(self, topic: str, render: Callable[[int], bytes]) -> Entry:
        """Store one message; when this returns, the disk has it.

        Args:
            topic: where it is to be published.
            render: payload from the sequence. May be called more than once.

        Raises:
            StoreError: it cannot be stored.
        """
        return self._guarded(lambda: self._append(topic, render, EVICTED_SHARES))

    def pending(self, after: int, limit: int) -> list[Entry]:
        """The oldest entries whose sequence is greater than ``after``, in order.

        Raises:
            StoreError: they cannot be read.
        """
        query = "SELECT sequence, topic, payload FROM entry WHERE sequence > ? ORDER BY sequence LIMIT ?"
        rows = self._guarded(lambda: self._database.execute(query, (after, limit)).fetchall())
        return [Entry(*row) for row in rows]

    def acknowledge(self, sequence: int) -> None:
        """Forget an entry that the broker has. One that was evicted meanwhile is no error.

        Raises:
            StoreError: it cannot be removed.
        """
        self._guarded(lambda: self._forget(sequence))

    def close(self) -> None:
        """Release the file; what is pending stays in it."""
        with self._mutex:
            self._database.close()
            self._unlock()

    def _open(self) -> None:
        try:
            self._database = connect(self._path, self._max_bytes)
            self._count: int = self._database.execute("SELECT count(*) FROM entry").fetchone()[0]
        except sqlite3.Error as error:
            if self._path is None or not is_damage(error):
                raise self._trouble(error) from error
            self._recover(error)
        if self._path is not None:
            reserve(self._path)

    def _guarded(self, work: Callable[[], T]) -> T:
        with self._mutex:
            try:
                return work()
            except sqlite3.Error as error:
                self._recover(error)
            try:
                return work()
            except sqlite3.Error as error:
                raise self._trouble(error) from error

    def _recover(self, error: sqlite3.Error) -> None:
        if self._path is None or not (is_damage(error) or is_full(error)):
            raise self._trouble(error) from error
        try:
            if is_damage(error):
                self._start_again(self._path, error)
            else:
                use_reserve(self._database, self._path)
        except (sqlite3.Error, OSError) as second:
            raise self._trouble(second) from second

    def _start_again(self, path: Path, error: sqlite3.Error) -> None:
        if hasattr(self, "_database"):
            self._database.close()
        last = last_sequence(path)
        aside = quarantine(path)
        logger.error("%s is damaged (%s): moved to %s; its events are told as a gap", path, error, aside.name)
        self._database = connect(path, self._max_bytes)
        with transaction(self._database):
            self._database.execute("UPDATE counter SET sequence = ?", (last or 0,))
            self._insert_gap(Gap(first=None, last=last, count=None, reason="the outbox was damaged"))
        self._count = 1
        self._gaps += 1

    def _append(self, topic: str, render: Callable[[int], bytes], shares: tuple[int, ...]) -> Entry:
        evicted = -(-self._count // shares[0]) if shares[0] else 0
        try:
            with transaction(self._database):
                gap = self._evict(evicted) if evicted else None
                entry = self._insert(topic, render, None, None)
        except sqlite3.OperationalError as error:
            if not is_full(error) or len(shares) == 1:
                raise
            return self._append(topic, render, shares[1:])
        self._count += 1
        if gap is not None:
            self._count += 1 - evicted
            self._gaps += 1
            logger.warning("the outbox is full: its %d oldest entries were given up, told as a gap", evicted)
        return entry

    def _evict(self, number: int) -> Gap:
        first, last, told, unknown = self._database.execute(
            "SELECT min(ifnull(lost_first, sequence)), max(sequence), total(lost_count), total(lost_count = ?)"
            " FROM (SELECT sequence, lost_first, lost_count FROM entry ORDER BY sequence LIMIT ?)",
            (NOT_KNOWN, number),
        ).fetchone()
        self._database.execute("DELETE FROM entry WHERE sequence <= ?", (last,))
        count = None if unknown else number + int(told)
        gap = Gap(first=first, last=last, count=count, reason="the outbox was full")
        self._insert_gap(gap)
        return gap

    def _insert_gap(self, gap: Gap) -> None:
        count = NOT_KNOWN if gap.count is None else gap.count
        self._insert(self._gap_topic, lambda sequence: self._render_gap(sequence, gap), gap.first, count)

    def _insert(
        self, topic: str, render: Callable[[int], bytes], lost_first: int | None, lost_count: int | None
    ) -> Entry:
        self._database.execute("UPDATE counter SET sequence = sequence + 1")
        (sequence,) = self._database.execute("SELECT sequence FROM counter").fetchone()
        entry = Entry(sequence, topic, render(sequence))
        values = (sequence, topic, entry.payload, lost_first, lost_count)
        self._database.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", values)
        return entry

    def _forget(self, sequence: int) -> None:
        self._count -= self._database.execute("DELETE FROM entry WHERE sequence = ?", (sequence,)).rowcount

    def _trouble(self, error: sqlite3.Error | OSError) -> StoreError:
        full = isinstance(error, sqlite3.Error) and is_full(error)
        remedy = "free disk space, or raise outbox.max_bytes" if full else REMEDY
        return StoreError(f"{self._path or 'outbox in memory'}: cannot be used ({error}); {remedy}")

    def _unlock(self) -> None:
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None
