"""The store on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from dashboard.postgresql import PostgreSql

from ffe_edge.dashboard.database import Database

_NUMBERS = count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    """One server for all tests; each makes a database of its own in it."""
    with PostgreSql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'dashboard.sqlite'}"
    server: PostgreSql = request.getfixturevalue("postgresql")
    return server.make_database(f"test{next(_NUMBERS)}")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A new store of either kind, with its tables."""
    with closing(Database(database_url)) as database:
        database.migrate()
        yield database


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """A new store in SQLite, with its tables: for what does not depend on the kind of database."""
    with closing(Database(f"sqlite:///{tmp_path / 'dashboard.sqlite'}")) as database:
        database.migrate()
        yield database
