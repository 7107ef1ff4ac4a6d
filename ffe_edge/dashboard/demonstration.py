"""The dashboard as ``ffe-edge demo`` shows it: a store of its own, three simulated residents, a link that signs in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import final

from sqlalchemy import func, select

from ffe_edge.config import Config
from ffe_edge.dashboard import options
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.demo_home import SimulatedHome
from ffe_edge.dashboard.demo_link import DemoLink
from ffe_edge.dashboard.demo_past import HOME, SIMULATED_NODE, furnish, make_manager
from ffe_edge.dashboard.demo_session import end_session
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.running import Dashboard
from ffe_edge.dashboard.settings import DashboardSettings, DatabaseSettings, WebSettings
from ffe_edge.dashboard.tables import events, nodes


@final
class Demonstration:
    """``with Demonstration(config, folder, ...) as shown: open(shown.url)``."""

    def __init__(
        self, config: Config, folder: Path, *, port: int, with_residents: bool, show: Callable[[str], None]
    ) -> None:
        """Nothing is started yet.

        Args:
            config: the device's; the broker that it names is used.
            folder: for the store.
            port: of the pages on 127.0.0.1, 0 for any.
            with_residents: simulated ones, who tell at the broker, too: only where it is the demo's own.
            show: gets a line for the user.
        """
        self.url = ""
        """Signs in whoever opens it first; once entered."""
        self._address = ""
        self._config = config
        self._url = f"sqlite:///{folder / 'dashboard.sqlite'}"
        self._port = port
        self._with_residents = with_residents
        self._show = show
        self._database = Database(self._url)
        self._running = ExitStack()

    def __enter__(self) -> Demonstration:
        """Start all of it.

        Raises:
            FfeError: the port is taken, or the broker's settings cannot be used.
        """
        with ExitStack() as started:
            started.enter_context(closing(self._database))
            link = DemoLink(self._prepare(), lambda path: self._show(f"for another browser: {self._address}{path}"))
            dashboard = Dashboard(self._settings(), [link.router])
            if not self._with_residents:
                started.callback(self._end_session)
            dashboard.start()
            started.callback(dashboard.wait)
            started.callback(dashboard.stop)
            self._address = dashboard.url.rstrip("/")
            self.url = self._address + link.path
            if self._with_residents:
                broker, site = self._config.broker, self._config.site
                topic = f"{broker.root_topic}/{site}/{SIMULATED_NODE}"
                started.enter_context(SimulatedHome(broker.url or "", topic, lambda: dashboard.is_hearing))
            self._running = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def arrived(self) -> int:
        """Events of the real device in the store."""
        ours = (nodes.c.site == self._config.site) & (nodes.c.node == self._config.node)
        query = select(func.count()).select_from(events.join(nodes, nodes.c.id == events.c.node_id)).where(ours)
        with self._database.reading() as connection:
            return connection.execute(query.where(events.c.kind == "emotion")).scalar_one()

    def _prepare(self) -> int:
        """Make the store; returns the id of who looks at it."""
        now_ms = time.time_ns() // 1_000_000
        self._database.migrate()
        with self._database.writing() as connection:
            if self._with_residents:
                furnish(connection, self._config.site, self._config.node, _names(self._config), now_ms)
            return make_manager(connection, Passwords(), now_ms).id

    def _end_session(self) -> None:
        with self._database.reading() as connection:
            client_id = options.read(connection, "client-id")
        if isinstance(client_id, str):
            end_session(self._config.broker, client_id)

    def _settings(self) -> DashboardSettings:
        broker = self._config.broker
        database = DatabaseSettings(url=self._url)
        return DashboardSettings(broker=broker, database=database, web=WebSettings(port=self._port), home=HOME)


def _names(config: Config) -> Sequence[str]:
    return [camera.id for camera in config.cameras]
