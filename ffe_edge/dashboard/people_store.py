"""Residents, what they consented to, and forgetting them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, insert, select, update

from ffe_edge.dashboard.forgetting import Forgotten, forget
from ffe_edge.dashboard.places import get_room
from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.tables import residents

MAX_RESIDENTS: Final = 2000


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody who lives here."""

    id: str
    """What the nodes call them."""
    name: str
    name_en: str | None
    room_id: int | None
    consent_by: str | None
    """Who consented: the resident, or who may for them."""
    consent_at_ms: int | None
    consent_note: str | None
    withdrawn_at_ms: int | None
    created_ms: int

    @property
    def has_consent(self) -> bool:
        """Whether anything about this resident is written down now."""
        return self.consent_at_ms is not None and self.withdrawn_at_ms is None


_ALL: Final = select(*(residents.c[name] for name in Resident.__dataclass_fields__))


def all_residents(connection: Connection) -> list[Resident]:
    """By name."""
    return [Resident(*row) for row in connection.execute(_ALL.order_by(residents.c.name, residents.c.id))]


def get_resident(connection: Connection, resident_id: str) -> Resident:
    """One resident.

    Raises:
        RefusedError: there is no such resident.
    """
    row = connection.execute(_ALL.where(residents.c.id == resident_id)).first()
    if row is None:
        raise RefusedError("not-found", "there is no such resident")
    return Resident(*row)


def add_resident(connection: Connection, resident_id: str, values: dict[str, Any], now_ms: int) -> Resident:
    """Make a resident; without consent nothing is written down about them.

    Args:
        connection: a writing one.
        resident_id: what the nodes call them.
        values: ``name``, ``name_en``, ``room_id``.
        now_ms: when.

    Raises:
        RefusedError: the id is taken, there are too many, or there is no such room.
    """
    if connection.execute(select(residents.c.id).where(residents.c.id == resident_id)).first():
        raise RefusedError("name-taken", "there is a resident of this id already")
    if connection.execute(select(func.count()).select_from(residents)).scalar_one() >= MAX_RESIDENTS:
        raise RefusedError("conflict", f"there are {MAX_RESIDENTS} residents already")
    if values.get("room_id") is not None:
        get_room(connection, values["room_id"])
    connection.execute(insert(residents).values(values | {"id": resident_id, "created_ms": now_ms}))
    return get_resident(connection, resident_id)


def change_resident(connection: Connection, resident_id: str, changes: dict[str, Any]) -> Resident:
    """Change name or room.

    Raises:
        RefusedError: there is no such resident, or no such room.
    """
    get_resident(connection, resident_id)
    if changes.get("room_id") is not None:
        get_room(connection, changes["room_id"])
    return _changed(connection, resident_id, changes)


def give_consent(connection: Connection, resident_id: str, by: str, note: str | None, now_ms: int) -> Resident:
    """Write down a consent. It holds from now on: what was told before stays anonymous.

    Raises:
        RefusedError: there is no such resident.
    """
    get_resident(connection, resident_id)
    consent = {"consent_by": by, "consent_note": note, "consent_at_ms": now_ms, "withdrawn_at_ms": None}
    return _changed(connection, resident_id, consent)


def withdraw_consent(connection: Connection, resident_id: str, now_ms: int) -> Resident:
    """Write down that it is withdrawn. What was written down before stays until it is forgotten.

    Raises:
        RefusedError: there is no such resident, or no consent.
    """
    if not get_resident(connection, resident_id).has_consent:
        raise RefusedError("conflict", "there is no consent to withdraw")
    return _changed(connection, resident_id, {"withdrawn_at_ms": now_ms})


def forget_resident(connection: Connection, resident_id: str, zone: ZoneInfo) -> Forgotten:
    """Erase a resident and all that was written down about them.

    Args:
        connection: a writing one.
        resident_id: whom.
        zone: of the home.

    Raises:
        RefusedError: there is no such resident.
    """
    get_resident(connection, resident_id)
    return forget(connection, resident_id, zone)


def _changed(connection: Connection, resident_id: str, changes: dict[str, Any]) -> Resident:
    if changes:
        connection.execute(update(residents).where(residents.c.id == resident_id).values(changes))
    return get_resident(connection, resident_id)
