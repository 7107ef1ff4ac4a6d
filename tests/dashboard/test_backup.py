"""A copy of the store is whole while others write, and nothing is left or lost when it cannot be made."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_edge.dashboard.backup import back_up
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.tables import rooms
from ffe_edge.errors import ConfigError, StoreError


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path}/dashboard.sqlite"
    with closing(Database(address)) as database:
        database.migrate()
    return address


def test_a_copy_that_is_taken_while_somebody_writes_opens_and_goes_on(tmp_path: Path, url: str) -> None:
    path, begun, stop = tmp_path / "copy.sqlite", threading.Event(), threading.Event()

    def write() -> None:
        with closing(Database(url)) as database:
            for number in range(10_000):
                with database.writing() as connection:
                    connection.execute(insert(rooms).values(name_ja="", name_en=str(number), floor="", position=number))
                begun.set()
                if stop.wait(0.001):
                    return

    with closing(Database(url)) as database, database.reading() as connection:
        assert connection.execute(select(rooms.c.id)).all() == []
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(30)
        sizes = [back_up(url, path) for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    assert sizes[-1] == path.stat().st_size > 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.glob("*copy*")) == ["copy.sqlite"]
    with closing(Database(f"sqlite:///{path}")) as database:
        database.migrate()
        with database.reading() as connection:
            positions = connection.execute(select(rooms.c.position).order_by(rooms.c.position)).scalars().all()
    assert positions == list(range(len(positions)))
    assert positions


def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.sqlite: cannot be copied"):
        back_up(f"sqlite:///{tmp_path}/none.sqlite", tmp_path / "copy.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_does_not_replace_the_copy_before(tmp_path: Path, url: str) -> None:
    path, file = tmp_path / "copy.sqlite", tmp_path / "dashboard.sqlite"
    back_up(url, path)
    before = path.read_bytes()
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        back_up(url, path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*.part*"))


def test_another_database_s_own_program_is_named() -> None:
    with pytest.raises(ConfigError, match="pg_dump"):
        back_up("postgresql://ffe@127.0.0.1/ffe", Path("copy"))


def test_the_command_copies_what_the_settings_name(tmp_path: Path, url: str) -> None:
    (tmp_path / "dashboard.toml").write_text(f'[database]\nurl = "{url}"\n')
    words = ["dashboard", "--config", str(tmp_path / "dashboard.toml"), "--backup", str(tmp_path / "copy.sqlite")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert "checked" in told.output
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as copy:
        assert copy.execute("SELECT count(*) FROM rooms").fetchone() == (0,)


@pytest.mark.parametrize("name", ["dashboard.sqlite", "link.sqlite", "."])
def test_the_database_itself_is_never_written_over(tmp_path: Path, url: str, name: str) -> None:
    (tmp_path / "link.sqlite").symlink_to("dashboard.sqlite")
    before = (tmp_path / "dashboard.sqlite").read_bytes()
    with pytest.raises(ConfigError, match=r"is the database itself|is a folder"):
        back_up(url, tmp_path / name)
    assert (tmp_path / "dashboard.sqlite").read_bytes() == before
