"""What a webhook is told of an alert."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert

from ffe_edge.dashboard.alert_message import alert_message
from ffe_edge.dashboard.alert_store import Alert
from ffe_edge.dashboard.alert_watch import News
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.tables import cameras, nodes, residents, rooms

PLACE = {"state": "online", "since_ms": 0, "heard_ms": 0}
DETAIL = {"key": "long-emotion", "figures": {"emotion": "sadness"}, "found_ms": 1_790_000_000_000, "is_delayed": True}


@pytest.fixture
def home(sqlite: Database) -> Database:
    with sqlite.writing() as connection:
        connection.execute(insert(residents).values(id="tanaka", name="田中花", room_id=1, created_ms=0))
        connection.execute(insert(rooms).values(id=1, name_ja="椿", name_en="Camellia", floor="1", position=1))
        connection.execute(insert(nodes).values(id=1, site="kiso", node="edge-01", sequence_seen=0, **PLACE))
        connection.execute(insert(cameras).values(id=1, node_id=1, name="room", room_id=1, reason="", **PLACE))
    return sqlite


def message(home: Database, subject: str, *, with_names: bool, detail: dict[str, Any] | None = None) -> dict[str, Any]:
    alert = Alert(7, "long-sadness", subject, 1_790_000_060_000, None, "warning", DETAIL if detail is None else detail)
    with home.reading() as connection:
        return alert_message(connection, News("opened", alert), with_names=with_names)


def test_nobody_is_named_unless_it_is_wanted(home: Database) -> None:
    told = message(home, "resident:tanaka", with_names=False)
    assert told == {
        "version": 1,
        "event": "opened",
        "alert": 7,
        "rule": "long-sadness",
        "severity": "warning",
        "subject": "resident",
        "found": "2026-09-21T14:13:20.000Z",
        "opened": "2026-09-21T14:14:20.000Z",
        "ended": None,
        "delayed": True,
        "sentence": {"key": "long-emotion", "figures": {"emotion": "sadness"}},
    }
    told = message(home, "camera:1", with_names=False)
    assert (told["node"], told["camera"], "room" in told) == ("kiso/edge-01", "room", False)


def test_names_are_told_where_they_are_wanted(home: Database) -> None:
    told = message(home, "resident:tanaka", with_names=True)
    assert (told["resident"], told["name"], told["room"]) == ("tanaka", "田中花", "椿")
    assert message(home, "camera:1", with_names=True)["room"] == "椿"


@pytest.mark.parametrize("subject", ["resident:", "resident:gone", "node:9", "camera:9"])
def test_who_is_there_no_longer_is_told_without_a_name(home: Database, subject: str) -> None:
    told = message(home, subject, with_names=True, detail={})
    assert "tanaka" not in json.dumps(told)
    assert told["sentence"] == {"key": None, "figures": {}}
