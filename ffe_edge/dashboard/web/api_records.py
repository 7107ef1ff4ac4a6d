"""Programs: the audit and the messages that could not be read, for admins."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from sqlalchemy import select

from ffe_edge.dashboard import audit
from ffe_edge.dashboard.tables import quarantine
from ffe_edge.dashboard.web.bodies import Answer, Limit, Line, LongKey, Millis
from ffe_edge.dashboard.web.problem import documented
from ffe_edge.dashboard.web.session import Admin, parts_of

router: Final = APIRouter(
    tags=["records"],
    responses=documented("not-signed-in", "not-allowed", "must-change-password", "invalid", "database-away"),
)
Before = Annotated[LongKey | None, Query(description="only what is older than the one of this id")]


class AuditEntry(Answer):
    """Somebody looked at a resident, or changed something."""

    id: int
    at_ms: Millis
    user_id: int | None
    user_name: str
    """As it was then; empty where it is not known who it was."""
    action: str
    subject: str | None
    detail: dict[str, Any] | None


class AuditPage(Answer):
    """Newest first."""

    entries: list[AuditEntry]
    next_before: int | None
    """For the page after this one; None where this is the last."""


class Quarantined(Answer):
    """A message that could not be read."""

    id: int
    received_ms: Millis
    topic: str
    reason: str
    bytes: int
    """Of the whole message."""
    text: str | None
    """Its beginning, at most 4 KiB; what is no UTF-8 is replaced."""
    count: int
    """How often it came."""


class QuarantinePage(Answer):
    """Newest first."""

    messages: list[Quarantined]
    next_before: int | None


@router.get("/audit", summary="Who looked at whom, and changed what")
def audit_page(
    request: Request,
    admin: Admin,
    before: Before = None,
    subject: Annotated[Line | None, Query(description="as `resident:<id>`")] = None,
    limit: Annotated[Limit, Query()] = 100,
) -> AuditPage:
    """Looking at it is written down, too."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        entries = audit.page(connection, before=before, subject=subject, limit=limit)
        if before is None:
            audit.record(connection, admin, "audit-viewed", parts.now_ms(), subject=subject)
    found = [AuditEntry.model_validate(entry, from_attributes=True) for entry in entries]
    return AuditPage(entries=found, next_before=found[-1].id if len(found) == limit else None)


@router.get("/quarantine", summary="Messages that could not be read")
def quarantine_page(
    request: Request, admin: Admin, before: Before = None, limit: Annotated[Limit, Query()] = 100
) -> QuarantinePage:
    """What the broker delivered and nobody could use."""
    parts = parts_of(request)
    query = select(quarantine, quarantine.c.count.label("times")).order_by(quarantine.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(quarantine.c.id < before)
    with parts.database.writing() as connection:
        rows = connection.execute(query).all()
        if before is None:
            audit.record(connection, admin, "quarantine-viewed", parts.now_ms())
    found = [
        Quarantined(
            id=row.id,
            received_ms=row.received_ms,
            topic=row.topic,
            reason=row.reason,
            bytes=row.bytes,
            text=None if row.payload is None else bytes(row.payload).decode(errors="replace"),
            count=row.times,
        )
        for row in rows
    ]
    return QuarantinePage(messages=found, next_before=found[-1].id if len(found) == limit else None)
