"""The store on both databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from dashboard.postgresql import PostgreSql
from sqlalchemy import text

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.tables import METADATA

_NUMBERS = count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    """One server for all tests; each makes a database of its own in it."""
    with PostgreSql() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in SQLite with its tables, to be copied: quicker than to make it."""
    path = tmp_path_factory.mktemp("migrated") / "dashboard.sqlite"
    with closing(Database(f"sqlite:///{path}")) as database:
        database.migrate()
    return path


@pytest.fixture(scope="session")
def migrated_database(postgresql: PostgreSql) -> Iterator[Database]:
    """A store in PostgreSQL with its tables, to be emptied: quicker than to make it."""
    with closing(Database(postgresql.make_database("migrated"))) as database:
        database.migrate()
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new and empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'dashboard.sqlite'}"
    server: PostgreSql = request.getfixturevalue("postgresql")
    return server.make_database(f"test{next(_NUMBERS)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A new store of either kind, with its tables."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite")
        return
    migrated: Database = request.getfixturevalue("migrated_database")
    with migrated.writing() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(METADATA.tables)} RESTART IDENTITY CASCADE"))
    yield migrated


@pytest.fixture
def sqlite(tmp_path: Path, migrated_file: Path) -> Iterator[Database]:
    """A new store in SQLite, with its tables: for what does not depend on the kind of database."""
    path = tmp_path / "dashboard.sqlite"
    shutil.copyfile(migrated_file, path)
    path.chmod(0o600)
    with closing(Database(f"sqlite:///{path}")) as database:
        yield database
