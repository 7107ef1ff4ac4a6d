"""Programs: rules of alerts, the notice's text, how long what is kept."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import Field, StringConstraints

from ffe_edge.dashboard import alert_store, audit, options
from ffe_edge.dashboard.alert_settings import AlertSettings
from ffe_edge.dashboard.options import OptionKey
from ffe_edge.dashboard.settings import RetentionSettings
from ffe_edge.dashboard.web.bodies import Asked
from ffe_edge.dashboard.web.problem import documented
from ffe_edge.dashboard.web.session import Admin, Carer, Manager, parts_of

ALERTS: Final[OptionKey] = "alert-settings"
NOTICE: Final[OptionKey] = "notice"

router: Final = APIRouter(
    tags=["settings"],
    responses=documented("not-signed-in", "not-allowed", "must-change-password", "database-away"),
)
CHANGES: Final = documented("wrong-form", "not-allowed", "must-change-password", "invalid")
Page = Annotated[str, StringConstraints(max_length=8000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]


class Notice(Asked):
    """The text that tells residents and visitors what is done here; None: the one that comes with the program."""

    ja: Page | None = Field(default=None)
    en: Page | None = Field(default=None)


@router.get("/rules", summary="Rules of alerts")
def rules(request: Request, _carer: Carer) -> AlertSettings:
    """As they are gone by now."""
    with parts_of(request).database.reading() as connection:
        return alert_store.read_settings(connection)


@router.put("/rules", responses=CHANGES, summary="Other rules of alerts")
def change_rules(request: Request, manager: Manager, asked: AlertSettings) -> AlertSettings:
    """All of them; what is left out is as it comes with the program."""
    parts = parts_of(request)
    kept = asked.model_dump(mode="json")
    with parts.database.writing() as connection:
        options.write(connection, ALERTS, kept)
        audit.record(connection, manager, "rules-changed", parts.now_ms(), detail=kept)
    return asked


@router.get("/notice", summary="Text of the notice")
def notice(request: Request, _carer: Carer) -> Notice:
    """What has been written here instead of the text that comes with the program."""
    with parts_of(request).database.reading() as connection:
        return Notice.model_validate(options.read(connection, NOTICE) or {})


@router.put("/notice", responses=CHANGES, summary="Another text of the notice")
def change_notice(request: Request, manager: Manager, asked: Notice) -> Notice:
    """In either language."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        options.write(connection, NOTICE, asked.model_dump())
        audit.record(connection, manager, "notice-changed", parts.now_ms())
    return asked


@router.get("/retention", summary="How long what is kept")
def retention(request: Request, _admin: Admin) -> RetentionSettings:
    """As the file of settings says."""
    return parts_of(request).settings.retention
