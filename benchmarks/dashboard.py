"""The dashboard's store: events a second, and how long each page's queries take: `python benchmarks/dashboard.py`.

Events come as payloads in batches, as the writer gets them: read, checked, stored with their spells and counted time,
committed to disk. The queries are asked of a home with a year of 50 residents that do not exist: hours and days of the
year, minutes of 14 days, events and spells of 90 days. On SQLite, and on PostgreSQL where Debian's is installed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, select, text  # noqa: TID253  # it is what is measured

from ffe_edge.dashboard.arrivals import read_arrival
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.history import baseline, events_page, lasting, shares_by, shares_of_many, spells_between
from ffe_edge.dashboard.ingest import ingest
from ffe_edge.dashboard.last_known import last_known, pictured_between
from ffe_edge.dashboard.places import all_cameras, all_rooms
from ffe_edge.dashboard.rollups import DAY_MS, day_bounds, day_number
from ffe_edge.dashboard.simulated import SimulatedNode
from ffe_edge.dashboard.simulated_year import Past, load, past_rows
from ffe_edge.dashboard.tables import alerts

ROOT = "ffe/v1"
TOKYO = ZoneInfo("Asia/Tokyo")
SETTINGS = "-c listen_addresses='' -c shared_buffers=256MB -c max_connections=20"
"""PostgreSQL waits for the disk here, as in use."""
HOUR_MS = 3_600_000
EMOTIONS = ("joy", "neutral", "sadness", "relaxation", "anger")


def payloads(cameras: int, now_ms: int, boot_id: str, chance: random.Random) -> Iterator[tuple[str, bytes, int]]:
    """Changes of people before so many cameras, one after another; each stays for ten moods."""
    node = SimulatedNode(f"{ROOT}/bench/edge-01", boot_id, chance)
    track, before, moods = 0, [""] * cameras, [0] * cameras
    tracks = [0] * cameras
    while True:
        for number in range(cameras):
            now_ms += 2000 // cameras
            if not before[number]:
                track += 1
                tracks[number], moods[number] = track, 0
            emotion = chance.choice([name for name in EMOTIONS if name != before[number]])
            change = "start" if not before[number] else "change" if moods[number] < 10 else "end"
            told = {"previous": before[number], "held_seconds": 2.0} if before[number] else {}
            event = node.emotion(now_ms, f"c{number}", tracks[number], change, emotion, **told)  # type: ignore[arg-type]
            before[number], moods[number] = ("" if change == "end" else emotion), moods[number] + 1
            yield event.topic, event.payload, now_ms + 50


def events_a_second(database: Database, events: int, batch: int, now_ms: int) -> list[int]:
    """From payload to disk: on the clock, and as many as a second of our CPU would be enough for."""
    source = payloads(50, now_ms, f"bench-{batch}-{now_ms}", random.Random(batch))
    told = [next(source) for _ in range(events)]
    began, began_cpu = time.perf_counter(), time.process_time()
    for at in range(0, events, batch):
        arrivals = [read_arrival(ROOT, *message) for message in told[at : at + batch]]
        with database.writing() as connection:
            ingest(connection, arrivals, TOKYO)
    spent = (time.perf_counter() - began, time.process_time() - began_cpu)
    return [round(events / seconds) for seconds in spent]


def pages(now_ms: int, residents: int, days: int) -> dict[str, Callable[[Connection, str, int], Any]]:
    """The queries behind each page, asked for a resident and their camera."""
    today_ms = day_bounds(day_number(now_ms, TOKYO) - 1, TOKYO)[0]
    month_ms, year_ms = today_ms - 29 * DAY_MS, today_ms - (days - 1) * DAY_MS
    everybody = [f"camera:{number}" for number in range(1, residents + 1)]

    def floor(connection: Connection, _subject: str, _camera: int) -> None:
        for query in (last_known, lasting, all_rooms, all_cameras):
            query(connection)

    def day(connection: Connection, subject: str, camera: int) -> None:
        shares_by(connection, subject, "minute", today_ms, today_ms + DAY_MS, TOKYO)
        spells_between(connection, subject, today_ms, today_ms + DAY_MS)
        pictured_between(connection, [camera], today_ms, today_ms + DAY_MS)
        baseline(connection, subject, now_ms, TOKYO)

    def month(connection: Connection, subject: str, _camera: int) -> None:
        shares_by(connection, subject, "day", month_ms, now_ms, TOKYO)
        baseline(connection, subject, now_ms, TOKYO)

    def listed(connection: Connection, subject: str, camera: int) -> None:
        first = events_page(connection, resident_id=subject.partition(":")[2])
        events_page(connection, resident_id=subject.partition(":")[2], before=first.next_before)
        events_page(connection, camera_ids=[camera])

    def shift(connection: Connection, _subject: str, _camera: int) -> None:
        shares_of_many(connection, everybody, "hour", today_ms + 9 * HOUR_MS, today_ms + 17 * HOUR_MS)
        connection.execute(select(alerts).where(alerts.c.opened_ms >= today_ms)).all()

    return {
        "floor": floor,
        "resident, 24 hours": day,
        "resident, 30 days": month,
        "resident, the year by day": lambda at, subject, _: shares_by(at, subject, "day", year_ms, now_ms, TOKYO),
        "resident, the year by hour": lambda at, subject, _: shares_by(at, subject, "hour", year_ms, now_ms, TOKYO),
        "events, three pages": listed,
        "handover, all residents": shift,
        "the year of all residents": lambda at, _, __: shares_of_many(at, everybody, "day", year_ms, now_ms),
    }


def asked(database: Database, now_ms: int, residents: int, days: int, repeats: int) -> dict[str, list[float]]:
    """Median and 95th percentile of each page's queries, and the median of our CPU's, in milliseconds."""
    names = _names(database)
    figures = {}
    for page, query in pages(now_ms, residents, days).items():
        spent, worked = [], []
        for number in range(repeats):
            at = number % residents
            began, began_cpu = time.perf_counter(), time.process_time()
            with database.reading() as connection:
                query(connection, f"resident:{names[at]}", at + 1)
            spent.append((time.perf_counter() - began) * 1000)
            worked.append((time.process_time() - began_cpu) * 1000)
        figures[page] = [round(float(value), 1) for value in (*np.percentile(spent, (50, 95)), np.median(worked))]
    return figures


def _names(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(text("SELECT resident_id FROM rooms ORDER BY id")).scalars())


def measured(database: Database, chosen: argparse.Namespace) -> dict[str, Any]:
    """All figures of one database."""
    now_ms = int(time.time() * 1000)
    database.migrate()
    filled = _filled(database, chosen, now_ms) if not _names(database) else {}
    return filled | {
        "milliseconds of a page's queries [p50, p95, CPU p50]": asked(
            database, now_ms, chosen.residents, chosen.days, chosen.repeats
        ),
        "events a second [clock, CPU], batches of 500": events_a_second(database, chosen.events, 500, now_ms),
        "events a second [clock, CPU], batches of 25": events_a_second(database, chosen.events, 25, now_ms + 10**8),
    }


def _filled(database: Database, chosen: argparse.Namespace, now_ms: int) -> dict[str, Any]:
    began, rows = time.perf_counter(), 0
    for part in past_rows(Past(chosen.residents, chosen.days), now_ms, TOKYO):
        rows += len(part[2])
        with database.writing() as connection:
            load(connection, part)
    if database.is_postgresql:
        with database.writing() as connection:
            connection.execute(text("ANALYZE"))
    return {"rows": rows, "seconds to make and store them": round(time.perf_counter() - began, 1)}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5000, help="events that are stored in batches of each size")
    parser.add_argument("--residents", type=int, default=50)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--repeats", type=int, default=50, help="of each page")
    parser.add_argument("--file", type=Path, help="SQLite's file: kept, and used as it is where it is filled")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    chosen = parser.parse_args()
    figures: dict[str, Any] = {"residents": chosen.residents, "days": chosen.days}
    if chosen.only != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            path = chosen.file or Path(folder) / "dashboard.sqlite"
            with closing(Database(f"sqlite:///{path.absolute()}")) as database:
                figures["sqlite"] = measured(database, chosen)
    if chosen.only != "sqlite":
        sys.path[0] = str(Path(__file__).resolve().parents[1] / "tests")  # this folder's dashboard is another one
        from dashboard.postgresql import INSTALLED, PostgreSql  # noqa: PLC0415

        if list(INSTALLED.glob("*/bin/initdb")):
            with PostgreSql(SETTINGS) as server, closing(Database(server.make_database("care"))) as database:
                figures["postgresql"] = measured(database, chosen)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
