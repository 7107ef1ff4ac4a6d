"""What the web needs of the other parts of the dashboard, and is given when it is put together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.follower import Follower
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.rate_limit import LoginLimit
from ffe_edge.dashboard.settings import DashboardSettings


class Present(Protocol):
    """The live picture. All methods are called from several threads."""

    def snapshot(self) -> dict[str, Any]:
        """Everything that is known at this moment, as a JSON object."""
        ...

    def follow(self, wake: Callable[[], object]) -> Follower:
        """Collect updates from now on; ``wake`` is called from other threads."""
        ...

    def unfollow(self, follower: Follower) -> None:
        """Collect no more."""
        ...

    def take(self, follower: Follower) -> list[tuple[str, str]]:
        """What happened since the last call, as (kind, JSON)."""
        ...

    @property
    def followers(self) -> int:
        """How many pages are open."""
        ...

    def tell_alert(self, alert: dict[str, Any]) -> None:
        """Pages get it as it is: ``event`` and ``alert``."""
        ...


class Nodes(Protocol):
    """Asks the devices for what a user has decided."""

    def forget_owed(self) -> object:
        """The store says of whom nodes have yet to forget somebody: ask them at once."""
        ...


@dataclass(frozen=True)
class Parts:
    """All that the web is made of."""

    database: Database
    present: Present
    nodes: Nodes
    settings: DashboardSettings
    figures: Callable[[], str] = field(default=lambda: "")
    """The program's figures in Prometheus' text format."""
    passwords: Passwords = field(default_factory=Passwords)
    login_limit: LoginLimit = field(default_factory=LoginLimit)
    clock: Callable[[], float] = time.time
    """Unix seconds."""

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self.clock() * 1000)
