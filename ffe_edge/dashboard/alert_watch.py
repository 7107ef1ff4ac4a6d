"""The watch: looks every few seconds, begins and ends alerts, and tells who wants to know."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ffe_edge.background import Background
from ffe_edge.dashboard.alert_facts import Facts, Found
from ffe_edge.dashboard.alert_hold import Held, Opened, Outcome, look
from ffe_edge.dashboard.alert_settings import AlertSettings, RuleName
from ffe_edge.dashboard.alert_store import (
    Alert,
    Key,
    end_alert,
    open_alert,
    read_held,
    read_settings,
    write_held,
)
from ffe_edge.dashboard.database import Database
from ffe_edge.errors import StoreError

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 20.0
HOUR_MS: Final = 3_600_000
LONGEST_COOL_DOWN_MS: Final = 7 * 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class News:
    """Something has become of an alert."""

    event: Literal["opened", "ended"]
    alert: Alert


class Watch(Background):
    """Looks at the store in a thread of its own."""

    def __init__(
        self,
        database: Database,
        zone: ZoneInfo,
        *,
        hearing_since_ms: Callable[[], int | None],
        told: Callable[[Sequence[News]], None],
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is looked at before ``start``.

        Args:
            database: the store, with its tables.
            zone: of the home.
            hearing_since_ms: since when the broker is connected; None: it is not.
            told: takes what has become of alerts, after the commit.
            look_seconds: between two looks.
            clock: Unix seconds.
        """
        super().__init__("watch")
        self._database = database
        self._zone = zone
        self._hearing_since_ms = hearing_since_ms
        self._told = told
        self._look_seconds = look_seconds
        self._clock = clock
        self._facts = Facts(zone)
        self._is_failing = False

    def look(self) -> list[News]:
        """Look once.

        Raises:
            StoreError: the store cannot be used; nothing has changed.
        """
        now_ms = int(self._clock() * 1000)
        hearing_since_ms = self._hearing_since_ms()
        with self._database.reading() as connection:
            settings = read_settings(connection)
            found = self._facts.look(connection, settings, now_ms, hearing_since_ms)
            before = read_held(connection)
        after: dict[Key, Held] = {}
        with self._database.writing() as connection:
            news = self._weighed(connection, settings, found, before, after, now_ms)
            if hearing_since_ms is None:  # of devices nothing is known: what is remembered of them stays as it is
                after |= {key: held for key, held in before.items() if key not in after and _is_of_device(key)}
            news += _ended(connection, before.keys() - after.keys(), before, now_ms)
            after = {key: held for key, held in after.items() if _is_worth_keeping(held, now_ms)}
            if after != before:
                write_held(connection, after)
        if news:
            self._told(news)
        return news

    def _weighed(
        self,
        connection: Connection,
        settings: AlertSettings,
        found: Sequence[Found],
        before: dict[Key, Held],
        after: dict[Key, Held],
        now_ms: int,
    ) -> list[News]:
        news: list[News] = []
        is_quiet = settings.quiet_hours.cover(datetime.fromtimestamp(now_ms / 1000, self._zone))
        for one in found:
            key = (one.rule, one.subject)
            rule = settings.rule(one.rule)
            finding = one.finding if rule.enabled else None
            after[key], outcomes = look(before.get(key, Held()), rule, finding, now_ms, is_quiet=is_quiet)
            for outcome in outcomes:
                news += _stored(connection, one.rule, one.subject, outcome, now_ms)
        return news

    def _run(self) -> None:
        while not self._stopping.wait(self._look_seconds):
            self._try_to_look()

    def _try_to_look(self) -> None:
        try:
            self.look()
        except StoreError as error:
            if not self._is_failing:
                logger.warning("alerts are not looked for: %s", error)
            self._is_failing = True
        else:
            self._is_failing = False


def _stored(connection: Connection, rule: RuleName, subject: str, outcome: Outcome, now_ms: int) -> list[News]:
    if isinstance(outcome, Opened):
        alert = open_alert(
            connection,
            rule,
            subject,
            outcome.finding,
            now_ms=now_ms,
            found_ms=outcome.found_ms,
            is_delayed=outcome.is_delayed,
        )
        return [News("opened", alert)]
    return [News("ended", alert) for alert in end_alert(connection, rule, subject, now_ms)]


def _ended(connection: Connection, gone: set[Key], before: dict[Key, Held], now_ms: int) -> list[News]:
    """What is there no longer, or is not watched any more, is nobody's alert."""
    opened = [(rule, subject) for rule, subject in gone if before[rule, subject].opened_ms is not None]
    ended = [end_alert(connection, rule, subject, now_ms) for rule, subject in sorted(opened)]
    return [News("ended", alert) for alerts in ended for alert in alerts]


def _is_of_device(key: Key) -> bool:
    return key[1].startswith(("node:", "camera:"))


def _is_worth_keeping(held: Held, now_ms: int) -> bool:
    """Nothing found, nothing open, no cool-down: nothing to remember."""
    if held.found_since_ms is not None or held.opened_ms is not None or held.waiting is not None:
        return True
    return held.ended_ms is not None and now_ms - held.ended_ms < LONGEST_COOL_DOWN_MS
