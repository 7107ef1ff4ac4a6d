from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from dashboard.postgresql import PostgreSql
from sqlalchemy import insert, select, text

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.tables import METADATA, options
from ffe_edge.errors import ConfigError, StoreError


def test_the_migrations_make_the_tables_that_the_program_knows(database: Database) -> None:
    with database.writing() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(insert(options).values(key="a", value=[1]))
    database.migrate()
    with database.reading() as connection:
        assert connection.execute(select(options.c.value)).scalar_one() == [1]


def test_two_that_start_at_once_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(3)]
    threads = [threading.Thread(target=each.migrate) for each in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with databases[0].reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0001"]
    for each in databases:
        each.close()


def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    with closing(Database(database_url)) as database:
        database.migrate()
        with database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StoreError, match="newer version"):
            database.migrate()


def test_what_fails_is_not_written(database: Database) -> None:
    def fail() -> None:
        with database.writing() as connection:
            connection.execute(insert(options).values(key="a", value=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.reading() as connection:
        assert connection.execute(select(options)).all() == []


def test_writers_come_one_after_another(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(insert(options).values(key="n", value=0))

    def count() -> None:
        for _ in range(10):
            with database.writing() as connection:
                value = connection.execute(select(options.c.value)).scalar_one()
                connection.execute(options.update().values(value=value + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with database.reading() as connection:
        assert connection.execute(select(options.c.value)).scalar_one() == 40


def test_a_reader_writes_nothing_in_postgresql(postgresql: PostgreSql) -> None:
    with closing(Database(postgresql.make_database("readers"))) as database:
        database.migrate()
        with pytest.raises(StoreError, match="read-only"), database.reading() as connection:
            connection.execute(insert(options).values(key="a", value=1))


def test_sqlite_keeps_its_promises(sqlite: Database) -> None:
    with sqlite.reading() as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        told = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    assert told == ["wal", 2, 1, 5000]


def test_only_the_owner_reads_the_file(sqlite: Database, tmp_path: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("dashboard.sqlite*")} == {0o600}


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"database\.url"):
        Database(url)


def test_an_absent_database_is_told_without_its_password() -> None:
    database = Database("postgresql://ffe:geheim@127.0.0.1:1/care")
    with pytest.raises(StoreError, match=r"ffe:\*\*\*@127\.0\.0\.1:1/care cannot be used") as told:
        database.migrate()
    assert "geheim" not in str(told.value)


def test_a_database_that_was_away_is_used_again() -> None:
    with PostgreSql() as server, closing(Database(server.make_database("care"))) as database:
        database.migrate()
        server.stop("immediate")
        with pytest.raises(StoreError), database.reading() as connection:
            connection.execute(select(options))
        server.start()
        with database.reading() as connection:
            assert connection.execute(select(options)).all() == []
