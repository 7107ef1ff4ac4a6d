"""The ledger as the updater writes it: each change to the disk, to the log and to the broker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ffe_edge.errors import StoreError
from ffe_edge.updates.ledger import Ledger, Slot, State
from ffe_edge.updates.manifest import ModelState, Phase, Release

logger = logging.getLogger(__name__)

BY_COMMAND = "taken back by a command"


class Book:
    """For the thread that follows updates."""

    def __init__(self, ledger: Ledger, tell: Callable[[ModelState], None]) -> None:
        self.ledger = ledger
        self._tell = tell

    @property
    def state(self) -> State:
        """What is written."""
        return self.ledger.state

    def tell(self) -> None:
        """Tell how things stand."""
        self._tell(self.state.told())

    def write(self, **values: Any) -> None:
        """Change the state, and tell it.

        Raises:
            StoreError: the disk does not take it.
        """
        try:
            self.ledger.write(**values)
        finally:
            self.tell()

    def note(self, phase: Phase, reason: str | None, release: Release | None) -> None:
        """Say why nothing moves; once, and where the disk does not take it only for this run."""
        said = one_line(reason) if reason else None
        if (self.state.phase, self.state.reason, self.state.release) == (phase, said, release):
            return
        if said and (release is None or self.state.release != release or self.state.phase != phase):
            logger.log(logging.WARNING if phase == "refused" else logging.INFO, "model update %s: %s", phase, said)
        self.try_to_write(phase=phase, reason=said, release=release)

    def fail(self, release: Release, reason: str, phase: Phase | None = None) -> None:
        """Try a release no more.

        Args:
            release: what went wrong.
            reason: why, in one line.
            phase: None: ``rolled-back`` where it has served, else ``refused``.
        """
        told = phase or ("rolled-back" if self.state.phase == "probation" else "refused")
        logger.error("model update %s %d %s: %s", release.name, release.counter, told, reason)
        failed = self.state.with_failure(release, one_line(reason))
        self.try_to_write(
            phase=told, reason=one_line(reason), release=release, target=None, trials=0, failed=failed
        )  # fmt: skip
        self.ledger.sweep()

    def try_to_write(self, **values: Any) -> None:
        """The same as ``write``; a full disk is only logged."""
        try:
            self.write(**values)
        except StoreError as error:
            logger.error("%s; the state of model updates holds for this run", error)  # noqa: TRY400 - one line


def taken_back(state: State, slot: Slot | None, reason: str = BY_COMMAND) -> dict[str, Any]:
    """The changes of a state when another model is to serve than the updated one.

    Args:
        state: as it is; a model has been updated to.
        slot: what serves from now on; None: the model of the settings.
        reason: why.
    """
    if state.current is None:
        raise ValueError("no updated model serves")
    values = dict(state.current)
    values.pop("file")
    release = Release(**values)
    return {
        "phase": "rolled-back", "reason": one_line(reason), "release": release, "current": slot, "previous": None,
        "target": None, "trials": 0, "failed": state.with_failure(release, one_line(reason)),
    }  # fmt: skip


def one_line(text: str) -> str:
    """Fit for a message: no control characters, not too long."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:256]
