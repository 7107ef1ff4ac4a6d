"""The dashboard beside the real daemon."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from dashboard.intake import Running
from e2e.daemon import Daemon, write_busy_clip
from e2e.mosquitto import Mosquitto, wait_for
from sqlalchemy import select

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.tables import events, nodes


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_daemon_told_before_anybody_listened_is_asked_for_and_comes(tmp_path: Path) -> None:
    clip = write_busy_clip(tmp_path / "clip.avi", seconds=120)
    broker_folder, daemon_folder = tmp_path / "broker", tmp_path / "daemon"
    broker_folder.mkdir()
    daemon_folder.mkdir()
    with (
        Mosquitto(broker_folder) as broker,
        configured(Daemon(daemon_folder, broker.url), clip) as daemon,
        closing(Database(f"sqlite:///{tmp_path / 'store.sqlite'}")) as database,
    ):
        database.migrate()
        assert daemon.tells(10)
        early = daemon.ids()
        with Running(broker, database) as intake:
            assert wait_for(lambda: set(early) <= stored(database), 60)
            assert wait_for(lambda: intake.intake.book.missing() == 0, 30)
            assert intake.intake.book.lost == 0
            with database.reading() as connection:
                assert connection.execute(select(nodes.c.sequence_seen)).scalar_one() >= len(early)


def configured(daemon: Daemon, clip: Path) -> Daemon:
    daemon.configure(f'source = "{clip}"\nrealtime = true')
    return daemon


def stored(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(select(events.c.id)).scalars())
