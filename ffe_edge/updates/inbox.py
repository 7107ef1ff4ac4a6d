"""The wishes that the broker holds: this node's own, and the site's."""

from __future__ import annotations

import threading
import time
from typing import Final

from ffe_edge.config import Config
from ffe_edge.mqtt_message import Incoming
from ffe_edge.updates.manifest import MAX_DESIRED_BYTES

SETTLE_SECONDS: Final = 1.0
"""After a connection both come one after the other; nothing is begun before both may have come."""


def own_topic(config: Config) -> str:
    """Where the wish for one node is published."""
    return f"{config.node_topic}/model/desired"


def site_topic(config: Config) -> str:
    """Where the wish for all nodes of a site is published."""
    return f"{config.broker.root_topic}/{config.site}/model/desired"


class Inbox:
    """Filled by the network thread, emptied by nobody: a wish stands until another comes, or an empty one."""

    def __init__(self, config: Config, settle_seconds: float = SETTLE_SECONDS) -> None:
        self.topics = own_topic(config), site_topic(config)
        """The stronger first."""
        self._wishes: dict[str, bytes] = {}
        self._settle_seconds = settle_seconds
        self._came_seconds = float("-inf")
        self._withdrawn = False
        self._news = threading.Condition()
        self._is_woken = False

    def take(self, incoming: Incoming) -> None:
        """A wish has come, or been taken back by an empty message."""
        with self._news:
            if incoming.payload:
                self._wishes[incoming.topic] = incoming.payload[: MAX_DESIRED_BYTES + 1]
            elif self._wishes.pop(incoming.topic, None) is not None:
                self._withdrawn = True
            self._came_seconds = time.monotonic()
            self._news.notify_all()

    def wake(self) -> None:
        """End a ``rest``."""
        with self._news:
            self._is_woken = True
            self._news.notify_all()

    def rest(self, seconds: float) -> None:
        """Wait, or until ``wake``."""
        with self._news:
            self._news.wait_for(lambda: self._is_woken, seconds)
            self._is_woken = False

    @property
    def wishes(self) -> tuple[bytes, ...]:
        """Those that stand, the stronger first; none until they have settled."""
        with self._news:
            if time.monotonic() - self._came_seconds < self._settle_seconds:
                return ()
            return tuple(self._wishes[topic] for topic in self.topics if topic in self._wishes)

    @property
    def is_withdrawn(self) -> bool:
        """Whether somebody took a wish back and none stands."""
        with self._news:
            return self._withdrawn and not self._wishes
