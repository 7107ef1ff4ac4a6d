"""What is set on the pages, by key: JSON values."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select

from ffe_edge.dashboard.tables import options

OptionKey = Literal["alert-settings", "alerts-held", "client-id", "forgets-owed", "notice", "retention"]


def read(connection: Connection, key: OptionKey) -> Any:
    """What is kept; None where nothing has been set."""
    return connection.execute(select(options.c.value).where(options.c.key == key)).scalar_one_or_none()


def write(connection: Connection, key: OptionKey, value: Any) -> None:
    """Keep a JSON value. Writers come one after another: nothing comes in between."""
    connection.execute(delete(options).where(options.c.key == key))
    connection.execute(insert(options).values(key=key, value=value))
