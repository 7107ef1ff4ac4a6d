"""The daemon round the loop: what it needs is put together, started, watched and stopped in order."""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Final

from ffe_edge import __version__
from ffe_edge.camera import open_source
from ffe_edge.classify import ExpressionClassifier
from ffe_edge.config import Config
from ffe_edge.errors import ConfigError
from ffe_edge.events import Changes
from ffe_edge.faces import load_detector
from ffe_edge.messages import CameraState, Gap, Health
from ffe_edge.mqtt import Publisher
from ffe_edge.outbox import Outbox
from ffe_edge.pipeline import Pipeline, Progress
from ffe_edge.serving import Serving, event_context, identity
from ffe_edge.stopwatch import Stopwatch
from ffe_edge.tracks import IouTracker
from ffe_edge.types import EmotionEvent, Frame
from ffe_edge.wire import (
    encode_camera_state,
    encode_event,
    encode_gap,
    encode_health,
    encode_status,
    uuid7,
)

logger = logging.getLogger(__name__)

HEALTH_SECONDS: Final = 30.0
HEALTH_EXPIRY_SECONDS: Final = 120
REPORT_SECONDS: Final = 0.2
"""How often the progress line is told something new."""
DRAIN_SECONDS: Final = 1.0
"""What the broker gets after ``stop`` to take the last events ..."""
STOP_SECONDS: Final = 3.0
"""... and then the last status. SIGTERM promises five seconds for everything."""


class Service:
    """One camera's daemon: opens everything, runs until the source ends or ``stop``, closes everything."""

    def __init__(
        self,
        config: Config,
        *,
        on_event: Callable[[bytes], None] | None = None,
        serving: Callable[[Config, Callable[[], None]], Serving] = Serving.from_config,
    ) -> None:
        """Open model, detector, camera and outbox; the broker is not waited for.

        Args:
            config: the settings.
            on_event: called with the JSON of every event.
            serving: loads the model that the settings ask for.

        Raises:
            FfeError: something cannot be opened; the message names it.
        """
        if config.broker.url is None and on_event is None:
            raise ConfigError("events have nowhere to go: give --broker mqtt://host:1883, or --print to see them here")
        self._config = config
        self._on_event = on_event
        self._session = str(uuid.uuid4())
        self._stopping = threading.Event()
        self.stopwatch = Stopwatch()
        self._publisher: Publisher | None = None
        self._serving = serving(config, self._tell_engine)
        spec = self._serving.model.spec
        detector = load_detector(config.detector)
        self.detector_name = detector.name
        self._context = event_context(config, self._serving.model)
        self._source = open_source(config.camera, self._tell_camera)
        self.pipeline = Pipeline(
            self.stopwatch.timed("detect", detector),
            self.stopwatch.timed(
                "classify", ExpressionClassifier(self._serving.runner, len(spec.labels), spec.size_px)
            ),
            IouTracker(config.tracker),
            Changes(spec.labels, config.events),
        )
        self._tell = self.stopwatch.timed("publish", self._store)
        self._outbox = self._open_outbox()
        if config.broker.url:
            self._publisher = self._make_publisher()

    @property
    def progress(self) -> Progress:
        """What the loop has done so far."""
        return self.pipeline.progress

    @property
    def pending(self) -> int:
        """Events that the broker does not have yet."""
        return len(self._outbox)

    @property
    def broker_state(self) -> str:
        """``connected``, ``connecting``, ``refused``, ``unreachable``; ``none`` without a broker."""
        return self._publisher.state if self._publisher else "none"

    def run(self, on_progress: Callable[[], None] | None = None) -> None:
        """Work until the source ends and its last event is delivered, or until ``stop``.

        Args:
            on_progress: called some five times a second while frames come.
        """
        self._tell_camera("starting", "opening")
        try:
            if self._publisher:
                self._publisher.start()
                threading.Thread(target=self._tell_health, name="health", daemon=True).start()
            self._serving.start()
            for event in self.pipeline.run(self._reported(self._source, on_progress)):
                self._tell(event)
            self._tell_camera("offline", "the source has ended")
            self._deliver()
        finally:
            self._close()

    def stop(self) -> None:
        """End ``run`` soon; undelivered events stay in the outbox. May be called from any thread."""
        self._stopping.set()
        self._serving.cancel()
        self._source.close()

    def _reported(self, frames: Iterable[Frame], on_progress: Callable[[], None] | None) -> Iterator[Frame]:
        told = 0.0
        for frame in self.stopwatch.timed_items("decode", frames):
            if frame.index == 0:
                self._tell_camera("online", "frames arrive")
            yield frame
            if on_progress and time.monotonic() - told > REPORT_SECONDS:
                told = time.monotonic()
                on_progress()
            if self._stopping.is_set():
                return

    def _tell_camera(self, state: CameraState, reason: str) -> None:
        if self._publisher:
            self._publisher.publish_retained(f"{self._config.source_topic}/state", encode_camera_state(state, reason))

    def _tell_engine(self) -> None:
        """Another model serves, or the engine's state has changed: events and the status say so from now on."""
        self._context = replace(self._context, model=identity(self._serving.model))
        if self._publisher:
            self._publisher.publish_retained(f"{self._config.node_topic}/status", self._birth())

    def _store(self, event: EmotionEvent) -> None:
        event_id = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
        entry = self._outbox.append(
            f"{self._config.source_topic}/emotion",
            lambda sequence: encode_event(event, self._context, sequence=sequence, event_id=event_id),
        )
        if self._on_event:
            self._on_event(entry.payload)
        if self._publisher:
            self._publisher.wake()
        else:
            self._outbox.acknowledge(entry.sequence)

    def _deliver(self) -> None:
        """Wait for the broker: at a file's end as long as it takes, after ``stop`` a moment if it is there."""
        if self._publisher is None:
            return
        while not self._stopping.is_set():
            if self._publisher.wait_until_delivered(REPORT_SECONDS):
                return
        if self._publisher.state == "connected":
            self._publisher.wait_until_delivered(DRAIN_SECONDS)

    def _close(self) -> None:
        self._stopping.set()
        self._source.close()
        self._serving.close()
        if self._publisher:
            self._publisher.stop(encode_status("stopped", self._session), STOP_SECONDS)
        if left := len(self._outbox):
            logger.warning("%d events are not delivered yet; they are kept and sent at the next start", left)
        self._outbox.close()

    def _open_outbox(self) -> Outbox:
        config = self._config
        path = config.outbox.state_dir / f"{config.site}.{config.node}.sqlite" if config.broker.url else None
        return Outbox(
            path,
            max_bytes=config.outbox.max_bytes,
            gap_topic=f"{config.source_topic}/emotion",
            render_gap=self._render_gap,
        )

    def _render_gap(self, sequence: int, gap: Gap) -> bytes:
        now = datetime.now(timezone.utc)
        event_id = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
        return encode_gap(
            gap, self._context, sequence=sequence, event_id=event_id, told_at=now, seconds=time.monotonic()
        )

    def _make_publisher(self) -> Publisher:
        config = self._config
        return Publisher(
            config.broker,
            self._outbox,
            node_topic=config.node_topic,
            session=self._session,
            client_id=f"ffe-{config.site}-{config.node}",
            window=config.outbox.window,
            birth=self._birth,
            will=encode_status("lost", self._session),
        )

    def _birth(self) -> bytes:
        return encode_status(
            "online",
            self._session,
            boot_id=self._context.boot_id,
            version=__version__,
            engine=self._context.model.backend,
            engine_state=self._serving.engine_state,
            engine_reason=self._serving.engine_reason,
            detector=self.detector_name,
            cameras=(self._config.camera.id,),
        )

    def _tell_health(self) -> None:
        frames, since = 0, time.monotonic()
        while not self._stopping.wait(HEALTH_SECONDS):
            done, now = self.progress.frames, time.monotonic()
            fps = (done - frames) / (now - since)
            frames, since = done, now
            health = Health(fps={self._config.camera.id: fps}, outbox_entries=len(self._outbox), gaps=self._outbox.gaps)
            if self._publisher:
                self._publisher.publish_retained(
                    f"{self._config.node_topic}/health", encode_health(health), expiry_seconds=HEALTH_EXPIRY_SECONDS
                )
