"""The model that serves: a CPU runner at once, this machine's engine as soon as it is there."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ffe_edge.clock import boot_id, clock_is_synchronised
from ffe_edge.config import Config
from ffe_edge.engine.bundle import ENGINES
from ffe_edge.engine.device_engine import INSTALLED, EngineCache, Nvidia, device_engine
from ffe_edge.engine.model import Model, load_source, open_source
from ffe_edge.engine.rebuild import Build, EngineSource, EngineState, Rebuild
from ffe_edge.engine.switching import SwitchingRunner
from ffe_edge.errors import ModelError
from ffe_edge.messages import ModelIdentity
from ffe_edge.wire import EventContext

logger = logging.getLogger(__name__)

JOIN_SECONDS: Final = 1.5
"""What a build that is ended gets of the five seconds that SIGTERM promises."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What is to serve instead of a CPU."""

    source: EngineSource
    build: Build


class Serving:
    """The runner of the pipeline, and what the status says of it."""

    def __init__(self, standby: Model, engine: Engine | None, on_change: Callable[[], None]) -> None:
        """Put together; nothing happens before ``start``.

        Args:
            standby: what serves at once.
            engine: what serves when it is there.
            on_change: called from any thread when another model serves or the engine's state has changed.
        """
        self.runner = SwitchingRunner(standby)
        self._rebuild = Rebuild(self.runner, engine.source, engine.build, on_change) if engine else None
        self._digest: str | None = None

    @classmethod
    def from_config(cls, config: Config, on_change: Callable[[], None], nvidia: Nvidia = INSTALLED) -> Serving:
        """What the settings ask for.

        Raises:
            ModelError: the model cannot be used, or the runtime that is forced is missing.
        """
        settings, state_dir = config.model, config.outbox.state_dir
        source = open_source(settings.path)
        cache = EngineCache(settings.engine_dir or state_dir / ENGINES, state_dir)
        found = device_engine(source, settings.backend, cache, settings.dla_core, nvidia)
        standby = load_source(source, settings.threads, settings.backend)
        engine = None
        if found is not None:
            engine = Engine(found, Build(found.build_command(sys.executable), {"STATE_DIRECTORY": str(state_dir)}))
        serving = cls(standby, engine, on_change)
        serving._digest = source.file.sha256
        return serving

    def is_outdated(self, config: Config) -> bool:
        """Whether the file that the settings name is another one by now.

        Raises:
            ModelError: it cannot be used.
        """
        return self._digest is not None and open_source(config.model.path).file.sha256 != self._digest

    @property
    def model(self) -> Model:
        """What serves now."""
        return self.runner.model

    @property
    def engine_state(self) -> EngineState | None:
        """How far the engine is; None where none is wanted."""
        return self._rebuild.state if self._rebuild else None

    @property
    def engine_reason(self) -> str | None:
        """Why it is not there yet, or failed."""
        return (self._rebuild.reason or None) if self._rebuild else None

    def start(self) -> None:
        """Say what serves; look for the engine, and have it built where there is none."""
        run = self.model.run
        logger.info("%s %s serves %s (%s)", run.backend, run.precision, self.model.path.name, self.model.why)
        if self._rebuild:
            self._rebuild.start()

    def cancel(self) -> None:
        """End a build that is under way, soon. For any thread."""
        if self._rebuild:
            self._rebuild.cancel()

    def close(self) -> None:
        """End a build, give the GPU back. To be called when the last batch is done."""
        if self._rebuild and not self._rebuild.stop(JOIN_SECONDS):
            logger.warning("an engine was still being loaded; it is left to the end of the program")
            return
        try:
            self.model.close()
        except ModelError as error:
            logger.warning("the GPU was not given back: %s", error)


def event_context(config: Config, model: Model) -> EventContext:
    """What all events of this run have in common while this model serves."""
    synchronised = clock_is_synchronised()
    return EventContext(config.source_topic, boot_id(), model.spec.labels, identity(model), synchronised)


def identity(model: Model) -> ModelIdentity:
    """What events say of the model that made them."""
    return ModelIdentity(
        name=model.spec.name, sha256=model.sha256, backend=model.run.backend, precision=model.run.precision
    )
