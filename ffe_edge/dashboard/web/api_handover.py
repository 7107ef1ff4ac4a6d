"""Programs: what the next shift should know."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection

from ffe_edge.dashboard import alert_store, audit, history, people_store, places
from ffe_edge.dashboard.people_store import Resident
from ffe_edge.dashboard.rollups import DAY_MS, HOUR_MS, MISSING, Unit, camera_subject, resident_subject
from ffe_edge.dashboard.web.api_alerts import AlertBody, alert_body
from ffe_edge.dashboard.web.bodies import Answer, Millis
from ffe_edge.dashboard.web.bodies_history import BaselineBody, baseline_body, seen_of
from ffe_edge.dashboard.web.problem import ProblemError, documented
from ffe_edge.dashboard.web.seams import Parts
from ffe_edge.dashboard.web.session import Carer, parts_of

LONGEST_MS: Final = 7 * DAY_MS
MAX_ALERTS: Final = 500
MINUTE_MS: Final = 60_000

router: Final = APIRouter(
    tags=["handover"],
    responses=documented("not-signed-in", "not-allowed", "must-change-password", "invalid", "database-away"),
)


class ResidentShift(Answer):
    """A resident's time in the shift. Whoever has not consented is not among them."""

    resident_id: str
    name: str
    name_en: str | None
    room_id: int | None
    ms: dict[str, int]
    """Milliseconds by emotion, of what has ended."""
    baseline: BaselineBody


class CameraShift(Answer):
    """Of all who were in view of a camera."""

    camera_id: int
    name: str
    room_id: int | None
    ms: dict[str, int]
    missing_ms: int
    """Without a picture."""


class Handover(Answer):
    """A shift."""

    from_ms: Millis
    to_ms: Millis
    """Both to the minute, or to the hour where minutes are no longer kept."""
    residents: list[ResidentShift]
    cameras: list[CameraShift]
    alerts: list[AlertBody]
    """That lasted in it, newest first, at most 500."""


@router.get("/handover", summary="A shift")
def handover(
    request: Request,
    carer: Carer,
    from_ms: Annotated[Millis, Query(description="where it begins")],
    to_ms: Annotated[Millis, Query(description="where it ends, at most seven days later")],
) -> Handover:
    """Time in each emotion by resident and camera, and alerts. Looking at it is written down."""
    parts = parts_of(request)
    if not from_ms < to_ms <= from_ms + LONGEST_MS:
        raise ProblemError("invalid", "a shift ends after it begins, at most seven days later")
    unit, from_ms, to_ms = _aligned(parts, from_ms, to_ms)
    with parts.database.writing() as connection:
        detail = {"from_ms": from_ms, "to_ms": to_ms}
        audit.record(connection, carer, "handover-viewed", parts.now_ms(), detail=detail)
    with parts.database.reading() as connection:
        found = alert_store.alerts_page(connection, from_ms=from_ms, to_ms=to_ms, limit=MAX_ALERTS)
        return Handover(
            from_ms=from_ms,
            to_ms=to_ms,
            residents=_residents(parts, connection, unit, from_ms, to_ms),
            cameras=_cameras(connection, unit, from_ms, to_ms),
            alerts=[alert_body(alert) for alert in found],
        )


def _aligned(parts: Parts, from_ms: int, to_ms: int) -> tuple[Unit, int, int]:
    """By minutes where they are still kept, else by hours."""
    kept_ms = parts.settings.retention.minutes_days * DAY_MS
    unit: Unit = "minute" if from_ms >= parts.now_ms() - kept_ms else "hour"
    step_ms = MINUTE_MS if unit == "minute" else HOUR_MS
    return unit, from_ms - from_ms % step_ms, to_ms + -to_ms % step_ms


def _residents(parts: Parts, connection: Connection, unit: Unit, from_ms: int, to_ms: int) -> list[ResidentShift]:
    found = [resident for resident in people_store.all_residents(connection) if resident.has_consent]
    subjects = [resident_subject(resident.id) for resident in found]
    shares = history.shares_of_many(connection, subjects, unit, from_ms, to_ms)
    usual = history.baselines(connection, subjects, from_ms, parts.settings.home.zone)

    def shift(resident: Resident) -> ResidentShift:
        subject = resident_subject(resident.id)
        return ResidentShift(
            resident_id=resident.id,
            name=resident.name,
            name_en=resident.name_en,
            room_id=resident.room_id,
            ms=seen_of(shares.get(subject, {})),
            baseline=baseline_body(usual[subject]),
        )

    return [shift(resident) for resident in found]


def _cameras(connection: Connection, unit: Unit, from_ms: int, to_ms: int) -> list[CameraShift]:
    found = places.all_cameras(connection)
    subjects = [camera_subject(camera.id) for camera in found]
    shares = history.shares_of_many(connection, subjects, unit, from_ms, to_ms)
    return [
        CameraShift(
            camera_id=camera.id,
            name=camera.name,
            room_id=camera.room_id,
            ms=seen_of(shares.get(subject, {})),
            missing_ms=shares.get(subject, {}).get(MISSING, 0),
        )
        for camera, subject in zip(found, subjects, strict=True)
    ]
