"""Whom events may name: nobody who was forgotten, not even in an event that was under way at that moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from ffe_edge.outbox import Outbox
from ffe_edge.outbox_entries import Entry
from ffe_edge.types import EmotionEvent
from ffe_edge.wire import resident_of

Append = Callable[[EmotionEvent], Entry | None]


class Names:
    """Between the loop and the outbox. For any thread."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._enrolled: frozenset[str] | None = None
        self._is_owing = False
        """Events that name others could not be removed yet."""
        self._mutex = threading.Lock()

    def store(self, event: EmotionEvent, append: Append, *, known_only: bool) -> Entry | None:
        """Store an event with nobody's name in it who was forgotten.

        Of somebody forgotten the end is still told, without the name: else a consumer would show them for ever.

        Args:
            event: as it was formed.
            append: puts what may be told into the outbox.
            known_only: nothing else is told of who is not enrolled; None is returned then.

        Raises:
            StoreError: the outbox cannot be used.
        """
        with self._mutex:
            if event.resident is None or self._enrolled is None or event.resident in self._enrolled:
                return append(event)
            if known_only and event.change != "end":
                return None
            return append(replace(event, resident=None))

    def only(self, enrolled: frozenset[str] | None) -> None:
        """Nobody else may be named from now on, and events that do are removed; None: nobody is recognised.

        Raises:
            StoreError: the outbox cannot be used.
        """

        def is_forgotten(payload: bytes) -> bool:
            return (resident := resident_of(payload)) is not None and resident not in (enrolled or ())

        with self._mutex:
            if enrolled == self._enrolled and not self._is_owing:
                return
            self._enrolled, self._is_owing = enrolled, True
            if enrolled is not None and self._outbox.holds(is_forgotten):
                self._outbox.forget(is_forgotten)
            self._is_owing = False

    def forget(self, resident: str) -> int:
        """Remove every event that names a resident; returns how many.

        Raises:
            StoreError: the outbox cannot be used.
        """
        with self._mutex:
            return self._outbox.forget(lambda payload: resident_of(payload) == resident)
