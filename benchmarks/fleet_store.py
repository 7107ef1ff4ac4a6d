"""What of the fleet's messages is in the store, and when it got there: read as another program reads it."""

from __future__ import annotations

import threading
import time
from typing import Final

from sqlalchemy import create_engine, func, select, text  # noqa: TID253  # what is measured is looked at
from sqlalchemy.engine import Engine, make_url  # noqa: TID253

from ffe_edge.dashboard.tables import cameras, events, nodes, summaries

POLL_SECONDS: Final = 0.05
"""A delay is told as up to this, and the query's own time, too long."""


class Watch:
    """A thread that looks which events have come, and when."""

    def __init__(self, url: str) -> None:
        """Not looking yet.

        Args:
            url: of the dashboard's database.
        """
        self.stored: dict[str, float] = {}
        """Monotonic seconds at which each event was first seen in the store, by id."""
        self._engine = _engine(url)
        self._is_sqlite = self._engine.dialect.name == "sqlite"
        self._since = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:  # noqa: PYI034  # Self is not in Python 3.10
        """Look from now on."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join(30)
        self._engine.dispose()

    def summaries(self) -> set[tuple[str, int]]:
        """Node and beginning of every minute in the store."""
        query = select(nodes.c.site, nodes.c.node, summaries.c.began_ms).select_from(
            summaries.join(cameras, cameras.c.id == summaries.c.camera_id).join(nodes, nodes.c.id == cameras.c.node_id)
        )
        with self._engine.connect() as connection:
            return {(f"ffe/v1/{row.site}/{row.node}", row.began_ms) for row in connection.execute(query)}

    def events(self) -> int:
        """Rows of events: more than there are ids would be impossible, fewer is a loss."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(events)).scalar_one())

    def joined(self) -> int:
        """Nodes whose birth is stored."""
        return self.states().get("online", 0)

    def states(self) -> dict[str, int]:
        """How many nodes are ``online``, ``lost`` and so on."""
        query = select(nodes.c.state, func.count()).group_by(nodes.c.state)
        with self._engine.connect() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(query)}

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            self._look()
            # What waits makes the answer longer: looking must not become a load of its own.
            self._stopping.wait(max(POLL_SECONDS, 3 * (time.monotonic() - began)))

    def _look(self) -> None:
        if self._is_sqlite:
            query = text("SELECT rowid, id FROM events WHERE rowid > :since")
        else:
            query = text("SELECT at_ms, id FROM events WHERE at_ms > :since")
        with self._engine.connect() as connection:
            rows = connection.execute(query, {"since": self._since}).all()
        seen = time.monotonic()
        for _, event_id in rows:
            self.stored.setdefault(event_id, seen)
        if rows and self._is_sqlite:
            self._since = max(row[0] for row in rows)

    def forget_before(self, at_ms: int) -> None:
        """All that was told before is stored: PostgreSQL, whose rows have no order, need not look there again."""
        if not self._is_sqlite:
            self._since = at_ms


def _engine(url: str) -> Engine:
    parts = make_url(url)
    if parts.get_backend_name() == "postgresql":
        return create_engine(parts.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    return create_engine(f"sqlite:///file:{parts.database}?mode=ro&uri=true")
