"""Commands of the guides about the dashboard's database: a real PostgreSQL, a real SQLite file."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dashboard.postgresql import PostgreSql
from deploy.guide_blocks import DATABASE, GRAFANA, ROOT, commands_of
from deploy.guide_desk import Desk
from deploy.test_guides_terminal import require

from ffe_edge.dashboard.database import Database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def postgresql() -> Iterator[PostgreSql]:
    require("psql", "postgresql-client")
    with PostgreSql() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, postgresql: PostgreSql) -> Desk:
    """Of PostgreSQL's first user, with the tables of a dashboard."""
    for name in ("datasources", "dashboards"):
        (tmp_path / "etc" / "grafana" / "provisioning" / name).mkdir(parents=True)
    with closing(Database(postgresql.make_database("ffe"))) as database:
        database.migrate()
    return Desk(tmp_path, {"PGHOST": str(postgresql.folder), "PGUSER": "ffe"})


def asked(desk: Desk, sql: str) -> str:
    return desk.type_in(f'psql --dbname=ffe --tuples-only --no-align --command="{sql}"').strip()


def test_grafana_gets_a_user_that_can_only_look(desk: Desk) -> None:
    yaml = pytest.importorskip("yaml", reason="pyyaml is not installed: pip install 'ffe-edge[docs]'")
    group = grp.getgrgid(os.getgid()).gr_name
    for block in commands_of(GRAFANA):
        desk.type_in(block.text, {"-g grafana": f"-g {group}"})
    assert asked(desk, "SELECT rolpassword LIKE 'SCRAM%' FROM pg_authid WHERE rolname = 'grafana'") == "t"
    folder = desk.root / "etc" / "grafana"
    assert (folder / "ffe-edge.password").stat().st_mode & 0o777 == 0o640
    assert len((folder / "ffe-edge.password").read_text()) == 48
    (source,) = yaml.safe_load((folder / "provisioning/datasources/ffe-edge.yaml").read_text())["datasources"]
    (board,) = yaml.safe_load((folder / "provisioning/dashboards/ffe-edge.yaml").read_text())["providers"]
    assert source["type"] in (ROOT / "deploy" / "grafana" / "ffe-edge.json").read_text()
    assert source["secureJsonData"]["password"] == "$__file{/etc/grafana/ffe-edge.password}"
    assert (Path(board["options"]["path"]) / "ffe-edge.json").is_file()


def test_the_database_is_saved_and_opens_again(desk: Desk) -> None:
    for block in commands_of(DATABASE):
        instead = {"--pwprompt ffe": "--pwprompt care", "--owner ffe ffe": "--owner care care"}
        desk.type_in(block.text, {**instead, "--file=/var": f"--file={desk.root}/var"})
    assert "care" in asked(desk, "SELECT datname FROM pg_database")
    desk.type_in(f"pg_restore --clean --if-exists --dbname=ffe {desk.root}/var/backups/ffe.dump")
