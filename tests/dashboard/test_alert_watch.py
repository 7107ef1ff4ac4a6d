"""The watch on a real store: what begins, ends, waits, and is remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from ffe_edge.dashboard import options
from ffe_edge.dashboard.alert_settings import AlertSettings, LongEmotion, NodeSilent, QuietHours
from ffe_edge.dashboard.alert_store import acknowledge, alerts_page, get_alert, handle, read_held
from ffe_edge.dashboard.alert_watch import News, Watch
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.tables import alerts, cameras, nodes, residents, rollups, spells

TOKYO = ZoneInfo("Asia/Tokyo")
MINUTE_MS, DAY_MS = 60_000, 86_400_000
NOON_MS = 1_790_046_000_000
"""2026-09-22 12:00 in Tokyo."""
NIGHT_MS = NOON_MS + 12 * 60 * MINUTE_MS


BRIEF = LongEmotion(window_minutes=20, seen_minutes=5, shown_minutes=5, hold_minutes=5, release_minutes=5)


class House:
    """A node, a camera, a resident who consented and 28 usual days; a clock that is turned by hand."""

    def __init__(self, database: Database, now_ms: int = NOON_MS) -> None:
        self.database = database
        self.now_ms = now_ms
        self.hears = True
        self.told: list[News] = []
        self.watch = self.new_watch()
        with database.writing() as connection:
            place = {"state": "online", "since_ms": now_ms, "heard_ms": now_ms}
            connection.execute(insert(nodes).values(id=1, site="kiso", node="edge-01", sequence_seen=0, **place))
            connection.execute(insert(cameras).values(id=1, node_id=1, name="room", reason="", **place))
            who = {"id": "r1", "name": "花", "consent_by": "x", "consent_at_ms": 1, "created_ms": 1}
            connection.execute(insert(residents).values(who))
            days = [NOON_MS - 12 * 60 * MINUTE_MS - day * DAY_MS for day in range(1, 29)]
            usual = {"joy": 60, "neutral": 530, "sadness": 10}
            rows = [
                {"subject": "resident:r1", "unit": "day", "start_ms": day, "emotion": emotion, "ms": each * MINUTE_MS}
                for day in days
                for emotion, each in usual.items()
            ]
            connection.execute(insert(rollups), rows)

    def new_watch(self) -> Watch:
        return Watch(
            self.database,
            TOKYO,
            hearing_since_ms=lambda: 0 if self.hears else None,
            told=self.told.extend,
            clock=lambda: self.now_ms / 1000,
        )

    def show(self, emotion: str, minutes: float, *, open_ended: bool = False) -> None:
        """A spell that ended now, or that lasts."""
        ended = {} if open_ended else {"ended_ms": self.now_ms, "end_reason": "change"}
        row = {"camera_id": 1, "track_key": "b/1", "resident_id": "r1", "emotion": emotion, "sequence": 1}
        with self.database.writing() as connection:
            began_ms = round(self.now_ms - minutes * MINUTE_MS)
            connection.execute(insert(spells).values(**row, began_ms=began_ms, **ended))

    def pass_minutes(self, minutes: int, *, is_heard: bool = True, each: Callable[[], None] | None = None) -> None:
        for _ in range(minutes):
            self.now_ms += MINUTE_MS
            if each:
                each()
            if is_heard:
                self.set(nodes, heard_ms=self.now_ms)
                self.set(cameras, heard_ms=self.now_ms)
            self.watch.look()

    def set(self, table: Any, **values: Any) -> None:
        with self.database.writing() as connection:
            connection.execute(update(table).values(values))

    def rules(self, **rules: Any) -> None:
        with self.database.writing() as connection:
            options.write(connection, "alert-settings", AlertSettings(**rules).model_dump())

    def events(self) -> list[tuple[str, str, str]]:
        return [(news.event, news.alert.rule, news.alert.subject) for news in self.told]


@pytest.fixture
def house(sqlite: Database) -> House:
    return House(sqlite)


def test_a_long_sadness_opens_an_alert_once_and_ends_it(house: House) -> None:
    house.rules(long_sadness=BRIEF)
    house.pass_minutes(20, each=lambda: house.show("sadness", 1))
    assert house.events() == [("opened", "long-sadness", "resident:r1")]
    detail = house.told[0].alert.detail
    assert detail["key"] == "long-emotion"
    assert detail["figures"]["usual"] == pytest.approx(10 / 600, abs=0.001)
    house.pass_minutes(30, each=lambda: house.show("neutral", 1))
    assert house.events()[1:] == [("ended", "long-sadness", "resident:r1")]


def test_the_start_of_a_spell_and_silence_after_it_are_no_long_emotion(house: House) -> None:
    house.show("anger", 0, open_ended=True)
    house.hears = False
    house.pass_minutes(90, is_heard=False)
    assert house.told == []


def test_of_who_did_not_consent_nothing_is_found(house: House) -> None:
    house.set(residents, withdrawn_at_ms=2)
    house.pass_minutes(60, each=lambda: house.show("sadness", 1))
    assert house.told == []


def test_days_without_joy_are_told(house: House) -> None:
    recent = NOON_MS - 12 * 60 * MINUTE_MS - 3 * DAY_MS
    with house.database.writing() as connection:
        joy = (rollups.c.emotion == "joy") & (rollups.c.start_ms >= recent)
        connection.execute(update(rollups).where(joy).values(ms=0))
    house.pass_minutes(5)
    assert house.events() == [("opened", "no-joy", "resident:r1")]


def test_a_silent_node_is_told_and_ends_when_it_speaks_again(house: House) -> None:
    house.pass_minutes(15, is_heard=False)
    assert house.events() == [("opened", "node-silent", "node:1")]
    house.pass_minutes(5)
    assert house.events()[1:] == [("ended", "node-silent", "node:1")]


def test_while_the_broker_is_away_no_node_is_silent(house: House) -> None:
    house.hears = False
    house.pass_minutes(60, is_heard=False)
    assert house.told == []


def test_a_camera_that_is_down_is_told_and_one_in_privacy_is_not(house: House) -> None:
    house.set(cameras, state="privacy")
    house.pass_minutes(20)
    assert house.told == []
    house.set(cameras, state="stalled")
    house.pass_minutes(7)
    assert house.events() == [("opened", "camera-down", "camera:1")]


def test_quiet_hours_delay_and_a_restart_loses_nothing(sqlite: Database) -> None:
    house = House(sqlite, NIGHT_MS)
    house.rules(quiet_hours=QuietHours(start="22:00", end="01:00"), long_fear=BRIEF)
    house.pass_minutes(15, each=lambda: house.show("fear", 1))
    house.watch = house.new_watch()
    house.pass_minutes(50)
    assert house.events() == [("opened", "long-fear", "resident:r1"), ("ended", "long-fear", "resident:r1")]
    assert house.told[0].alert.detail["is_delayed"]
    assert house.told[0].alert.opened_ms == NIGHT_MS + 60 * MINUTE_MS


def test_an_open_alert_outlives_a_restart_and_is_not_opened_twice(house: House) -> None:
    house.pass_minutes(15, is_heard=False)
    house.watch = house.new_watch()
    house.pass_minutes(15, is_heard=False)
    assert house.events() == [("opened", "node-silent", "node:1")]


def test_a_rule_that_is_switched_off_says_nothing(house: House) -> None:
    house.rules(node_silent=NodeSilent(enabled=False), long_sadness=LongEmotion(enabled=False))
    house.pass_minutes(60, is_heard=False)
    assert house.told == []


def test_who_is_forgotten_leaves_no_trace_with_the_watch(house: House) -> None:
    house.pass_minutes(40, each=lambda: house.show("sadness", 1))
    with house.database.writing() as connection:
        connection.execute(residents.delete())
    house.pass_minutes(1)
    assert house.events()[-1] == ("ended", "long-sadness", "resident:r1")
    with house.database.reading() as connection:
        assert read_held(connection) == {}


def test_an_alert_is_acknowledged_and_handled_by_whom_and_when(house: House) -> None:
    house.pass_minutes(15, is_heard=False)
    with house.database.writing() as connection:
        alert_id = connection.execute(select(alerts.c.id)).scalar_one()
        acknowledge(connection, alert_id, "佐藤", 10)
        acknowledge(connection, alert_id, "鈴木", 20)
        handle(connection, alert_id, "鈴木", 30, "電源を入れた")
        alert = get_alert(connection, alert_id)
        assert (alert.acknowledged_by, alert.acknowledged_ms) == ("佐藤", 10)
        assert (alert.handled_by, alert.handled_ms, alert.note) == ("鈴木", 30, "電源を入れた")
        assert alerts_page(connection, only_open=True) == []
        with pytest.raises(RefusedError):
            handle(connection, 999, "鈴木", 1)
