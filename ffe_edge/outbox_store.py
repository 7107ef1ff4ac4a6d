"""The outbox's database, kept usable: a damaged file is replaced, a full disk gets its reserve."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ffe_edge.errors import StoreError
from ffe_edge.outbox_file import (
    CHUNK_PAGES,
    PAGE_BYTES,
    REMEDY,
    connect,
    discard_quarantined,
    free_pages,
    grow,
    is_damage,
    is_full,
    is_roomy,
    last_sequence,
    lock,
    quarantine,
    release_reserve,
    reserve,
    stop_growing,
    use_reserve,
)

logger = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
"""A disk that was full is asked again after so long."""

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
        self._is_short = False
        self._tried_seconds = float("-inf")
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

    def grow(self, *, top_up: bool = False) -> bool:
        """Take more of the disk, up to the limit; whether the file is larger now. Inside ``guarded``.

        Args:
            top_up: only as much as there is less than a chunk of free room in the file.

        Raises:
            sqlite3.Error: the file is damaged.
        """
        if self._path is None or time.monotonic() < self._tried_seconds + (RETRY_SECONDS if self._is_short else 0):
            return False
        self._tried_seconds = time.monotonic()
        wanted = max(0, CHUNK_PAGES - free_pages(self.database)) if top_up else CHUNK_PAGES
        is_full, gained = True, 0
        try:
            if is_roomy(self._path):
                gained = grow(self.database, self._max_bytes, wanted_pages=wanted)
                is_full = False
        except (sqlite3.OperationalError, OSError) as error:
            logger.debug("%s: does not grow (%s)", self._path, error)
        pages = stop_growing(self.database)
        self._tell(is_short=is_full and (pages + 1) * PAGE_BYTES <= self._max_bytes)
        return gained > 0

    def grow_after_full_disk(self) -> None:
        """Use a disk that has room again before there is need. Inside ``guarded``.

        Raises:
            sqlite3.Error: the file is damaged.
        """
        if self._path is not None and self._is_short:
            self.grow(top_up=True)
            if not self._is_short:
                reserve(self._path)

    def _tell(self, *, is_short: bool) -> None:
        """Say once that the disk is full, and once that it is not any more."""
        if is_short and not self._is_short:
            logger.error("%s: the disk is full; if need be the oldest events are given up; free disk space", self._path)
        elif self._is_short and not is_short:
            logger.info("%s: the disk has room again", self._path)
        self._is_short = is_short

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
            if self._path is None:
                raise self._trouble(error) from error
            self._open_again(self._path, error)
        if self._path is not None:
            self.grow(top_up=True)
            reserve(self._path)

    def _open_again(self, path: Path, error: sqlite3.Error) -> None:
        """After damage, or on a disk so full that SQLite has no room for the files it works with."""
        if is_damage(error):
            self._recover(error)
            return
        try:
            release_reserve(path)
            self.database = connect(path, self._max_bytes)
            self._load()
        except (sqlite3.Error, OSError) as second:
            raise self._trouble(second) from second

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
