"""Model updates in the daemon: which model the settings mean by now, and who follows the wishes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ffe_edge.commands import Answer
from ffe_edge.config import Config
from ffe_edge.errors import ConfigError, ModelError
from ffe_edge.mqtt_message import Incoming
from ffe_edge.service_loop import Loop
from ffe_edge.service_parts import MakeServing
from ffe_edge.service_reload import Difference
from ffe_edge.service_stage import DaemonStage
from ffe_edge.serving import Serving
from ffe_edge.updates.book import taken_back
from ffe_edge.updates.deciding import Rules
from ffe_edge.updates.inbox import Inbox
from ffe_edge.updates.ledger import Ledger, ledger_folder
from ffe_edge.updates.manifest import ModelState
from ffe_edge.updates.updater import Updater

logger = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 1.5


class ModelUpdates:
    """All about updates; where the settings switch them off it does nothing."""

    def __init__(self, config: Config) -> None:
        """Read what is known of updates.

        Raises:
            ModelError: a public key of the settings is none.
            StoreError: it cannot be read, or another program uses it.
        """
        self._ledger: Ledger | None = None
        self._stage: DaemonStage | None = None
        self._updater: Updater | None = None
        self._settings_path = config.model.path
        self._path: Path | None = None
        self._inbox = Inbox(config)
        if config.model_updates.enabled:
            self._rules = Rules(config)
            self._ledger = Ledger(ledger_folder(config))
            self._ledger.hold()
            self._path = self._ledger.path_of(self._ledger.state.current)

    @property
    def wishes(self) -> Mapping[str, Callable[[Incoming], None]]:
        """What takes wishes, by topic; nothing where they are not followed."""
        return dict.fromkeys(self._inbox.topics, self._inbox.take) if self._ledger else {}

    def effective(self, config: Config) -> Config:
        """Settings as they were read, with the model that was updated to."""
        self._settings_path = config.model.path
        return self.with_model(config, self._path)

    def renewed(self, config: Config) -> Config:
        """Effective settings of before, with the model that serves by now."""
        return self.with_model(config, self._path)

    def with_model(self, config: Config, path: Path | None) -> Config:
        """Settings with another model; None: the one that they name themselves."""
        return config.model_copy(
            update={"model": config.model.model_copy(update={"path": path or self._settings_path})}
        )

    def first(self, make: MakeServing) -> MakeServing:
        """The same, where an updated model that cannot be loaded at the start gives way to the one before."""

        def load(config: Config, on_change: Callable[[], None]) -> Serving:
            try:
                return make(config, on_change)
            except ModelError as error:
                if not self._gives_way(f"it cannot be loaded at the start: {error}"):
                    raise
            return load(self.with_model(config, self._path), on_change)

        return load

    def _gives_way(self, reason: str) -> bool:
        """Whether the updated model is one no more, since there was one, and nothing follows wishes yet."""
        if self._updater or self._ledger is None or self._ledger.state.current is None:
            return False
        state = self._ledger.state
        logger.error("the updated model gives way, %s", reason)
        self._ledger.write(**taken_back(state, state.previous, reason))
        self._path = self._ledger.path_of(state.previous)
        return True

    def begin(
        self,
        loop: Loop,
        make: MakeServing,
        config: Callable[[], Config],
        on_model: Callable[[], None],
        changing: threading.Lock,
        tell: Callable[[ModelState], None],
    ) -> None:
        """Follow what is wished, from now on.

        Args:
            loop: where models serve.
            make: loads the model of settings.
            config: the settings of now.
            on_model: called by the loop's thread when another model serves; the settings are to be made effective anew.
            changing: held while parts of the daemon are exchanged.
            tell: told how far an update is.
        """
        if self._ledger is None:
            return

        def make_at(path: Path | None) -> Serving:
            return make(self.with_model(config(), path), on_model)

        def use(path: Path | None) -> None:
            self._path = path
            on_model()

        looks = self._rules.config.model_updates.shadow_looks
        self._stage = DaemonStage(loop, make_at, use, self._path, changing, looks)
        self._updater = Updater(self._ledger, self._rules, self._inbox, self._stage, tell)
        self._updater.start()

    def check(self, change: Difference) -> None:
        """Refuse settings of another model while one is on trial.

        Raises:
            ConfigError: they change the model.
        """
        if self._stage and self._stage.is_busy and "model" in change.sections:
            raise ConfigError("model: a model update is being tried out; reload when model/state says active")

    def roll_back(self) -> Answer:
        """Ask for the model before the last update. For any thread."""
        if self._updater is None:
            return Answer(ok=False, reason="model_updates is not enabled on this node")
        return self._updater.roll_back()

    def cancel(self) -> None:
        """End soon. For any thread."""
        if self._updater:
            self._updater.cancel()

    def close(self) -> None:
        """End; what was under way is gone on with at the next start."""
        if self._updater:
            self._updater.stop(CLOSE_SECONDS)
        if self._ledger:
            self._ledger.let_go()
