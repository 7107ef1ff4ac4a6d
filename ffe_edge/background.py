"""Work in a thread of its own that ends when it is asked to."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Final

STOP_SECONDS: Final = 5.0


class Background(ABC):
    """Runs once. What inherits writes ``_run``, which looks at ``_stopping`` and returns soon after it is set."""

    def __init__(self, name: str) -> None:
        """Prepare; nothing happens before ``start``.

        Args:
            name: of the thread.
        """
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to end soon. For any thread, also before ``start``."""
        self._stopping.set()

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """End it; True when it has ended in time, or never begun."""
        self.cancel()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @abstractmethod
    def _run(self) -> None: ...
