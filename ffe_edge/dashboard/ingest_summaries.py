"""Cameras' minutes of a batch into the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, insert

from ffe_edge.dashboard.arrivals import Arrival
from ffe_edge.dashboard.known_places import KnownPlaces
from ffe_edge.dashboard.spell_reading import open_spells
from ffe_edge.dashboard.spell_store import Difference
from ffe_edge.dashboard.spells import CLOCK_SLACK_MS, cut
from ffe_edge.dashboard.tables import summaries
from ffe_edge.dashboard.unions import ask
from ffe_edge.dashboard.unseen import UNSEEN, tells_absence
from ffe_edge.messages import SummaryCloudEvent

MAX_SECONDS: Final = 86_400.0
KEPT_MS: Final = 86_400_000
"""An older minute that the broker had kept was stored long ago, and may be deleted by now."""
MAX_PEOPLE: Final = 2**31 - 1
_KNOWN: Final = "SELECT camera_id, began_ms FROM summaries WHERE camera_id = :camera_id{0} AND began_ms = :began_ms{0}"


def store_summaries(
    connection: Connection, arrivals: Sequence[Arrival], places: KnownPlaces, difference: Difference
) -> list[Arrival]:
    """Store those that are new, and end spells of whom they do not count; returns them."""
    new: dict[tuple[int, int], Arrival] = {}
    for arrival in arrivals:
        row = _row(arrival, places)
        if arrival.retained and arrival.received_ms - row["began_ms"] > KEPT_MS:
            continue
        new.setdefault((row["camera_id"], row["began_ms"]), arrival)
    asked = [{"camera_id": camera_id, "began_ms": began_ms} for camera_id, began_ms in new]
    for known in list(ask(connection, _KNOWN, asked)):
        del new[known.camera_id, known.began_ms]
    rows = [_row(arrival, places) for arrival in new.values()]
    for row in rows:
        difference.add_missing(row["camera_id"], row["began_ms"], round(row["missing_seconds"] * 1000))
    if rows:
        connection.execute(insert(summaries), rows)
        _end_unseen(connection, rows, difference)
    return list(new.values())


def _end_unseen(connection: Connection, rows: Sequence[dict[str, Any]], difference: Difference) -> None:
    telling = [row for row in rows if tells_absence(row["seconds"], row["missing_seconds"])]
    telling.sort(key=lambda row: row["began_ms"])
    for each in open_spells(connection, {row["camera_id"] for row in telling}):
        for row in telling:
            is_before = each.spell.began_ms + CLOCK_SLACK_MS <= row["began_ms"]
            if each.camera_id == row["camera_id"] and is_before and each.spell.emotion not in row["emotions"]:
                difference.change(each, cut(each.spell, row["began_ms"], UNSEEN))
                break


def _row(arrival: Arrival, places: KnownPlaces) -> dict[str, Any]:
    if not isinstance(arrival.message, SummaryCloudEvent):
        raise TypeError("only summaries have rows of summaries")
    told = arrival.message.data
    seconds = min(told.seconds, MAX_SECONDS)
    return {
        "camera_id": places.camera(arrival.place, arrival.received_ms).id,
        "began_ms": round(told.began.timestamp() * 1000),
        "seconds": seconds,
        "people": min(told.people, MAX_PEOPLE),
        "missing_seconds": min(told.missing_seconds, seconds),
        "emotions": told.emotions,
    }
