"""How often somebody may try to sign in: after a few failures each try waits longer.

An attempt counts as failed when it begins, so that many at once are no way round. Nothing here is kept over a restart.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_KNOWN: Final = 10_000
"""Addresses, and names, that are remembered; the longest quiet are forgotten first."""
FORGET_SECONDS: Final = 3600.0
LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Growth:
    """How the wait grows."""

    free: int
    """So many failures cost nothing."""
    longest_seconds: float
    """The next wait one second, then two, four ..., never more than this."""

    def wait_seconds(self, failures: int) -> float:
        """The wait after so many failures in a row."""
        beyond = failures - self.free
        return 0.0 if beyond < 0 else min(self.longest_seconds, 2.0 ** min(beyond, 30))


BY_ADDRESS: Final = Growth(free=20, longest_seconds=300.0)
"""A home's screens share an address behind a router."""
BY_PROXY: Final = Growth(free=20, longest_seconds=2.0)
"""What a proxy on this machine passes on comes from one address, whoever asks: nobody may lock all others out."""
BY_NAME: Final = Growth(free=5, longest_seconds=60.0)
"""Short: who locks a carer out from elsewhere keeps her waiting for a minute, not for a night."""


@dataclass(slots=True)
class _Known:
    failures: int = 0
    last: float = 0.0
    open_at: float = 0.0


class LoginLimit:
    """Counts attempts by address and by name. For any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, OrderedDict[str, _Known]] = {"address": OrderedDict(), "name": OrderedDict()}

    def begin(self, address: str, name: str) -> int:
        """An attempt is made.

        Returns:
            Seconds to wait before the next attempt is looked at; 0: this one is looked at.
        """
        by_address = BY_PROXY if address in LOOPBACK else BY_ADDRESS
        keys = (("address", address, by_address), ("name", name.casefold()[:128], BY_NAME))
        with self._lock:
            now = self._clock()
            found = [(self._find(kind, key, now), growth) for kind, key, growth in keys]
            wait = max(known.open_at - now for known, _ in found)
            if wait > 0:
                return math.ceil(wait)
            for known, growth in found:
                known.failures += 1
                known.last = now
                known.open_at = now + growth.wait_seconds(known.failures)
            return 0

    def succeeded(self, address: str, name: str) -> None:
        """The attempt was right: the name is free again, and the address has one failure less."""
        with self._lock:
            self._known["name"].pop(name.casefold()[:128], None)
            if known := self._known["address"].get(address):
                known.failures = max(0, known.failures - 1)
                known.open_at = self._clock()

    def _find(self, kind: str, key: str, now: float) -> _Known:
        known = self._known[kind]
        entry = known.setdefault(key, _Known(last=now))
        if now - entry.last > FORGET_SECONDS:
            entry.failures = 0
        known.move_to_end(key)
        if len(known) > MAX_KNOWN:
            known.popitem(last=False)
        return entry
