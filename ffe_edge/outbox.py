"""Events on disk until the broker has them, so that power may fail at any moment.

An entry's sequence is handed out in the transaction that stores it, so sequences have no holes. What does not fit
evicts the oldest entries; those are told as a gap, which is an entry of the same transaction. Delivered entries are
kept a while for a replay, and are the first to go when room is short.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from ffe_edge.errors import StoreError
from ffe_edge.messages import Gap
from ffe_edge.outbox_delivered import Delivered, Replay
from ffe_edge.outbox_entries import Entry, evict, forget, insert, insert_gap, matching
from ffe_edge.outbox_file import is_full, transaction
from ffe_edge.outbox_store import Store

logger = logging.getLogger(__name__)

EVICTED_SHARES = (0, 0, 16, 4, 1)
"""What is given up to store one more entry: nothing, what is delivered already, then also a 16th of the entries, a 4th,
all of them."""


class Outbox:
    """First in, first out, at least once. Every method may be called from any thread."""

    def __init__(
        self,
        path: Path | None,
        *,
        max_bytes: int,
        gap_topic: str,
        render_gap: Callable[[int, Gap], bytes],
        keep_seconds: float = 0.0,
        keep_bytes: int = 0,
    ) -> None:
        """Open or create an outbox.

        Args:
            path: its SQLite file, or None to keep the entries in memory.
            max_bytes: beyond it the oldest entries are evicted.
            gap_topic: where a gap is told.
            render_gap: payload of a gap, from its sequence and what was lost. May be called more than once.
            keep_seconds: how long delivered entries are kept for a replay; 0: not at all.
            keep_bytes: beyond it the oldest of those are dropped; at most a quarter of ``max_bytes`` is used.

        Raises:
            StoreError: the file cannot be used, or another process uses it.
        """
        self._gap_topic = gap_topic
        self._render_gap = render_gap
        self._keep = (keep_seconds, min(keep_bytes, max_bytes // 4))
        self._gaps = 0
        self._count = 0
        self._unstored = 0
        self._store = Store(path, max_bytes)
        self._store.open(self._load, self._start_again)

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
        return self._store.guarded(lambda: self._append(topic, render, EVICTED_SHARES))

    def offer(self, topic: str, render: Callable[[int], bytes]) -> Entry | None:
        """``append`` for whom a disk that cannot be used at all is no reason to stop.

        Returns:
            None where it is lost; how many are is told as a gap as soon as something can be stored again.
        """
        try:
            if self._unstored:
                self._store.guarded(self._tell_unstored)
            return self.append(topic, render)
        except StoreError as error:
            if not self._unstored:
                logger.error("events are lost, told as a gap later: %s", error)  # noqa: TRY400 - one line, no traceback
            self._unstored += 1
            return None

    def pending(self, after: int, limit: int) -> list[Entry]:
        """The oldest entries whose sequence is greater than ``after``, in order.

        Raises:
            StoreError: they cannot be read.
        """
        query = "SELECT sequence, topic, payload FROM entry WHERE sequence > ? ORDER BY sequence LIMIT ?"
        rows = self._store.guarded(lambda: self._database.execute(query, (after, limit)).fetchall())
        return [Entry(*row) for row in rows]

    def acknowledge(self, sequence: int) -> None:
        """Forget an entry that the broker has. One that was evicted meanwhile is no error.

        Raises:
            StoreError: it cannot be removed.
        """
        self._store.guarded(lambda: self._acknowledge(sequence))

    def replay(self, since: int) -> Replay:
        """Have delivered entries delivered again, from a sequence on; ``marked`` gives them.

        Raises:
            StoreError: it cannot be stored.
        """
        return self._store.guarded(lambda: self._delivered.mark(since))

    def marked(self, after: int, limit: int) -> list[Entry]:
        """The oldest entries of a replay whose sequence is greater than ``after``, in order.

        Raises:
            StoreError: they cannot be read.
        """
        return self._store.guarded(lambda: self._delivered.marked(after, limit))

    def unmark(self, sequence: int) -> None:
        """The broker has an entry of a replay.

        Raises:
            StoreError: it cannot be stored.
        """
        self._store.guarded(lambda: self._delivered.unmark(sequence))

    def expire(self) -> None:
        """Drop delivered entries that were kept long enough, and use a disk that was full; to be called now and then.

        Raises:
            StoreError: they cannot be removed.
        """
        self._store.guarded(self._expire)

    def holds(self, matches: Callable[[bytes], bool]) -> bool:
        """Whether the payload of any entry matches, delivered or not.

        Raises:
            StoreError: they cannot be read.
        """
        tables = ("entry", "delivered")
        return self._store.guarded(lambda: any(matching(self._database, table, matches) for table in tables))

    def forget(self, matches: Callable[[bytes], bool]) -> int:
        """Remove every entry whose payload matches, and its traces on the disk; undelivered ones are told as a gap.

        Returns:
            How many were removed.

        Raises:
            StoreError: they cannot be removed.
        """
        return self._store.guarded(lambda: self._forget(matches))

    def close(self) -> None:
        """Release the file; what is pending stays in it."""
        self._store.close()

    @property
    def _database(self) -> sqlite3.Connection:
        return self._store.database

    def _load(self) -> None:
        self._count = self._database.execute("SELECT count(*) FROM entry").fetchone()[0]
        self._delivered = Delivered(self._database, *self._keep)

    def _start_again(self, last: int | None) -> None:
        with transaction(self._database):
            self._database.execute("UPDATE counter SET sequence = ?", (last or 0,))
            self._insert_gap(Gap(first=None, last=last, count=None, reason="the outbox was damaged"))
        self._count = 1
        self._gaps += 1

    def _append(self, topic: str, render: Callable[[int], bytes], shares: tuple[int, ...]) -> Entry:
        evicted = -(-self._count // shares[0]) if shares[0] else 0
        room_is_short = shares != EVICTED_SHARES
        try:
            with transaction(self._database):
                if room_is_short:
                    self._delivered.drop()
                gap = self._evict(evicted) if evicted else None
                entry = insert(self._database, topic, render)
        except sqlite3.OperationalError as error:
            if not is_full(error) or len(shares) == 1:
                raise
            return self._append(topic, render, shares if not room_is_short and self._store.grow() else shares[1:])
        self._count += 1
        if room_is_short:
            self._delivered.measure()
        if gap is not None:
            self._count += 1 - evicted
            self._gaps += 1
            logger.warning("the outbox is full: its %d oldest entries were given up, told as a gap", evicted)
        return entry

    def _evict(self, number: int) -> Gap:
        gap = evict(self._database, number)
        self._insert_gap(gap)
        return gap

    def _insert_gap(self, gap: Gap) -> None:
        insert_gap(self._database, self._gap_topic, gap, self._render_gap)

    def _expire(self) -> None:
        self._delivered.expire()
        self._store.grow_after_full_disk()

    def _tell_unstored(self) -> None:
        with transaction(self._database):
            self._insert_gap(Gap(first=None, last=None, count=self._unstored, reason="the disk could not be written"))
        logger.warning("events are stored again; %d were lost, told as a gap", self._unstored)
        self._unstored = 0
        self._count += 1
        self._gaps += 1

    def _acknowledge(self, sequence: int) -> None:
        try:
            self._count -= self._delivered.take(sequence)
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise
            self._count -= self._delivered.pass_by(sequence)

    def _forget(self, matches: Callable[[bytes], bool]) -> int:
        waiting = matching(self._database, "entry", matches)
        kept = matching(self._database, "delivered", matches)
        with transaction(self._database):
            self._delivered.remove(kept)
            if waiting:
                self._insert_gap(forget(self._database, waiting))
        self._delivered.measure()
        if waiting:
            self._count += 1 - len(waiting)
            self._gaps += 1
        self._store.erase_traces()
        return len(waiting) + len(kept)
