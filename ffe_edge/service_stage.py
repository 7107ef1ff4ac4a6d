"""How a model takes over from another one: between two batches, with the one before standing by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ffe_edge.errors import ModelError
from ffe_edge.service_loop import Loop
from ffe_edge.service_parts import model_of
from ffe_edge.serving import Serving
from ffe_edge.spec import ModelSpec
from ffe_edge.updates.proving import Served
from ffe_edge.updates.trial import Checked, Lending

LOOP_SECONDS: Final = 20.0
"""What the loop gets to begin another round."""
SHADOW_SECONDS: Final = 10.0
"""How long faces are waited for that the new model reads beside the old one."""
BORROW_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Before:
    """What stands by."""

    serving: Serving
    origin: tuple[ModelSpec, str]
    path: Path | None


class DaemonStage:
    """The loop's model and its successor. For the updater's thread, but where said."""

    def __init__(
        self,
        loop: Loop,
        make: Callable[[Path | None], Serving],
        use: Callable[[Path | None], None],
        path: Path | None,
        changing: threading.Lock,
        shadow_looks: int,
    ) -> None:
        self._loop = loop
        self._make = make
        self._use = use
        self._path = path
        self._changing = changing
        self._shadow_looks = shadow_looks
        self._coming: tuple[Serving, Checked, Path | None] | None = None
        self._before: Before | None = None
        self._trouble: str | None = None

    @property
    def served(self) -> Served:
        """What a new model must have in common with the one that serves."""
        return Served.of(self._loop.parts.serving.model.spec)

    @property
    def trouble(self) -> str | None:
        """Why the one that stood by serves again."""
        return self._trouble

    @property
    def is_busy(self) -> bool:
        """Whether a model is loaded beside the one that serves. For any thread."""
        return self._coming is not None

    def frames(self) -> Mapping[str, int]:
        """Frames taken so far, by camera, of those that give pictures and may be looked at."""
        return {
            camera.id: camera.feed.frames for camera in self._loop.cameras if camera.feed and camera.state == "online"
        }

    def rehearse(self, path: Path | None, rest: Callable[[], None]) -> None:
        """Load a model, have its engine built, and let it read faces beside the one that serves."""
        self._trouble = None
        serving = self._make(path)
        checked = Checked(serving.runner, len(serving.model.spec.labels))
        self._coming = serving, checked, path
        self.served.check(serving.model.spec)
        serving.start()
        had_engine = self._loop.parts.serving.engine_state in ("ready", "rebuilt")
        while serving.engine_state in ("loading", "building"):
            rest()
        if serving.engine_state == "failed" and had_engine:
            raise ModelError(f"it has no engine here: {serving.engine_reason}")
        with self._changing:
            self._shadow(checked, rest)

    def switch(self) -> Checked:
        """From the next batch on the rehearsed model serves, the one before stands by."""
        if self._coming is None:
            raise ValueError("nothing was rehearsed")
        with self._changing:
            if not self._loop.call(self._take_over, LOOP_SECONDS):
                raise ModelError("the loop does not answer; nothing was changed")
        return self._coming[1]

    def keep(self) -> None:
        """The one that stood by is not needed any more."""
        if self._coming is None or self._before is None:
            return
        serving, before = self._coming[0], self._before
        with self._changing:
            self._loop.call(lambda: self._loop.parts.relay.replace(model_of(serving)), LOOP_SECONDS)
            self._coming = self._before = None
        before.serving.close()

    def back(self) -> None:
        """As it was before ``rehearse``, whatever has happened since."""
        if self._coming is None:
            return
        serving = self._coming[0]
        with self._changing:
            if self._before is not None and not self._loop.call(self._restore, LOOP_SECONDS):
                self._restore()  # the loop hangs in the new model: the watchdog will end it, the ledger knows why
            self._coming = self._before = None
        serving.cancel()
        serving.close()

    def _shadow(self, checked: Checked, rest: Callable[[], None]) -> None:
        """Read faces that the present model reads, too.

        Raises:
            ModelError: the new one cannot.
        """
        parts = self._loop.parts
        lending = Lending(parts.serving.runner)
        parts.relay.swap(replace(model_of(parts.serving), run=lending))
        until, looks = time.monotonic() + SHADOW_SECONDS, 0
        try:
            while looks < self._shadow_looks and time.monotonic() < until:
                crops = lending.borrow(BORROW_SECONDS)
                rest()
                if crops is not None:
                    checked(crops)
                    looks += len(crops)
        finally:
            parts.relay.swap(model_of(parts.serving))
        checked.looks = 0

    def _take_over(self) -> None:
        """For the loop's thread."""
        if self._coming is None:
            return
        serving, checked, path = self._coming
        parts = self._loop.parts
        self._before = Before(parts.serving, parts.origin, self._path)
        parts.relay.on_failure = self._failed
        parts.relay.swap(replace(model_of(serving), run=checked))
        self._serve(serving, (serving.model.spec, serving.model.sha256), path)

    def _failed(self, reason: str) -> None:
        """The new model failed, and the one before has answered in its place. In the loop's thread, within a batch."""
        self._trouble = reason
        self._restore()

    def _restore(self) -> None:
        """The one before serves. For the loop's thread."""
        if (before := self._before) is not None:
            self._loop.parts.relay.replace(model_of(before.serving))
            self._serve(before.serving, before.origin, before.path)

    def _serve(self, serving: Serving, origin: tuple[ModelSpec, str], path: Path | None) -> None:
        self._path = path
        self._loop.parts = replace(self._loop.parts, serving=serving, origin=origin)
        self._use(path)
