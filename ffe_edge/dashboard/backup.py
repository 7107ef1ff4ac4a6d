"""A copy of the dashboard's SQLite database, taken while it runs: one file, whole, that only its user reads."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from ffe_edge.atomic_file import sync_folder, temporary_beside, write_new
from ffe_edge.errors import ConfigError, StoreError

BUSY_SECONDS: Final = 30
"""So long it waits for a writer that changes the file as a whole."""


def back_up(url: str, path: Path) -> int:
    """Copy what is committed now; the dashboard goes on meanwhile.

    Args:
        url: of the database, ``sqlite:////path/of/the/file``.
        path: of the copy; one that is there is replaced when the new one is whole.

    Returns:
        Its size in bytes.

    Raises:
        ConfigError: it is PostgreSQL's, which has a program of its own for it; or the path is a folder's or its own.
        StoreError: there is no such database, it is damaged, or the copy cannot be written.
    """
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database:
        raise ConfigError("--backup copies SQLite's file; for PostgreSQL: pg_dump --format=custom --file=FILE NAME")
    source = Path(parts.database).absolute()
    if not path.name or path.is_dir():
        raise ConfigError(f"--backup {path}: is a folder; name the file of the copy")
    if path.exists() and source.exists() and path.samefile(source):
        raise ConfigError(f"--backup {path}: is the database itself; name another file")
    temporary = temporary_beside(path)
    try:
        write_new(temporary, b"")
        _copy(source, temporary)
        _check(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
        return path.stat().st_size
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{source}: cannot be copied to {path} ({error})") from error
    finally:
        for leftover in temporary.parent.glob(f"{temporary.name}*"):
            with suppress(OSError):
                leftover.unlink()


def _copy(source: Path, target: Path) -> None:
    """All pages at once: in steps it would begin again whenever the dashboard writes."""
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it


def _check(path: Path) -> None:
    with closing(sqlite3.connect(path)) as copy:
        (said,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {said}")
