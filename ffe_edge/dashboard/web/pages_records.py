"""Settings: the audit, messages that could not be read, how long what is kept; for admins."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from ffe_edge.dashboard.web import api_records, api_settings
from ffe_edge.dashboard.web.api_records import Before
from ffe_edge.dashboard.web.phrases import local_time
from ffe_edge.dashboard.web.render import render
from ffe_edge.dashboard.web.session import Admin, parts_of

router: Final = APIRouter(prefix="/settings", include_in_schema=False)
LINES: Final = 100


@router.get("/audit")
def audit_page(request: Request, admin: Admin, before: Before = None) -> Response:
    """Who looked at whom, and changed what."""
    found = api_records.audit_page(request, admin, before=before, limit=LINES)
    return render(
        request,
        "settings_audit.html",
        found=found,
        told=partial(told_detail, zone=parts_of(request).settings.home.zone),
    )


@router.get("/quarantine")
def quarantine_page(request: Request, admin: Admin, before: Before = None) -> Response:
    """What came and could not be read."""
    found = api_records.quarantine_page(request, admin, before=before, limit=LINES)
    return render(request, "settings_quarantine.html", found=found)


@router.get("/retention")
def retention_page(request: Request, admin: Admin) -> Response:
    """How long what is kept."""
    return render(request, "settings_retention.html", kept=api_settings.retention(request, admin).model_dump())


def told_detail(detail: dict[str, Any] | None, zone: ZoneInfo) -> str:
    """What the audit says beside who and what, on one line."""
    if not detail:
        return ""
    flat = {key: value for key, value in detail.items() if not isinstance(value, dict)}
    return ", ".join(f"{key.removesuffix('_ms')}: {_plain(key, value, zone)}" for key, value in flat.items())


def _plain(key: str, value: Any, zone: ZoneInfo) -> str:
    if key.endswith("_ms") and isinstance(value, int):
        return f"{local_time(value, zone):%Y-%m-%d %H:%M}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
