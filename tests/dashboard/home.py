"""A small home for the tests of pages: rooms, residents, thirty days of three of them, alerts. The same every time."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert

from ffe_edge.dashboard import tables
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.rollups import (
    Counts,
    add_time,
    camera_subject,
    day_bounds,
    day_number,
    resident_subject,
    store_counts,
)

ZONE = ZoneInfo("Asia/Tokyo")
HOUR = 3_600_000
MINUTE = 60_000
TEN_MINUTES = 10 * MINUTE
"""Summaries are of minutes in truth; these are longer, to be fewer."""
RESIDENTS = (
    ("sato", "佐藤 はな", "Hana Sato", {"joy": 3, "relaxation": 4, "neutral": 5, "sadness": 1, "surprise": 1}),
    ("tanaka", "田中 一郎", "Ichiro Tanaka", {"neutral": 8, "anger": 1, "joy": 1, "disgust": 1}),
    ("suzuki", "鈴木 みつ", "Mitsu Suzuki", {"neutral": 4, "sadness": 3, "relaxation": 2, "fear": 1, "uncertain": 1}),
)


@dataclass
class Home:
    """What was put into the store."""

    now_ms: int
    sequence: int = 0

    def fill(self, database: Database, days: int = 30) -> None:
        """Everything."""
        with database.writing() as connection:
            self._places(connection)
            for number, (key, _, _, weights) in enumerate(RESIDENTS, start=1):
                self._past(connection, key, number, weights, days)
            self._summaries(connection)
            self._alerts(connection)

    def _places(self, connection: Connection) -> None:
        heard = {"since_ms": self.now_ms - 9 * HOUR, "heard_ms": self.now_ms - 20_000}
        for node in ("edge-01", "edge-02"):
            row = {"site": "kiso", "node": node, "state": "online", "sequence_seen": 0, **heard}
            connection.execute(insert(tables.nodes).values(row))
        consent = {"consent_at_ms": self.now_ms - 100 * 24 * HOUR}
        for key, name, name_en, _ in RESIDENTS:
            row = {"id": key, "name": name, "name_en": name_en, "created_ms": 1, "consent_by": "本人"}
            connection.execute(insert(tables.residents).values(row | consent))
        connection.execute(
            insert(tables.residents).values(id="kato", name="加藤 次郎", name_en="Jiro Kato", created_ms=1)
        )
        for number, (key, *_) in enumerate(RESIDENTS, start=1):
            names = {"name_ja": f"10{number}号室", "name_en": f"Room 10{number}"}
            connection.execute(insert(tables.rooms).values(floor="1", position=number, resident_id=key, **names))
            camera = {"node_id": 1, "name": f"room-10{number}", "room_id": number, "state": "online", "reason": ""}
            connection.execute(insert(tables.cameras).values(camera | heard))
        for number, (ja, en, floor) in enumerate([("食堂", "Dining room", "1"), ("談話室", "Day room", "2")], start=4):
            names = {"name_ja": ja, "name_en": en, "floor": floor}
            connection.execute(insert(tables.rooms).values(position=number, **names))
            camera = {"node_id": 2, "name": en.split()[0].lower(), "room_id": number, "state": "online", "reason": ""}
            connection.execute(insert(tables.cameras).values(camera | heard))
        for number, (key, *_) in enumerate(RESIDENTS, start=1):
            change = tables.residents.update().where(tables.residents.c.id == key)
            connection.execute(change.values(room_id=number))

    def _past(self, connection: Connection, key: str, camera: int, weights: dict[str, int], days: int) -> None:
        dice = random.Random(key)
        today = day_number(self.now_ms, ZONE)
        counts: Counts = Counts()
        for day in range(today - days, today + 1):
            spells = self._day(dice, day, weights)
            for emotion, began, ended in spells:
                add_time(counts, resident_subject(key), emotion, began, ended, ZONE)
                add_time(counts, camera_subject(camera), emotion, began, ended, ZONE)
            if day >= today - 1:
                self._spells(connection, key, camera, spells)
        recent_ms = day_bounds(today - 1, ZONE)[0]
        kept = {bucket: ms for bucket, ms in counts.items() if bucket.unit != "minute" or bucket.start_ms >= recent_ms}
        store_counts(connection, kept)

    def _day(self, dice: random.Random, day: int, weights: dict[str, int]) -> list[tuple[str, int, int]]:
        start, end = day_bounds(day, ZONE)
        at, found = start + 7 * HOUR + dice.randrange(30 * MINUTE), []
        while at < min(end - 3 * HOUR, self.now_ms - 5 * MINUTE):
            emotion = dice.choices(list(weights), list(weights.values()))[0]
            ended = at + dice.randrange(20_000, 9 * MINUTE)
            found.append((emotion, at, min(ended, self.now_ms - MINUTE)))
            at = ended + (dice.randrange(50 * MINUTE) if dice.random() < 0.2 else 0)
        return found

    def _spells(self, connection: Connection, key: str, camera: int, spells: list[tuple[str, int, int]]) -> None:
        before = None
        for emotion, began, ended in spells:
            self.sequence += 1
            row: dict[str, Any] = {"camera_id": camera, "track_key": "b1#1", "sequence": self.sequence}
            row |= {
                "resident_id": key,
                "emotion": emotion,
                "began_ms": began,
                "ended_ms": ended,
                "end_reason": "change",
            }
            connection.execute(insert(tables.spells).values(row))
            self._event(connection, key, camera, emotion, before, began)
            before = emotion

    def _event(
        self, connection: Connection, key: str, camera: int, emotion: str, previous: str | None, at_ms: int
    ) -> None:
        late = self.sequence % 23 == 0
        row = {
            "id": str(uuid.UUID(int=self.sequence)), "node_id": 1, "camera_id": camera, "kind": "emotion",
            "sequence": self.sequence, "boot_id": "b1", "at_ms": at_ms, "received_ms": at_ms + (HOUR if late else 200),
            "is_late": late, "is_replayed": late, "change": "change" if previous else "start", "track": 1,
            "resident_id": key, "emotion": emotion, "previous": previous, "confidence": 0.71,
        }  # fmt: skip
        connection.execute(insert(tables.events).values(row))

    def _summaries(self, connection: Connection) -> None:
        """Of today and yesterday; room 102 had no picture from ten to noon."""
        start = day_bounds(day_number(self.now_ms, ZONE) - 1, ZONE)[0]
        rows = []
        for camera in range(1, 6):
            for began in range(start, self.now_ms - TEN_MINUTES, TEN_MINUTES):
                hour = (began - start) // HOUR % 24
                if camera != 2 or not 10 <= hour < 12:
                    row = {"camera_id": camera, "began_ms": began, "seconds": 600.0, "people": 0}
                    rows.append(row | {"missing_seconds": 0.0, "emotions": {}})
        connection.execute(insert(tables.summaries), rows)

    def _alerts(self, connection: Connection) -> None:
        figures = {"emotion": "sadness", "minutes": 52, "window_minutes": 120, "share": 0.47, "usual": 0.21}
        long = {"key": "long-emotion", "figures": figures, "found_ms": self.now_ms, "is_delayed": False}
        silent = {"key": "node-silent", "figures": {"minutes": 12}, "found_ms": self.now_ms, "is_delayed": False}
        down = {"key": "camera-down", "figures": {"state": "offline", "minutes": 7}}
        rows: list[dict[str, Any]] = [
            {"rule": "camera-down", "subject": "camera:2", "opened_ms": self.now_ms - 5 * HOUR, "severity": "notice",
             "ended_ms": self.now_ms - 3 * HOUR, "detail": down, "acknowledged_by": "yamada",
             "acknowledged_ms": self.now_ms - 4 * HOUR, "handled_by": "yamada", "handled_ms": self.now_ms - 3 * HOUR,
             "note": "ケーブルを挿し直した"},
            {"rule": "node-silent", "subject": "node:2", "opened_ms": self.now_ms - 2 * HOUR, "severity": "urgent",
             "detail": silent},
            {"rule": "long-sadness", "subject": "resident:suzuki", "opened_ms": self.now_ms - 30 * MINUTE,
             "severity": "warning", "detail": long},
        ]  # fmt: skip
        for row in rows:
            connection.execute(insert(tables.alerts).values(row))
