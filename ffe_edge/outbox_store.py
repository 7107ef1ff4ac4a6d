"""The outbox's database, kept usable: a damaged file is replaced, a full disk gets its reserve."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ffe_edge.errors import StoreError
from ffe_edge.outbox_file import (
    REMEDY,
    connect,
    discard_quarantined,
    is_damage,
    is_full,
    last_sequence,
    lock,
    quarantine,
    reserve,
    use_reserve,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Store:
    """A SQLite database of this process alone. ``open`` it, then do everything inside ``guarded``."""

    database: sqlite3.Connection

    def __init__(self, path: Path | None, max_bytes: int) -> None:
        """Take the file's lock.

        Args:
            path: the file, or None for a database in memory.
            max_bytes: it does not grow beyond.

        Raises:
            StoreError: the file cannot be used, or another process uses it.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._mutex = threading.RLock()
        self._lock_descriptor = None if path is None else lock(path)

    def open(self, load: Callable[[], None], start_again: Callable[[int | None], None]) -> None:
        """Open or create the database.

        Args:
            load: reads what is in it; an empty one replaces the file when that fails for damage.
            start_again: called whenever an empty one has replaced a damaged file, with the file's last sequence, or
                None where that cannot be read.

        Raises:
            StoreError: it cannot be used.
        """
        self._load, self._start_again = load, start_again
        try:
            self._open()
        except StoreError:
            self._unlock()
            raise

    def guarded(self, work: Callable[[], T]) -> T:
        """Do work on the database; it is done once more after damage or a full disk.

        Raises:
            StoreError: it cannot be done.
        """
        with self._mutex:
            try:
                return work()
            except sqlite3.Error as error:
                self._recover(error)
            try:
                return work()
            except sqlite3.Error as error:
                raise self._trouble(error) from error

    def erase_traces(self) -> None:
        """Leave nothing of what was deleted: neither in the write-ahead log nor in damaged files put aside.

        Raises:
            StoreError: something is left.
        """
        try:
            self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if self._path is not None:
                discard_quarantined(self._path)
        except OSError as error:
            raise self._trouble(error) from error

    def close(self) -> None:
        """Release the file."""
        with self._mutex:
            self.database.close()
            self._unlock()

    def _open(self) -> None:
        try:
            self.database = connect(self._path, self._max_bytes)
            self._load()
        except sqlite3.Error as error:
            if self._path is None or not is_damage(error):
                raise self._trouble(error) from error
            self._recover(error)
        if self._path is not None:
            reserve(self._path)

    def _recover(self, error: sqlite3.Error) -> None:
        if self._path is None or not (is_damage(error) or is_full(error)):
            raise self._trouble(error) from error
        try:
            if is_damage(error):
                self._replace(self._path, error)
            else:
                use_reserve(self.database, self._path)
        except (sqlite3.Error, OSError) as second:
            raise self._trouble(second) from second

    def _replace(self, path: Path, error: sqlite3.Error) -> None:
        if hasattr(self, "database"):
            self.database.close()
        last = last_sequence(path)
        aside = quarantine(path)
        logger.error("%s is damaged (%s): moved to %s; its events are told as a gap", path, error, aside.name)
        self.database = connect(path, self._max_bytes)
        self._load()
        self._start_again(last)

    def _trouble(self, error: sqlite3.Error | OSError) -> StoreError:
        full = isinstance(error, sqlite3.Error) and is_full(error)
        remedy = "free disk space, or raise outbox.max_bytes" if full else REMEDY
        return StoreError(f"{self._path or 'outbox in memory'}: cannot be used ({error}); {remedy}")

    def _unlock(self) -> None:
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None
