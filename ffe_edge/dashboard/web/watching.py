"""For whoever watches the program: figures, and whether it lives."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from sqlalchemy import text
from starlette.responses import PlainTextResponse, Response

from ffe_edge.dashboard.web.guard import LOOPBACK
from ffe_edge.dashboard.web.problem import ProblemError
from ffe_edge.dashboard.web.session import address_of, parts_of, session_of
from ffe_edge.errors import StoreError

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
router: Final = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Figures for Prometheus: for this machine itself and for admins."""
    if not _is_this_machine(request):
        session = session_of(request)
        if session is None or session.user.must_change or not session.user.may("admin"):
            raise ProblemError("not-allowed", "figures are for this machine and for admins")
    parts = parts_of(request)
    pages = (
        "# HELP ffe_dashboard_pages Pages that are open.\n"
        "# TYPE ffe_dashboard_pages gauge\n"
        f"ffe_dashboard_pages {parts.present.followers}\n"
    )
    return Response(pages + parts.figures(), media_type=METRICS_TYPE)


@router.get("/healthz")
def healthz(request: Request) -> Response:
    """Whether the pages can be shown. It says nothing else."""
    try:
        with parts_of(request).database.reading() as connection:
            connection.execute(text("SELECT 1"))
    except StoreError:
        return PlainTextResponse("the database cannot be used\n", 503, {"Retry-After": "5"})
    return PlainTextResponse("ok\n")


def _is_this_machine(request: Request) -> bool:
    """Whether the request was made here. What a proxy on this machine passes on was not."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    is_passed_on = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via"))
    return address_of(request) in LOOPBACK and host in LOOPBACK and not is_passed_on
