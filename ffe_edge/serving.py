"""The model that serves: a CPU runner at once, this machine's engine or a faster runtime as soon as it is there."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ffe_edge.clock import boot_id, clock_is_synchronised
from ffe_edge.config import Config
from ffe_edge.engine.bundle import ENGINES
from ffe_edge.engine.choose import has_openvino
from ffe_edge.engine.chosen import Choice, remembered
from ffe_edge.engine.device_engine import INSTALLED, EngineCache, Nvidia, device_engine
from ffe_edge.engine.measure import command
from ffe_edge.engine.measuring import Measuring
from ffe_edge.engine.model import Model, ModelSource, circumstances_of, load_source, open_source, source_digest
from ffe_edge.engine.rebuild import Build, EngineSource, EngineState, Rebuild
from ffe_edge.engine.switching import SwitchingRunner
from ffe_edge.errors import ModelError
from ffe_edge.memory import give_back, limit_arenas
from ffe_edge.messages import ModelIdentity
from ffe_edge.wire import EventContext

logger = logging.getLogger(__name__)

NOT_MEASURED: Final = "the CPU runtimes are not measured yet"
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
        self._on_change = on_change
        self._rebuild = Rebuild(self.runner, engine.source, engine.build, on_change) if engine else None
        self._measuring: Measuring | None = None
        self._digest: str | None = None

    @classmethod
    def from_config(cls, config: Config, on_change: Callable[[], None], nvidia: Nvidia = INSTALLED) -> Serving:
        """What the settings ask for.

        Raises:
            ModelError: the model cannot be used, or the runtime that is forced is missing.
        """
        limit_arenas()
        settings, state_dir = config.model, config.outbox.state_dir
        source = open_source(settings.path)
        cache = EngineCache(settings.engine_dir or state_dir / ENGINES, state_dir)
        found = device_engine(source, settings.backend, cache, settings.dla_core, nvidia)
        engine = None
        if found is not None:
            engine = Engine(found, Build(found.build_command(sys.executable), {"STATE_DIRECTORY": str(state_dir)}))
        standby = _on_cpu(source, config, measured=found is None)
        serving = cls(standby, engine, on_change)
        serving._digest = source.file.sha256
        if standby.why == NOT_MEASURED:
            serving.measure(source, settings.threads, state_dir)
        give_back()  # a runtime needs a third more for loading than for serving
        return serving

    def measure(self, source: ModelSource, threads: int, state_dir: Path) -> None:
        """After ``start``, find out whether OpenVINO is faster, and change to it if so."""
        program = command(source, threads, state_dir)
        self._measuring = Measuring(self.runner, source, threads, state_dir, program, self._on_change)

    def is_outdated(self, config: Config) -> bool:
        """Whether the file that the settings name is another one by now.

        Raises:
            ModelError: it cannot be read.
        """
        return self._digest is not None and source_digest(config.model.path) != self._digest

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
        for work in self._beside:
            work.start()

    def cancel(self) -> None:
        """End a build that is under way, soon. For any thread."""
        for work in self._beside:
            work.cancel()

    def close(self) -> None:
        """End a build, give the GPU back. To be called when the last batch is done."""
        if not all(work.stop(JOIN_SECONDS) for work in self._beside):
            logger.warning("an engine was still being loaded; it is left to the end of the program")
            return
        try:
            self.model.close()
        except ModelError as error:
            logger.warning("the GPU was not given back: %s", error)

    @property
    def _beside(self) -> tuple[Rebuild | Measuring, ...]:
        """What works on in threads of their own; never both, since only one may change the model."""
        return tuple(work for work in (self._rebuild, self._measuring) if work)


def _on_cpu(source: ModelSource, config: Config, *, measured: bool) -> Model:
    """What serves at once: what was asked for, or was found to be faster before; else ONNX Runtime.

    Args:
        source: the model.
        config: the settings.
        measured: whether the faster runtime is wanted, not just one until an engine is there.

    Raises:
        ModelError: the model cannot be used, or the runtime that is forced is missing.
    """
    settings = config.model
    if settings.backend in ("onnxruntime", "openvino"):
        return load_source(source, settings.threads, settings.backend)
    if not measured or not has_openvino():
        why = "openvino is not installed" if measured else "until an engine is there"
        return load_source(source, settings.threads, choice=Choice("onnxruntime", why))
    choice = remembered(circumstances_of(source, settings.threads), config.outbox.state_dir)
    try:
        return load_source(source, settings.threads, choice=choice or Choice("onnxruntime", NOT_MEASURED))
    except ModelError as error:
        if choice is None or choice.backend == "onnxruntime":
            raise
        logger.warning("openvino was chosen but cannot serve: %s", error)
        return load_source(source, settings.threads, choice=Choice("onnxruntime", NOT_MEASURED))


def event_context(config: Config, model: Model) -> EventContext:
    """What all events of this run have in common while this model serves."""
    synchronised = clock_is_synchronised()
    return EventContext(config.source_topic, boot_id(), model.spec.labels, identity(model), synchronised)


def identity(model: Model) -> ModelIdentity:
    """What events say of the model that made them."""
    return ModelIdentity(
        name=model.spec.name, sha256=model.sha256, backend=model.run.backend, precision=model.run.precision
    )
