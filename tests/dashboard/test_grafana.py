"""Grafana's dashboard asks the real store in words that it understands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.demo_past import furnish
from ffe_edge.dashboard.rollups import DAY_MS
from ffe_edge.dashboard.tables import events, summaries

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "dashboard.md"
BOARD = json.loads((ROOT / "deploy" / "grafana" / "ffe-edge.json").read_text(encoding="utf-8"))
PANELS: dict[str, dict[str, Any]] = {panel["title"]: panel for panel in BOARD["panels"]}
RESIDENTS = BOARD["templating"]["list"][1]["query"]
NOW_MS = 1_790_000_000_000
FROM_S, TO_S = (NOW_MS - 30 * DAY_MS) // 1000, NOW_MS // 1000
MACROS = (
    (r"\$__timeFilter\((.+)\)", rf"\1 BETWEEN to_timestamp({FROM_S}) AND to_timestamp({TO_S})"),
    (r"\$__timeGroupAlias\((.+), '1h'\)", r'floor(extract(epoch FROM \1) / 3600) * 3600 AS "time"'),
    (r"\$__unixEpochFrom\(\)", str(FROM_S)),
    (r"\$__unixEpochTo\(\)", str(TO_S)),
    (r"\$\{resident\}", "hana"),
)
"""As the documentation of Grafana's PostgreSQL data source has them."""


def furnished(database: Database) -> None:
    """With the user that docs/dashboard.md makes for Grafana."""
    gap = {"kind": "gap", "sequence": 9, "boot_id": "b", "lost_first": 7, "lost_last": 8, "lost_count": 2}
    told = {"id": "gap", "node_id": 1, "camera_id": 1, "at_ms": NOW_MS - 1, "received_ms": NOW_MS}
    (rights,) = re.findall(r"```sql\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    with database.writing() as connection:
        connection.execute(text(rights))
        furnish(connection, "home", "edge-01", ["door"], NOW_MS)
        connection.execute(insert(events).values(gap | told | {"is_late": False, "is_replayed": False}))
        minute = {"camera_id": 4, "began_ms": NOW_MS - 60_000, "seconds": 60, "people": 0, "emotions": {}}
        connection.execute(insert(summaries).values(minute | {"missing_seconds": 30.0}))


def answers(connection: Connection, title: str) -> list[dict[str, Any]]:
    (target,) = PANELS[title]["targets"]
    sql = target["rawSql"]
    for macro, meaning in MACROS:
        sql = re.sub(macro, meaning, sql)
    assert "$" not in sql
    return [dict(row) for row in connection.execute(text(sql.replace(":", r"\:"))).mappings()]


def told(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    return {title: answers(connection, title) for title in PANELS}


def test_every_panel_asks_the_data_source_that_is_chosen() -> None:
    sources = [part["datasource"] for panel in PANELS.values() for part in (panel, *panel["targets"])]
    assert {(each["type"], each["uid"]) for each in sources} == {("grafana-postgresql-datasource", "${datasource}")}
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(PANELS) == 8


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_every_panel_is_answered_by_the_store(database: Database) -> None:
    furnished(database)
    with database.reading() as connection:
        connection.execute(text("SET LOCAL ROLE grafana"))
        found = told(connection)
        names = connection.execute(text(RESIDENTS)).mappings().all()
    assert [row["state"] for row in found["Devices"]] == ["stopped", "online"]
    assert {row["room"] for row in found["Cameras"]} == {"Room 101", "Room 102", "Day room", "This camera"}
    assert (found["Open alerts"], [row["rule"] for row in found["Alerts not dealt with"]]) == (
        [{"open": 1}], ["long-anger"],
    )  # fmt: skip
    hours = found["Events per hour"]
    assert ({row["metric"] for row in hours}, len(hours) > 300) == ({"home/simulated"}, True)
    by_day = found["Time in each emotion by day: $resident"]
    assert ({row["metric"] for row in by_day} >= {"joy", "neutral"}, len({row["time"] for row in by_day}) >= 29) == (
        True, True,
    )  # fmt: skip
    assert max(row["value"] for row in found["Minutes without a picture per hour"]) == 0.5
    assert [(row["device"], row["lost_count"]) for row in found["Gaps"]] == [("home/simulated", 2)]
    assert {row["__value"] for row in names} == {"hana", "kenji", "tomi"}
