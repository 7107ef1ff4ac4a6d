"""How often a build has failed and when the next may begin.

It stands on the disk: a daemon that is started again and again, because a build takes the memory, say, must not build
again and again.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

FIRST_WAIT_SECONDS: Final = 600.0
MAX_WAIT_SECONDS: Final = 6 * 3600.0
MAX_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Failures:
    """What is known of earlier builds of one engine."""

    count: int = 0
    at: float = 0.0
    """Of the last one, seconds since 1970."""
    reason: str = ""


class Attempts:
    """The record of one engine's builds: a small JSON in the engines' folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.attempts.json"
        self.failures = Failures()
        """Those that are known of."""
        self._is_kept = True

    def refresh(self) -> None:
        """Read what is on the disk. A record that the disk did not take stays as it is."""
        if self._is_kept:
            self.failures = self._read()

    def remember(self, failures: Failures) -> None:
        """Know of these without writing them down."""
        self.failures, self._is_kept = failures, False

    def wait_seconds(self, now: float) -> float:
        """How long not to build. A clock that was set back keeps nobody waiting longer than the longest wait."""
        failures = self.failures
        if failures.count <= 0:
            return 0.0
        wait = min(FIRST_WAIT_SECONDS * 2.0 ** min(failures.count - 1, 16), MAX_WAIT_SECONDS)
        return min(wait, max(0.0, failures.at + wait - now))

    def write(self, failures: Failures) -> None:
        """Replace the record; without any failures there is none. Where the disk takes none it is held in memory."""
        self.failures, self._is_kept = failures, False
        try:
            if failures.count <= 0:
                self._path.unlink(missing_ok=True)
            else:
                temporary = self._path.with_suffix(f".{os.getpid()}.part")
                temporary.write_text(json.dumps(asdict(failures)), encoding="utf-8")
                temporary.replace(self._path)
            self._is_kept = True
        except OSError as error:
            logger.warning("%s: cannot be written (%s)", self._path, error.strerror)

    def _read(self) -> Failures:
        """Those on the disk; none where the record is absent or damaged."""
        try:
            with self._path.open("rb") as file:
                values = json.loads(file.read(MAX_BYTES))
            return Failures(int(values["count"]), float(values["at"]), str(values["reason"])[:200])
        except FileNotFoundError:
            return Failures()
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            logger.warning("%s: cannot be read (%s): earlier builds are forgotten", self._path, error)
            return Failures()
