"""The daemon round the loop: what it needs is put together, started, watched, changed and stopped in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ffe_edge.config import Config
from ffe_edge.errors import ConfigError, FfeError
from ffe_edge.messages import CameraState, Summary
from ffe_edge.pipeline import Progress
from ffe_edge.service_broker import birth
from ffe_edge.service_camera import Camera
from ffe_edge.service_commands import Obeying
from ffe_edge.service_house import House
from ffe_edge.service_loop import Loop
from ffe_edge.service_minutes import MinuteTeller
from ffe_edge.service_parts import Parts, Prepared
from ffe_edge.service_people import Enrolled
from ffe_edge.service_reload import difference
from ffe_edge.service_telling import Telling
from ffe_edge.service_update import ModelUpdates
from ffe_edge.service_view import View
from ffe_edge.serving import Serving, event_context, identity
from ffe_edge.stopwatch import Stopwatch
from ffe_edge.systemd import Notifier
from ffe_edge.types import EmotionEvent

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.2
DRAIN_SECONDS: Final = 1.0
"""What the broker gets after ``stop`` to take the last events ..."""
STOP_SECONDS: Final = 4.5
"""... and everything together: SIGTERM promises five seconds."""
APPLY_SECONDS: Final = 20.0
"""What a reload waits for the loop."""


class Service:
    """The daemon of all cameras: opens everything, runs until all sources end or ``stop``, closes everything."""

    def __init__(
        self,
        config: Config,
        *,
        on_event: Callable[[bytes], None] | None = None,
        serving: Callable[[Config, Callable[[], None]], Serving] = Serving.from_config,
        notifier: Notifier | None = None,
        load: Callable[[], Config] | None = None,
    ) -> None:
        """Open model, detector, files and outbox; cameras and the broker are not waited for.

        Args:
            config: the settings.
            on_event: called with the JSON of every event.
            serving: loads the model that the settings ask for.
            notifier: systemd, where it started us.
            load: reads the settings again, for ``reload``.

        Raises:
            FfeError: something cannot be opened; the message names it.
        """
        if config.broker.url is None and on_event is None:
            raise ConfigError("events have nowhere to go: give --broker mqtt://host:1883, or --print to see them here")
        self._updates = ModelUpdates(config)
        self._notifier = notifier or Notifier()
        self._reloading = threading.Lock()
        self._stop_at, self.stopwatch = float("inf"), Stopwatch()
        self._load, self._make = load, serving
        self._house = House(config)
        load_first = self._updates.first(serving), self._tell_engine
        parts = Parts.of(self._updates.effective(config), *load_first, self._house, self.stopwatch)
        self._config = self._updates.effective(config)
        minutes = MinuteTeller(self._store_summary)
        self._loop = Loop(parts, self._house, minutes, config.cameras, self._store, self._tell_camera, self.stopwatch)
        self._enrolled = Enrolled(config, parts.acquaintance, lambda: self.telling)
        reload, roll_back = self.reload if load else None, self._updates.roll_back
        obey = Obeying(self._house, self._enrolled, lambda: self.telling, reload, roll_back)
        context, wishes = event_context(config, parts.serving.model), self._updates.wishes
        self.telling = Telling(config, context, self._birth, obey, on_event, wishes)
        self.view = View(config, self._loop, self.telling, self._notifier, self.stopwatch)

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Those of now."""
        return self._loop.cameras

    @property
    def detector_name(self) -> str:
        """What finds faces."""
        return self._loop.parts.detector_name

    @property
    def progress(self) -> Progress:
        """What the loop has done so far, over all cameras."""
        return self._loop.progress

    @property
    def pending(self) -> int:
        """Events that the broker does not have yet."""
        return self.telling.pending

    @property
    def broker_state(self) -> str:
        """``connected``, ``connecting``, ``refused``, ``unreachable``; ``none`` without a broker."""
        return self.telling.broker_state

    def run(self, on_progress: Callable[[], None] | None = None) -> None:
        """Work until every source has ended and its last event is delivered, or until ``stop``.

        Args:
            on_progress: called some five times a second while frames come.

        Raises:
            FfeError: the model, the detector or the outbox fails, or a file cannot be read to its end.
        """
        try:
            self._start()
            self._loop.run(self._apply, self._enrolled.tend, on_progress)
            self._deliver()
            was_stopped = self._loop.stopping.is_set()
        finally:
            self._close()
        failed = [camera.feed.failure for camera in self.cameras if camera.feed and camera.feed.failure]
        if failed and not was_stopped:
            raise failed[0]

    def stop(self) -> None:
        """End ``run`` soon; undelivered events stay in the outbox. May be called from any thread."""
        self._stop_at = min(self._stop_at, time.monotonic() + STOP_SECONDS)
        self._loop.stopping.set()
        self._updates.cancel()
        self._loop.parts.serving.cancel()
        self._loop.wake()
        self._loop.close_cameras()

    def reload(self) -> bool:
        """Change to other settings without disturbing what stays the same. May be called from any thread.

        Everything new is opened first: when any of it is wrong, all stays as it was, and the log says why.

        Returns:
            Whether the new settings serve.
        """
        with self._reloading:
            self._notifier.reloading()
            try:
                prepared = self._prepare(self._updates.effective(self._load()) if self._load else self._config)
            except FfeError as error:
                logger.error("not reloaded, everything stays as it was: %s", error)  # noqa: TRY400 - one line, no traceback
                self.view.failed_reloads += 1
                return False
            else:
                self.view.reloads += 1
                self._loop.wake(prepared)
                return prepared.applied.wait(APPLY_SECONDS)
            finally:
                self._notifier.ready()

    def _start(self) -> None:
        self.telling.start()
        self._loop.parts.serving.start()
        self.view.start()
        self._updates.begin(
            self._loop, self._make, lambda: self._config, self._tell_model, self._reloading, self.telling.model
        )
        self._notifier.ready()

    def _deliver(self) -> None:
        """Wait for the broker: at a file's end as long as it takes, after ``stop`` a moment if it is there."""
        while not self._loop.stopping.is_set():
            self._loop.pulse.beat()
            if self.telling.wait_until_delivered(LOOK_SECONDS):
                return
        if self.telling.broker_state == "connected":
            self.telling.wait_until_delivered(DRAIN_SECONDS)

    def _close(self) -> None:
        self._notifier.stopping()
        self._loop.stopping.set()
        self._stop_at = min(self._stop_at, time.monotonic() + STOP_SECONDS)
        self.view.stop()
        self._loop.close_cameras()
        self._updates.close()
        self._loop.parts.serving.close()
        self._enrolled.close()
        if left := self.telling.close(max(0.5, self._stop_at - time.monotonic())):
            logger.warning("%d events are not delivered yet; they are kept and sent at the next start", left)

    def _prepare(self, config: Config) -> Prepared:
        change = difference(self._config, config)
        self._updates.check(change)
        parts = self._loop.parts.changed(config, change.sections, self._tell_engine)
        cameras = tuple(self._loop.camera(settings) for settings in change.added)
        for camera in cameras:
            camera.open()
        publisher = self.telling.prepared(config) if change.broker else None
        return Prepared(config, change, parts, cameras, publisher)

    def _apply(self, prepared: Prepared) -> None:
        """Take over a reload, on the loop's thread."""
        before = self._loop.parts
        self._house.use(prepared.config)
        self._loop.change(prepared)
        self._enrolled.use(prepared.config, prepared.parts.acquaintance)
        if before.relay is not self._loop.parts.relay:
            before.serving.close()
            self._loop.parts.serving.start()
        if prepared.difference.broker:
            self.telling.take_over(prepared.config, prepared.publisher, DRAIN_SECONDS)
        self._config = prepared.config
        self.telling.use(prepared.config)
        self._tell_engine()
        prepared.applied.set()
        logger.info("reloaded: %s", prepared.difference)

    def _store(self, camera_id: str, event: EmotionEvent) -> None:
        self.telling.event(camera_id, event)

    def _store_summary(self, camera_id: str, summary: Summary) -> None:
        self.telling.summary(camera_id, summary)

    def _tell_camera(self, camera_id: str, state: CameraState, reason: str) -> None:
        self.telling.camera(camera_id, state, reason)

    def _tell_model(self) -> None:
        """A model update has taken over, or given way again: the settings of now mean that model."""
        self._config = self._updates.renewed(self._config)
        self._tell_engine()

    def _tell_engine(self) -> None:
        """Another model serves, or the engine's state has changed: events and the status say so from now on."""
        model = self._loop.parts.serving.model
        self.telling.context = replace(self.telling.context, model=identity(model), labels=model.spec.labels)
        self.telling.status()

    def _birth(self, session: str) -> bytes:
        parts = self._loop.parts
        return birth(session, self.telling.context.boot_id, parts.serving, parts.detector_name, self.cameras)
