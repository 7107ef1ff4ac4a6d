"""How a person is forgotten."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, null, select, update

from ffe_edge.dashboard.rollups import resident_subject
from ffe_edge.dashboard.spell_reading import stored_spells
from ffe_edge.dashboard.spell_store import Difference
from ffe_edge.dashboard.tables import alerts, audit, events, quarantine, residents, rollups, rooms, spells

AT_ONCE: Final = 5000
"""Spells that are forgotten in one go."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much was erased; whose it was is not kept."""

    events: int
    """That no longer bear a name."""
    spells: int
    alerts: int


def forget(connection: Connection, resident_id: str, zone: ZoneInfo) -> Forgotten:
    """Erase a person: nothing that is left names them, and their time is counted nowhere, not of a camera either.

    The caller writes into the audit that somebody was forgotten, and has the nodes forget them, too. What a node tells
    afterwards by their name is stored without it: there is no consent.

    Args:
        connection: a writing one.
        resident_id: whom.
        zone: of the home.
    """
    subject = resident_subject(resident_id)
    spells_gone = _forget_spells(connection, resident_id, zone)
    nameless = update(events).where(events.c.resident_id == resident_id).values(resident_id=None)
    events_changed = connection.execute(nameless).rowcount
    connection.execute(delete(rollups).where(rollups.c.subject == subject))
    alerts_changed = _forget_alerts(connection, subject)
    connection.execute(update(audit).where(audit.c.subject == subject).values(subject=None, detail=null()))
    _forget_payloads(connection, resident_id)
    connection.execute(update(rooms).where(rooms.c.resident_id == resident_id).values(resident_id=None))
    connection.execute(delete(residents).where(residents.c.id == resident_id))
    return Forgotten(events_changed, spells_gone, alerts_changed)


def _forget_spells(connection: Connection, resident_id: str, zone: ZoneInfo) -> int:
    """Take them away, and their time from what was counted of the cameras."""
    count = 0
    while True:
        chosen = select(spells.c.id).where(spells.c.resident_id == resident_id).limit(AT_ONCE).scalar_subquery()
        if not (found := stored_spells(connection, spells.c.id.in_(chosen))):
            return count
        difference = Difference(zone)
        for each in found:
            difference.remove(each)
        difference.store(connection)
        count += len(found)


def _forget_alerts(connection: Connection, subject: str) -> int:
    """What stays of an alert is that there was one."""
    erased: dict[str, Any] = {"subject": "resident:", "detail": {}, "note": None}
    return connection.execute(update(alerts).where(alerts.c.subject == subject).values(**erased)).rowcount


def _forget_payloads(connection: Connection, resident_id: str) -> None:
    """Messages that could not be read may name anybody."""
    spellings = [resident_id.encode(), json.dumps(resident_id)[1:-1].encode()]
    query = select(quarantine.c.id, quarantine.c.payload).where(quarantine.c.payload.is_not(None))
    for row in connection.execute(query).all():
        if any(spelling in row.payload for spelling in spellings):
            connection.execute(update(quarantine).where(quarantine.c.id == row.id).values(payload=None))
