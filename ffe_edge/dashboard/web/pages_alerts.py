"""Alerts: what is open comes first; who has seen it and who has dealt with it, when, and how."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ffe_edge.dashboard.alert_rules import explained
from ffe_edge.dashboard.web import api_alerts, api_settings
from ffe_edge.dashboard.web.api_alerts import Handled, Id
from ffe_edge.dashboard.web.bodies import LongKey
from ffe_edge.dashboard.web.forms import Text, asked, done, lines, or_none
from ffe_edge.dashboard.web.naming import names_of
from ffe_edge.dashboard.web.render import language_of, render
from ffe_edge.dashboard.web.session import Carer

router: Final = APIRouter(prefix="/alerts", include_in_schema=False)
MOST_OPEN: Final = 500
Before = Annotated[LongKey | None, Query()]


@router.get("")
def alerts_page(request: Request, user: Carer, before: Before = None) -> Response:
    """Open ones, then those that were dealt with, newest first."""
    still_open = api_alerts.alerts(request, user, only_open=True, limit=MOST_OPEN).alerts if before is None else []
    page = api_alerts.alerts(request, user, before=before)
    return render(
        request,
        "alerts.html",
        still_open=still_open,
        handled=[alert for alert in page.alerts if alert.handled_ms is not None],
        next_before=page.next_before,
        is_first=before is None,
        names=names_of(request, user, language_of(request)),
        rules=explained(api_settings.rules(request, user)),
    )


@router.post("/{alert_id}/acknowledge")
def acknowledge(request: Request, user: Carer, alert_id: Id) -> Response:
    """確認."""
    api_alerts.acknowledge(request, user, alert_id)
    return done("/alerts")


@router.post("/{alert_id}/handle")
def handle(request: Request, user: Carer, alert_id: Id, note: Text = "") -> Response:
    """対応済."""
    api_alerts.handle(request, user, alert_id, asked(Handled, note=or_none(lines(note))))
    return done("/alerts")
