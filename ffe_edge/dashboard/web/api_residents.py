"""Programs: residents, what they consented to, and forgetting them."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request

from ffe_edge.dashboard import audit, forgets_owed, people_store
from ffe_edge.dashboard.people_store import Resident
from ffe_edge.dashboard.rollups import resident_subject
from ffe_edge.dashboard.web.bodies import Answer, Asked, Key, Millis, Name, Note, ResidentId
from ffe_edge.dashboard.web.problem import documented
from ffe_edge.dashboard.web.session import Carer, Manager, parts_of

router: Final = APIRouter(
    prefix="/residents",
    tags=["residents"],
    responses=documented("not-signed-in", "not-allowed", "must-change-password", "database-away"),
)
CHANGES: Final = documented("wrong-form", "not-allowed", "must-change-password", "invalid")
Id = Annotated[ResidentId, Path()]


class ResidentBody(Answer):
    """Somebody who lives here."""

    id: str
    """What the nodes call them."""
    name: str
    name_en: str | None
    room_id: int | None
    has_consent: bool
    """Whether anything is written down about them now."""
    consent_by: str | None
    consent_at_ms: Millis | None
    consent_note: str | None
    withdrawn_at_ms: Millis | None
    created_ms: Millis


class ResidentAsked(Asked):
    """A resident; without consent nothing is written down about them."""

    name: Name
    name_en: Name | None = None
    room_id: Key | None = None


class ResidentNew(ResidentAsked):
    """A resident to be made."""

    id: ResidentId | None = None
    """As enrolled on the nodes; None: nobody is enrolled, and one is made up."""


class ConsentAsked(Asked):
    """A consent."""

    by: Name
    """Who gave it: the resident, or who may for them."""
    note: Note | None = None


@router.get("", summary="All residents")
def all_residents(request: Request, _carer: Carer) -> list[ResidentBody]:
    """Names, rooms and consent; nothing that was seen of them."""
    with parts_of(request).database.reading() as connection:
        return [_body(resident) for resident in people_store.all_residents(connection)]


@router.post("", status_code=201, responses=CHANGES | documented("name-taken", "not-found"), summary="Make a resident")
def add_resident(request: Request, manager: Manager, asked: ResidentNew) -> ResidentBody:
    """Without consent at first."""
    parts = parts_of(request)
    now_ms = parts.now_ms()
    resident_id = asked.id or f"resident-{secrets.token_hex(4)}"
    with parts.database.writing() as connection:
        resident = people_store.add_resident(connection, resident_id, asked.model_dump(exclude={"id"}), now_ms)
        audit.record(connection, manager, "resident-created", now_ms, subject=resident_subject(resident_id))
    return _body(resident)


@router.put("/{resident_id}", responses=CHANGES | documented("not-found"), summary="Change name or room")
def change_resident(request: Request, manager: Manager, resident_id: Id, asked: ResidentAsked) -> ResidentBody:
    """All of it; what is left out is none."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        resident = people_store.change_resident(connection, resident_id, asked.model_dump())
        subject = resident_subject(resident_id)
        audit.record(connection, manager, "resident-changed", parts.now_ms(), subject=subject)
    return _body(resident)


@router.put("/{resident_id}/consent", responses=CHANGES | documented("not-found"), summary="Write down a consent")
def give_consent(request: Request, manager: Manager, resident_id: Id, asked: ConsentAsked) -> ResidentBody:
    """It holds from now on; what was told before stays anonymous."""
    parts = parts_of(request)
    now_ms = parts.now_ms()
    with parts.database.writing() as connection:
        resident = people_store.give_consent(connection, resident_id, asked.by, asked.note, now_ms)
        audit.record(connection, manager, "consent-given", now_ms, subject=resident_subject(resident_id))
    return _body(resident)


@router.delete(
    "/{resident_id}/consent", responses=CHANGES | documented("not-found", "conflict"), summary="Withdraw a consent"
)
def withdraw_consent(request: Request, manager: Manager, resident_id: Id) -> ResidentBody:
    """From now on nothing is written down; what was stays until the resident is forgotten."""
    parts = parts_of(request)
    now_ms = parts.now_ms()
    with parts.database.writing() as connection:
        resident = people_store.withdraw_consent(connection, resident_id, now_ms)
        audit.record(connection, manager, "consent-withdrawn", now_ms, subject=resident_subject(resident_id))
    return _body(resident)


@router.delete(
    "/{resident_id}", status_code=204, responses=CHANGES | documented("not-found"), summary="Forget a resident"
)
def forget_resident(request: Request, manager: Manager, resident_id: Id) -> None:
    """Erased here at once, and by each node as soon as it can be reached."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        gone = people_store.forget_resident(connection, resident_id, parts.settings.home.zone)
        forgets_owed.owe(connection, resident_id)
        detail = {"events": gone.events, "spells": gone.spells, "alerts": gone.alerts}
        audit.record(connection, manager, "resident-forgotten", parts.now_ms(), detail=detail)
    parts.nodes.forget_owed()


def _body(resident: Resident) -> ResidentBody:
    return ResidentBody.model_validate(resident, from_attributes=True)
