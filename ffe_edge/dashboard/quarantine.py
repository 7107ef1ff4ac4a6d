"""What could not be read: kept with its reason for the admin, counted, bounded whatever a broker delivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, insert, select, update

from ffe_edge.dashboard.tables import quarantine

MAX_PAYLOAD_BYTES: Final = 4096
"""Of each that is kept."""
MAX_TOPIC_LETTERS: Final = 256
SAME_MS: Final = 3_600_000
"""The same reason on the same topic is only counted for so long."""
MAX_ROWS: Final = 500
"""In that time; what comes beyond it is counted on one row."""
OTHERS: Final = "…"
"""Topic of that row."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is not of the contract."""

    topic: str
    reason: str
    payload: bytes
    received_ms: int


def keep(connection: Connection, refused: Iterable[Refused]) -> None:
    """Keep messages: the first of a kind with what it said, those like it by their number.

    Args:
        connection: of the transaction that they belong to.
        refused: in the order in which they came.
    """
    first: dict[tuple[str, str], Refused] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for one in refused:
        key = (shown_topic(one.topic), one.reason)
        first.setdefault(key, one)
        counts[key] += 1
    for (topic, reason), one in first.items():
        if not _counted(connection, topic, reason, counts[topic, reason], one.received_ms):
            _put(connection, topic, reason, counts[topic, reason], one)


def shown_topic(topic: str) -> str:
    """A topic that is fit for the store and a page."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in topic)[
        :MAX_TOPIC_LETTERS
    ]


def _counted(connection: Connection, topic: str, reason: str, number: int, now_ms: int) -> bool:
    table = quarantine.c
    known = connection.execute(
        select(table.id)
        .where(table.received_ms > now_ms - SAME_MS, table.topic == topic, table.reason == reason)
        .limit(1)
    ).scalar()
    if known is None:
        return False
    connection.execute(update(quarantine).where(table.id == known).values(count=table.count + number))
    return True


def _put(connection: Connection, topic: str, reason: str, number: int, one: Refused) -> None:
    recent = select(func.count()).select_from(quarantine).where(quarantine.c.received_ms > one.received_ms - SAME_MS)
    if connection.execute(recent).scalar_one() >= MAX_ROWS:
        if _counted(connection, OTHERS, reason, number, one.received_ms):
            return
        topic = OTHERS
    values = {
        "received_ms": one.received_ms,
        "topic": topic,
        "reason": reason,
        "bytes": len(one.payload),
        "payload": one.payload[:MAX_PAYLOAD_BYTES],
        "count": number,
    }
    connection.execute(insert(quarantine).values(values))
