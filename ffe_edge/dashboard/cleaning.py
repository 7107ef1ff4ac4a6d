"""Deletes once an hour what is older than it may be, in a thread of its own."""

from __future__ import annotations

import logging
import time
from typing import Final

from ffe_edge.background import Background
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.retention import clean
from ffe_edge.dashboard.settings import RetentionSettings
from ffe_edge.errors import StoreError

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3600.0
FIRST_SECONDS: Final = 60.0
"""After the start, which has enough to do."""


class Cleaning(Background):
    """Runs until ``stop``; what is being deleted then is deleted."""

    def __init__(self, database: Database, retention: RetentionSettings) -> None:
        super().__init__("cleaning")
        self._database = database
        self._retention = retention

    def _run(self) -> None:
        wait = FIRST_SECONDS
        while not self._stopping.wait(wait):
            wait = EVERY_SECONDS
            self._clean()

    def _clean(self) -> None:
        try:
            gone = clean(self._database, self._retention, time.time_ns() // 1_000_000, self._stopping.is_set)
        except StoreError as error:
            logger.warning("nothing old is deleted now: %s", error)
            return
        if count := sum(gone.values()):
            logger.info("%d rows were older than they may be, and are deleted", count)
