"""The outbox's file: locked, opened, and put aside when it is damaged."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path

from ffe_edge.config import Config
from ffe_edge.errors import StoreError
from ffe_edge.file_lock import took

logger = logging.getLogger(__name__)

PAGE_BYTES = 4096
CHUNK_PAGES = 256
"""By so much the file grows at once ..."""
ROOMY_BYTES = 3 * CHUNK_PAGES * PAGE_BYTES
"""... where the disk has room for that, for as much in the write-ahead log, and more."""
RESERVE_BYTES = 128 * PAGE_BYTES
"""More than the write-ahead log holds: what SQLite needs to come out of a full disk."""
SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS entry (
    sequence INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL,
    lost_first INTEGER, lost_count INTEGER  -- of a gap; -1: it is not known how many
);
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES (1, 0);
CREATE TABLE IF NOT EXISTS delivered (
    sequence INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL,
    delivered_at REAL NOT NULL,  -- Unix seconds
    again INTEGER NOT NULL  -- 1: to be delivered once more
);
CREATE TABLE IF NOT EXISTS room (taken BLOB);  -- empty but while the file grows
CREATE INDEX IF NOT EXISTS again ON delivered (sequence) WHERE again = 1;
COMMIT;
"""


def lock(path: Path) -> int:
    """Make this process the only one that uses the outbox at ``path``; closing the descriptor gives it back.

    Raises:
        StoreError: another process has it, or its folder cannot be used.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: cannot be used ({error.strerror}); {REMEDY}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"{path}: another ffe-edge uses it; stop that one or set another outbox.state_dir") from error
    return descriptor


def outbox_path(config: Config) -> Path:
    """Where the events of this node wait."""
    return config.outbox.state_dir / f"{config.site}.{config.node}.sqlite"


def is_in_use(path: Path) -> bool:
    """Whether a process has the outbox at ``path``; also False where that cannot be seen from here."""
    try:
        with path.with_name(f"{path.name}.lock").open("rb") as file:
            return not took(file.fileno())
    except OSError:
        return False


def connect(path: Path | None, max_bytes: int) -> sqlite3.Connection:
    """Open or create the database, checked through and through.

    Raises:
        sqlite3.Error: it cannot be opened, or is damaged (``is_damage``).
    """
    database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
        database.execute("PRAGMA wal_autocheckpoint = 50")
        database.execute(f"PRAGMA journal_size_limit = {256 * PAGE_BYTES}")
        _set_limit(database, max_bytes // PAGE_BYTES)
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        database.executescript(SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database


def is_roomy(path: Path) -> bool:
    """Whether the disk has room for the outbox to grow.

    Raises:
        OSError: it does not say.
    """
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize > ROOMY_BYTES


def grow(database: sqlite3.Connection, max_bytes: int, *, wanted_pages: int = CHUNK_PAGES) -> int:
    """Take that much of the disk more, really written, for the file and for the write-ahead log; no further by itself.

    What is stored later needs nothing of a disk that others may have filled.

    Returns:
        Pages that there are more.

    Raises:
        sqlite3.Error: the disk is full after all; what is stored already is safe.
    """
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    limit = max(pages, min(max_bytes // PAGE_BYTES, pages + wanted_pages))
    database.execute("DELETE FROM room")  # a crash in the middle may have left it
    try:
        _set_limit(database, limit)
        room = min(limit - pages + free_pages(database), CHUNK_PAGES) - 8
        taken = max(0, room) * (PAGE_BYTES - 4)  # an overflow page holds all but 4 bytes
        database.execute("INSERT INTO room VALUES (zeroblob(?))", (taken,))
        database.execute("PRAGMA wal_checkpoint").fetchall()
        database.execute("DELETE FROM room")
    finally:
        (now,) = database.execute("PRAGMA page_count").fetchone()
        _set_limit(database, now)
    return int(now - pages)


def free_pages(database: sqlite3.Connection) -> int:
    """Pages of the file that nothing is stored in."""
    return int(database.execute("PRAGMA freelist_count").fetchone()[0])


def stop_growing(database: sqlite3.Connection) -> int:
    """Let the file stay as large as it is; returns its pages."""
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    _set_limit(database, pages)
    return int(pages)


def _set_limit(database: sqlite3.Connection, pages: int) -> None:
    database.execute(f"PRAGMA max_page_count = {pages}")


def reserve(path: Path) -> None:
    """Hold back the disk space without which a full disk would block even the removal of entries."""
    try:
        with _reserve_of(path).open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
    except OSError as error:
        logger.warning("%s: no room for its reserve (%s); free disk space", path, error.strerror)


def use_reserve(database: sqlite3.Connection, path: Path) -> None:
    """Come out of a full disk: empty the write-ahead log into the file, which does not grow from now on.

    Raises:
        sqlite3.Error: it is not enough.
        OSError: the reserve cannot be removed.
    """
    release_reserve(path)
    database.execute("PRAGMA wal_checkpoint").fetchall()
    stop_growing(database)


def release_reserve(path: Path) -> None:
    """Give the space that was held back to SQLite.

    Raises:
        OSError: it cannot be removed.
    """
    _reserve_of(path).unlink(missing_ok=True)


def _reserve_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.reserve")


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is corrupt or no database.

    Python 3.10 has no error codes; SQLITE_CORRUPT and SQLITE_NOTADB are the ones it maps to the plain class.
    """
    return type(error) is sqlite3.DatabaseError


def is_full(error: sqlite3.Error) -> bool:
    """Whether the outbox or the disk has no room left."""
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)


def last_sequence(path: Path) -> int | None:
    """The last sequence that a damaged outbox handed out, if that part of it can still be read."""
    try:
        with closing(sqlite3.connect(path)) as database:
            (sequence,) = database.execute("SELECT sequence FROM counter").fetchone() or (None,)
    except sqlite3.Error:
        return None
    return sequence if isinstance(sequence, int) and 0 < sequence < 2**62 else None


def discard_quarantined(path: Path) -> None:
    """Remove damaged outboxes that were put aside.

    Raises:
        OSError: one cannot be removed.
    """
    for older in path.parent.glob(f"{path.name}.corrupt-*"):
        older.unlink()


def quarantine(path: Path) -> Path:
    """Put a damaged outbox aside for a technician; only the last one is kept, for the disk's sake.

    Raises:
        OSError: it cannot be renamed.
    """
    discard_quarantined(path)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside


REMEDY = "make its folder writable for this user, or set another outbox.state_dir"
"""What mends most troubles of a file."""
