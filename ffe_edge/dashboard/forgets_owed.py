"""Which nodes have yet to forget whom: kept in the store until each has answered, whatever restarts in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from ffe_edge.commands import Answer
from ffe_edge.dashboard import options
from ffe_edge.dashboard.tables import nodes

NO_SUCH_RESIDENT: Final = "there is no such resident"
"""How a node's refusal begins that has nothing to forget."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A node that has to forget a resident."""

    node: tuple[str, str]
    """Site and node."""
    resident: str


def owe(connection: Connection, resident: str) -> None:
    """Every node has to forget a resident; in the transaction that forgets them here."""
    rows = connection.execute(select(nodes.c.site, nodes.c.node).order_by(nodes.c.id)).all()
    _write(connection, dict.fromkeys([*owed(connection), *(Owed((row.site, row.node), resident) for row in rows)]))


def owed(connection: Connection) -> list[Owed]:
    """What has not been answered yet, oldest first."""
    return [Owed((site, node), resident) for site, node, resident in options.read(connection, "forgets-owed") or ()]


def settle(connection: Connection, debt: Owed) -> None:
    """The node has forgotten."""
    _write(connection, {one: None for one in owed(connection) if one != debt})


def is_done(answer: Answer) -> bool:
    """Whether a node's answer says that it knows nothing of the resident any more."""
    return answer.ok or answer.reason.startswith(NO_SUCH_RESIDENT)


def _write(connection: Connection, debts: dict[Owed, None]) -> None:
    options.write(connection, "forgets-owed", [[*debt.node, debt.resident] for debt in debts])
