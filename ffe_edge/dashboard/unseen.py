"""A camera's minutes tell what its events may have failed to: whoever is not counted in one has gone before it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select

from ffe_edge.dashboard.spells import CLOCK_SLACK_MS
from ffe_edge.dashboard.tables import summaries

UNSEEN: Final = "unseen"
"""Why a spell ended."""
MIN_SEEN_SECONDS: Final = 10.0
"""A minute with less of a picture tells nothing of who was not there."""
MAX_MINUTES: Final = 24 * 60


def tells_absence(seconds: float, missing_seconds: float) -> bool:
    """Whether a minute had enough of a picture."""
    return seconds - missing_seconds >= MIN_SEEN_SECONDS


def first_unseen(connection: Connection, camera_id: int, emotion: str, began_ms: int) -> int | None:
    """When a minute began, after ``began_ms``, in which nobody showed an emotion before a camera."""
    query = (
        select(summaries)
        .where(summaries.c.camera_id == camera_id, summaries.c.began_ms >= began_ms + CLOCK_SLACK_MS)
        .order_by(summaries.c.began_ms)
        .limit(MAX_MINUTES)
    )
    for row in connection.execute(query):
        if emotion not in row.emotions and tells_absence(row.seconds, row.missing_seconds):
            return int(row.began_ms)
    return None
