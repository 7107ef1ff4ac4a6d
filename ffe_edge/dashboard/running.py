"""The dashboard as a program: its threads, put together, started, stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial

from fastapi import APIRouter

from ffe_edge.dashboard.alert_message import alert_message
from ffe_edge.dashboard.alert_watch import News, Watch
from ffe_edge.dashboard.cleaning import Cleaning
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.intake import Intake
from ffe_edge.dashboard.metrics import figures
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.present import Present
from ffe_edge.dashboard.settings import DashboardSettings, database_url
from ffe_edge.dashboard.users import ensure_admin
from ffe_edge.dashboard.web.app import make_app, serve
from ffe_edge.dashboard.web.pages_all import ROUTERS
from ffe_edge.dashboard.web.seams import Parts
from ffe_edge.dashboard.webhook import Address, Webhook
from ffe_edge.errors import StoreError

logger = logging.getLogger(__name__)


class Dashboard:
    """``start`` it, then ``wait`` until somebody calls ``stop``."""

    def __init__(self, settings: DashboardSettings, pages: Iterable[APIRouter] = ()) -> None:
        """Read what the settings name; nothing is opened before ``start``.

        Args:
            settings: all of them.
            pages: routes beside those that every dashboard has.

        Raises:
            ConfigError: a file that the settings name cannot be used.
        """
        self.url = ""
        """What to open in a browser, once it is started."""
        self.first_password: str | None = None
        """One-time password of the first admin, where this start has made one."""
        self._settings = settings
        self._pages = (*ROUTERS, *pages)
        self._database = Database(database_url(settings.database))
        self._address = Address.from_settings(settings.webhook)
        self._webhook: Webhook | None = None
        self._present = Present()
        self._passwords = Passwords()
        self._running = ExitStack()
        self._stopping = threading.Event()

    @property
    def is_hearing(self) -> bool:
        """Whether the broker is connected."""
        return bool(self._present.snapshot()["broker"]["connected"])

    def start(self) -> None:
        """Bring the store up to date, then start all threads.

        Raises:
            FfeError: something cannot be used; what was started before it is stopped again.
        """
        with ExitStack() as started:
            started.callback(self._database.close)
            self._database.migrate()
            with self._database.writing() as connection:
                self.first_password = ensure_admin(connection, self._passwords, time.time_ns() // 1_000_000)
            settings = self._settings
            intake = Intake(self._database, settings.broker, settings.home.zone, self._present)
            self._webhook = None if self._address is None else Webhook(self._address)
            watch = Watch(
                self._database,
                settings.home.zone,
                hearing_since_ms=lambda: intake.subscriber.connected_since_ms,
                told=self._tell,
            )
            for part in (self._webhook, intake, watch, Cleaning(self._database, settings.retention)):
                if part is not None:
                    part.start()
                    started.callback(part.stop)
            self._serve(intake, started)
            self._running = started.pop_all()

    def wait(self) -> None:
        """Return when ``stop`` was called, and all has stopped."""
        self._stopping.wait()
        self._running.close()

    def stop(self) -> None:
        """Have ``wait`` return; for any thread."""
        self._stopping.set()

    def _serve(self, intake: Intake, started: ExitStack) -> None:
        parts = Parts(
            database=self._database,
            present=self._present,
            nodes=intake.nodes,
            settings=self._settings,
            figures=partial(figures, intake, self._webhook),
            passwords=self._passwords,
        )
        server = serve(make_app(parts, self._pages), self._settings.web)
        started.callback(server.stop)
        self.url = server.url
        logger.info("dashboard: %s", self.url)

    def _tell(self, news: Sequence[News]) -> None:
        """Pages and webhook are told of alerts."""
        for one in news:
            self._present.tell_alert({"event": one.event, "alert": asdict(one.alert)})
        if self._webhook is None:
            return
        with_names = self._settings.webhook.with_names
        try:
            with self._database.reading() as connection:
                messages = [alert_message(connection, one, with_names=with_names) for one in news]
        except StoreError as error:
            logger.warning("the webhook is not told of %d alerts: %s", len(news), error)
            return
        for message in messages:
            self._webhook.tell(message)
