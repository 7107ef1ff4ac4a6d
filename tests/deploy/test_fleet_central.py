"""Several homes at one centre: bridges, certificates, dashboards on one PostgreSQL, each with what is its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dashboard.payloads import event, status
from dashboard.postgresql import PostgreSql
from deploy.fleet_homes import Client, Homes
from e2e.mosquitto import wait_for
from sqlalchemy import Table, func, select

from ffe_edge.config import BrokerSettings
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.intake import Intake
from ffe_edge.dashboard.present import Present
from ffe_edge.dashboard.tables import events, nodes

SITES = ("kiso", "hida")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSql]:
    with PostgreSql() as server:
        yield server


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    with Homes(tmp_path, SITES, {site: (site,) for site in SITES}) as all_of_them:
        yield all_of_them


@contextmanager
def dashboard(homes: Homes, user: str, database: Database) -> Iterator[Intake]:
    """A dashboard with the certificate of a user of the centre."""
    certificate, key = homes.authority.issue(user, f"dashboard-{user}")
    settings = BrokerSettings(
        url=f"mqtts://localhost:{homes.centre.port}",
        ca_file=Path(homes.authority.ca),
        certificate_file=Path(certificate),
        key_file=Path(key),
        backoff_max_seconds=1,
    )
    database.migrate()
    intake = Intake(database, settings, ZoneInfo("Asia/Tokyo"), Present())
    intake.start()
    try:
        assert wait_for(lambda: intake.subscriber.state == "connected"), intake.subscriber.reason
        yield intake
    finally:
        intake.stop()


def stored(database: Database, table: Table) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def sites(database: Database) -> list[str]:
    with database.reading() as connection:
        return sorted(connection.execute(select(nodes.c.site).distinct()).scalars())


def tell(node: Client, site: str, count: int, first: int = 1) -> None:
    node.publish(f"ffe/v1/{site}/edge-01/status", status(), retain=True)
    for number in range(first, first + count):
        node.publish(f"ffe/v1/{site}/edge-01/camera/day-room/emotion", event("change", "joy", sequence=number))


def test_each_home_has_a_dashboard_that_sees_it_alone_and_one_sees_all(homes: Homes, postgresql: PostgreSql) -> None:
    with ExitStack() as stack:
        stores = {name: stack.enter_context(closing(Database(postgresql.make_database(name))))
                  for name in (*SITES, "overview")}  # fmt: skip
        for name, database in stores.items():
            stack.enter_context(dashboard(homes, name, database))
        for site, count in (("kiso", 20), ("hida", 30)):
            tell(stack.enter_context(homes.at_home(site, f"{site}-edge-01")), site, count)
        assert wait_for(lambda: stored(stores["overview"], events) == 50, 30)
        assert wait_for(lambda: (stored(stores["kiso"], events), stored(stores["hida"], events)) == (20, 30), 30)
        assert {name: sites(database) for name, database in stores.items()} == {
            "kiso": ["kiso"],
            "hida": ["hida"],
            "overview": ["hida", "kiso"],
        }


def test_what_is_told_while_the_dashboard_of_the_centre_is_away_is_stored_when_it_is_back(
    homes: Homes, postgresql: PostgreSql
) -> None:
    with closing(Database(postgresql.make_database("away"))) as database, homes.at_home("kiso") as node:
        with dashboard(homes, "kiso", database):
            tell(node, "kiso", 10)
            assert wait_for(lambda: stored(database, events) == 10, 30)
        tell(node, "kiso", 40, first=11)
        homes.centre.save()
        homes.centre.kill()
        homes.centre.start()
        with dashboard(homes, "kiso", database):
            assert wait_for(lambda: stored(database, events) == 50, 30)
