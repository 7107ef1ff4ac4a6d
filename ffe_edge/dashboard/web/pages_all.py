"""All pages for people, for ``make_app``."""

from __future__ import annotations

from typing import Final

from ffe_edge.dashboard.web import (
    pages_alerts,
    pages_floor,
    pages_handover,
    pages_records,
    pages_residents,
    pages_rules,
    pages_settings,
    pages_users,
)

ROUTERS: Final = (
    pages_floor.router,
    pages_residents.router,
    pages_alerts.router,
    pages_handover.router,
    pages_settings.router,
    pages_rules.router,
    pages_users.router,
    pages_records.router,
)
