"""Serving with a CPU runner until this machine's engine is there: found, or built in the background.

An engine is built for one GPU, one TensorRT and one network. When any of these is another after an update, the daemon
must neither stand still for the minutes of a build nor load what does not fit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from ffe_edge.background import Background
from ffe_edge.engine.build_process import Stopped, only_one, run_build
from ffe_edge.engine.model import Model
from ffe_edge.engine.rebuild_attempts import Attempts, Failures
from ffe_edge.engine.switching import SwitchingRunner
from ffe_edge.errors import ModelError

logger = logging.getLogger(__name__)

DEADLINE_SECONDS: Final = 3600.0
"""For a build; the slowest seen take a third of it."""
UNFINISHED: Final = "the last build did not end: power was lost, or memory"

EngineState = Literal["loading", "ready", "building", "rebuilt", "failed"]


class EngineSource(Protocol):
    """Where this machine's engine comes from: the seam to TensorRT."""

    @property
    def name(self) -> str:
        """Of the engine, plain enough for a file's name."""
        ...

    @property
    def folder(self) -> Path:
        """The cache."""
        ...

    def load(self) -> Model:
        """The engine of this machine from the cache, which has passed the golden check.

        Raises:
            ModelError: there is none, it does not fit, or says something else than the model.
        """
        ...


@dataclass(frozen=True, slots=True)
class Build:
    """The program that makes an engine and puts it into the cache."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: float = DEADLINE_SECONDS


class Rebuild(Background):
    """Brings the engine behind a ``SwitchingRunner``, in a thread of its own, and tells how far it is."""

    def __init__(
        self, serving: SwitchingRunner, source: EngineSource, build: Build, on_change: Callable[[], None]
    ) -> None:
        """Prepare; nothing happens before ``start``.

        Args:
            serving: gets the engine when it is there.
            source: of engines.
            build: makes one.
            on_change: called from whatever thread when state or serving model have changed.
        """
        super().__init__("rebuild")
        self.state: EngineState = "loading"
        self.reason = ""
        """Why it is building or failed, in one line."""
        self._serving = serving
        self._source = source
        self._build = build
        self._on_change = on_change
        self._attempts = Attempts(source.folder, source.name)
        serving.on_failure = self._failed_while_serving

    def _run(self) -> None:
        try:
            reason = self._loaded("ready")
            while reason is not None:
                self._rest()
                reason = self._rebuilt(reason)
        except Stopped:
            logger.debug("the build was ended")

    def _rest(self) -> None:
        """Wait as long as earlier failures ask for."""
        wait = self._attempts.wait_seconds(time.time())
        if wait > 0:
            failures = self._attempts.failures
            self._tell("failed", f"{failures.reason}; attempt {failures.count}, next in {_told(wait)}")
        if self._stopping.wait(wait):
            raise Stopped

    def _rebuilt(self, why: str) -> str | None:
        """Build and load: None when the engine serves, else why not."""
        folder, deadline_seconds = self._source.folder, self._build.deadline_seconds
        try:
            with only_one(folder, self._stopping, deadline_seconds, self._tell_of_another) as (lock, had_to_wait):
                if had_to_wait and self._loaded("ready") is None:
                    self._attempts.write(Failures())
                    return None
                self._attempts.refresh()  # only now: while another program builds, its record says "did not end"
                if self._attempts.wait_seconds(time.time()) > 0:
                    return self._attempts.failures.reason
                return self._built(lock, why)
        except ModelError as error:
            self._attempts.remember(Failures(self._attempts.failures.count + 1, time.time(), str(error)))
            return str(error)

    def _built(self, lock: int, why: str) -> str | None:
        """The same under the lock, with a record of how it went."""
        self._tell("building", why)
        before = self._attempts.failures
        self._attempts.write(Failures(before.count + 1, time.time(), UNFINISHED))
        try:
            run_build(self._build.command, self._build.environment, lock, self._stopping, self._build.deadline_seconds)
            reason = self._loaded("rebuilt")
        except Stopped:
            self._attempts.write(before)
            raise
        except ModelError as error:
            reason = str(error)
        self._attempts.write(Failures() if reason is None else Failures(before.count + 1, time.time(), reason))
        return reason

    def _loaded(self, state: EngineState) -> str | None:
        """None when the engine serves now, else why not."""
        try:
            model = self._source.load()
        except ModelError as error:
            return str(error)
        if self._stopping.is_set():
            raise Stopped
        self._serving.swap(model)
        self._tell(state, "")
        return None

    def _tell_of_another(self) -> None:
        self._tell("building", "another program builds")

    def _failed_while_serving(self, reason: str) -> None:
        self._tell("failed", reason)

    def _tell(self, state: EngineState, reason: str) -> None:
        self.state, self.reason = state, reason
        level = logging.WARNING if state == "failed" else logging.INFO
        serving = f"{self._serving.backend} {self._serving.precision} serves"
        logger.log(level, "engine %s: %s%s", state, serving, f" ({reason})" if reason else "")
        self._on_change()


def _told(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
