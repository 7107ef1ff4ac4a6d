"""The database: SQLite or PostgreSQL, the same to everybody above.

Writers come one after another on both: what a writer reads stays true until it commits. Readers wait for nobody.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ffe_edge.errors import ConfigError, StoreError

BUSY_SECONDS: Final = 5
"""So long a writer of SQLite waits for another; so long a connection to PostgreSQL may take."""
WRITERS_LOCK: Final = 0x66666564
"""Name of the lock that writers take in PostgreSQL; "ffed" in ASCII."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"
_MIGRATING: Final = threading.Lock()
"""Alembic is for one thread."""
_WRITES: Final = "ffe_writes"
_UNUSABLE: Final = (
    sqlite3.Error,
    OperationalError,
    InterfaceError,
    InternalError,
    DisconnectionError,
    PoolTimeoutError,
)


class Database:
    """Connections to the store. For many threads; each block has a connection and a transaction of its own."""

    def __init__(self, url: str) -> None:
        """Made, not yet opened.

        Args:
            url: ``sqlite:////path/of/the/file`` or ``postgresql://user:password@host/name``.

        Raises:
            ConfigError: it is none of these.
        """
        parts = _checked(url)
        self.is_postgresql = parts.get_backend_name() == "postgresql"
        self.told_url = parts.render_as_string(hide_password=True)
        """For people: without the password."""
        self._engine = _postgresql(parts) if self.is_postgresql else _sqlite(parts)
        readers = {"postgresql_readonly": True} if self.is_postgresql else {}
        self._readers = self._engine.execution_options(**readers)
        self._writers = self._engine.execution_options(**{_WRITES: True})

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read by.

        Raises:
            StoreError: the database cannot be used at present.
        """
        with self._told(), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection to write by: all is committed at the end of the block, or nothing.

        Raises:
            StoreError: the database cannot be used at present; nothing was written.
        """
        with self._told(), self._writers.begin() as connection:
            if self.is_postgresql:
                connection.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": WRITERS_LOCK})
            yield connection

    def migrate(self) -> None:
        """Bring the tables to what this version needs. Of several that start at once one does it.

        Raises:
            StoreError: the database cannot be used, or was made by a newer version.
        """
        if not self.is_postgresql:
            with self._told():
                _make_file(Path(self._engine.url.database or ""))
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        try:
            with _MIGRATING, self.writing() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"the database {self.told_url} was made by a newer version of ffe-edge: install that one"
            ) from error

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except _UNUSABLE as error:
            raise StoreError(f"the database {self.told_url} cannot be used: {_reason(error)}") from error


def _checked(url: str) -> URL:
    try:
        parts = make_url(url)
    except ArgumentError as error:
        raise ConfigError("database.url: not a URL; write sqlite:////path/of/the/file, say") from error
    backend = parts.get_backend_name()
    if backend == "postgresql":
        return parts.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or parts.database in (None, "", ":memory:"):
        raise ConfigError("database.url: use sqlite:////path/of/the/file or postgresql://user@host/name")
    return parts


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=10,
        pool_timeout=BUSY_SECONDS,
        connect_args={"connect_timeout": BUSY_SECONDS, "application_name": "ffe-edge dashboard"},
        hide_parameters=True,
    )


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=10,
        max_overflow=10,
        pool_timeout=BUSY_SECONDS,
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _on_sqlite_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # secure_delete: what is forgotten is overwritten, which not every build of SQLite does unasked.
    for setting in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", f"busy_timeout={BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {setting}").close()


def _on_sqlite_begin(connection: Connection) -> None:
    """Begin as what it is: a writer that began as a reader could not be let wait for another writer."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_file(path: Path) -> None:
    """Only its owner reads it; SQLite makes the files beside it like it. That it has a log of writes stays with it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be made ({error.strerror}); choose another database.url") from error
    deadline_seconds = time.monotonic() + BUSY_SECONDS
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        while not _has_log(connection):  # SQLite does not wait where two ask for it at once
            if time.monotonic() > deadline_seconds:
                raise StoreError(f"{path}: is in use by another program that does not let go of it; end that one")
            time.sleep(0.05)


def _has_log(connection: sqlite3.Connection) -> bool:
    try:
        return bool(connection.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",))
    except sqlite3.OperationalError as error:
        if "locked" in str(error):  # Python 3.10 does not tell the code
            return False
        raise


def _reason(error: Exception) -> str:
    """One line of what the driver says; statements and values are left out."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300] or type(cause).__name__
