"""Programs: alerts, and what people did about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request

from ffe_edge.dashboard import alert_store, audit
from ffe_edge.dashboard.alert_store import Alert
from ffe_edge.dashboard.web.bodies import Answer, Asked, Limit, LongKey, Millis, Note
from ffe_edge.dashboard.web.problem import documented
from ffe_edge.dashboard.web.session import Carer, parts_of

router: Final = APIRouter(
    prefix="/alerts",
    tags=["alerts"],
    responses=documented("not-signed-in", "not-allowed", "must-change-password", "invalid", "database-away"),
)
CHANGES: Final = documented("wrong-form", "not-allowed", "must-change-password", "not-found")
Id = Annotated[LongKey, Path()]


class AlertBody(Answer):
    """Something that was worth a look."""

    id: int
    rule: str
    subject: str
    """``resident:<id>``, ``node:<id>`` or ``camera:<id>``."""
    opened_ms: Millis
    ended_ms: Millis | None
    severity: str
    detail: dict[str, Any]
    """``key`` and ``figures`` of a sentence."""
    acknowledged_by: str | None
    acknowledged_ms: Millis | None
    handled_by: str | None
    handled_ms: Millis | None
    note: str | None


class AlertPage(Answer):
    """Newest first."""

    alerts: list[AlertBody]
    next_before: int | None
    """For the page after this one; None where this is the last."""


class Handled(Asked):
    """What was done."""

    note: Note | None = None


@router.get("", summary="Alerts")
def alerts(
    request: Request,
    _carer: Carer,
    only_open: Annotated[bool, Query(description="only those that nobody has dealt with")] = False,
    before: Annotated[LongKey | None, Query(description="only what is older than the one of this id")] = None,
    limit: Annotated[Limit, Query()] = 100,
) -> AlertPage:
    """Newest first, page by page."""
    with parts_of(request).database.reading() as connection:
        found = alert_store.alerts_page(connection, only_open=only_open, before=before, limit=limit)
    return AlertPage(alerts=[alert_body(alert) for alert in found], next_before=_next(found, limit))


@router.post("/{alert_id}/acknowledge", responses=CHANGES, summary="Somebody has seen it (確認)")
def acknowledge(request: Request, carer: Carer, alert_id: Id) -> AlertBody:
    """Who was first stays."""
    parts = parts_of(request)
    now_ms = parts.now_ms()
    with parts.database.writing() as connection:
        alert = alert_store.acknowledge(connection, alert_id, carer.name, now_ms)
        detail = {"alert": alert.id}
        audit.record(connection, carer, "alert-acknowledged", now_ms, subject=alert.subject, detail=detail)
    return _tell(request, "acknowledged", alert)


@router.post("/{alert_id}/handle", responses=CHANGES, summary="Somebody has dealt with it (対応済)")
def handle(request: Request, carer: Carer, alert_id: Id, asked: Handled) -> AlertBody:
    """Who was first stays; the last note counts."""
    parts = parts_of(request)
    now_ms = parts.now_ms()
    with parts.database.writing() as connection:
        alert = alert_store.handle(connection, alert_id, carer.name, now_ms, asked.note)
        detail = {"alert": alert.id}
        audit.record(connection, carer, "alert-handled", now_ms, subject=alert.subject, detail=detail)
    return _tell(request, "handled", alert)


def alert_body(alert: Alert) -> AlertBody:
    """An alert as it goes out."""
    return AlertBody.model_validate(alert, from_attributes=True)


def _tell(request: Request, event: Literal["acknowledged", "handled"], alert: Alert) -> AlertBody:
    """Open pages are told at once."""
    parts_of(request).present.tell_alert({"event": event, "alert": asdict(alert)})
    return alert_body(alert)


def _next(found: list[Alert], limit: int) -> int | None:
    return found[-1].id if len(found) == limit else None
