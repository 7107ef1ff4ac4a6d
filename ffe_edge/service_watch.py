"""When the daemon counts as alive: the rule behind systemd's watchdog and ``/healthz``.

The daemon is hung when one of its parts has shown no sign of life for ``hang_seconds``:

- *capture*, of each camera: a frame was read, or the camera was looked at in vain (a camera that is down and opened
  again and again is progress), or the next attempt is not due yet, or a frame waits for the loop to take it;
- *inference*: the loop has begun another round, with or without frames;
- *publishing*: the thread that talks to the broker has gone round once more: it connected, sent, listened or waited for
  the next try. A broker that is away or denies events is waited for; a restart would not bring it back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from ffe_edge.background import Background
from ffe_edge.systemd import Notifier

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often the parts are looked at where no watchdog asks for more; so old `systemctl status` may be."""


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """A part of the daemon and when it last made progress."""

    part: str
    """As ``capture of day-room``."""
    seconds: float
    """Monotonic clock; in the future where the next sign is not due before."""


def hung(signs: Iterable[SignOfLife], now: float, hang_seconds: float) -> tuple[str, ...]:
    """The parts without a sign of life for too long."""
    return tuple(sign.part for sign in signs if now - sign.seconds > hang_seconds)


class Pulse:
    """When a thread last showed that it runs. Written by that thread, read by any."""

    def __init__(self) -> None:
        self.seconds = time.monotonic()

    def beat(self, due_in_seconds: float = 0.0) -> None:
        """A sign of life; the next one is not due before that many seconds."""
        self.seconds = time.monotonic() + due_in_seconds


class Watch(Background):
    """Looks at the parts in a thread of its own and pings systemd as long as all of them live."""

    def __init__(
        self,
        signs: Callable[[], Iterable[SignOfLife]],
        hang_seconds: float,
        notifier: Notifier,
        status: Callable[[], str],
    ) -> None:
        """Prepare.

        Args:
            signs: the parts as they are now.
            hang_seconds: a part without a sign of life for so long is hung.
            notifier: systemd.
            status: the line for ``systemctl status``.
        """
        super().__init__("watch")
        self._signs = signs
        self._hang_seconds = hang_seconds
        self._notifier = notifier
        self._status = status
        self._told: tuple[str, ...] = ()

    def hung(self) -> tuple[str, ...]:
        """The parts that are hung now; a change is logged once."""
        parts = hung(self._signs(), time.monotonic(), self._hang_seconds)
        if parts != self._told:
            self._told = parts
            if parts:
                logger.error("no progress for %g s: %s", self._hang_seconds, ", ".join(parts))
            else:
                logger.info("everything makes progress again")
        return parts

    def _run(self) -> None:
        interval = self._notifier.watchdog_seconds
        pause = min(LOOK_SECONDS, interval / 3) if interval else LOOK_SECONDS
        while True:
            if not self.hung():
                self._notifier.watchdog()
            self._notifier.status(self._status())
            if self._stopping.wait(pause):
                return
