"""Who looked at whom, and changed what. Written in the transaction of the change itself: neither without the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, insert, select

from ffe_edge.dashboard.tables import audit
from ffe_edge.dashboard.users import User

Action = Literal[
    "sign-in", "sign-in-failed", "sign-out", "password-changed", "password-reset",
    "user-created", "user-changed", "language-changed",
    "resident-viewed", "resident-created", "resident-changed", "consent-given", "consent-withdrawn",
    "resident-forgotten", "handover-viewed", "alert-acknowledged", "alert-handled", "rules-changed", "notice-changed",
    "room-created", "room-changed", "room-removed", "camera-placed", "audit-viewed", "quarantine-viewed",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    id: int
    at_ms: int
    user_id: int | None
    user_name: str
    """As it was then; empty where it is not known who it was."""
    action: str
    subject: str | None
    detail: dict[str, Any] | None


def record(
    connection: Connection,
    user: User | None,
    action: Action,
    at_ms: int,
    *,
    subject: str | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Add a line.

    Args:
        connection: of the transaction that the line belongs to.
        user: who; None where it is not known.
        action: what.
        at_ms: when.
        subject: of whom, as ``resident:<id>``, ``user:<id>``.
        detail: what has changed; never a password, nor what stood in a wrong login.
    """
    values: dict[str, object] = {
        "at_ms": at_ms,
        "user_id": user.id if user else None,
        "user_name": user.name if user else "",
        "action": action,
        "subject": subject,
    }
    values |= {} if detail is None else {"detail": dict(detail)}
    connection.execute(insert(audit).values(values))


def page(
    connection: Connection, *, before: int | None = None, subject: str | None = None, limit: int = 100
) -> list[Entry]:
    """Newest lines first.

    Args:
        connection: to read by.
        before: only lines older than the one of this id.
        subject: only lines of this one.
        limit: at most so many.
    """
    query = select(*(audit.c[name] for name in Entry.__dataclass_fields__)).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    return [Entry(*row) for row in connection.execute(query)]
