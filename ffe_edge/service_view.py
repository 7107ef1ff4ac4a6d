"""How the daemon is doing, for those who watch it: systemd, Prometheus, the health topic."""

from __future__ import annotations

from typing import Final

from ffe_edge.config import Config
from ffe_edge.health_server import HealthServer
from ffe_edge.metrics import Totals
from ffe_edge.service_health import HealthTeller
from ffe_edge.service_loop import Loop
from ffe_edge.service_pages import pages
from ffe_edge.service_telling import Telling
from ffe_edge.service_watch import SignOfLife, Watch
from ffe_edge.stopwatch import Stopwatch
from ffe_edge.systemd import Notifier

WATCH_SECONDS: Final = 1.0
"""What looking gets of the five seconds that SIGTERM promises."""


class View:
    """Looks at the loop and at what is told, and reports; changes neither."""

    def __init__(self, config: Config, loop: Loop, telling: Telling, notifier: Notifier, stopwatch: Stopwatch) -> None:
        """Open the port, where the settings name one.

        Raises:
            ConfigError: the port is taken.
        """
        self.reloads = 0
        self.failed_reloads = 0
        self._loop = loop
        self._telling = telling
        self._watch = Watch(self.signs_of_life, config.service.hang_seconds, notifier, self.status_line)
        self._health = HealthTeller(lambda: loop.cameras, lambda: (telling.pending, telling.gaps), loop.latencies)
        self._server: HealthServer | None = None
        if config.service.health_port:
            served = pages(self.totals, lambda: loop.cameras, self._watch.hung, stopwatch)
            self._server = HealthServer(config.service.health_port, served)

    def start(self) -> None:
        """Report from now on."""
        self._health.start(self._telling.health)
        self._watch.start()
        if self._server:
            self._server.start()

    def stop(self) -> None:
        """Report no more."""
        self._watch.stop(WATCH_SECONDS)
        self._health.stop()
        if self._server:
            self._server.stop()

    def signs_of_life(self) -> list[SignOfLife]:
        """Of every part of the daemon."""
        telling = self._telling
        captures = [sign for camera in self._loop.cameras if (sign := camera.sign_of_life())]
        inference = SignOfLife("inference", self._loop.pulse.seconds)
        return [*captures, inference, SignOfLife("publishing", telling.turned_at)]

    def status_line(self) -> str:
        """For ``systemctl status``."""
        cameras, telling = self._loop.cameras, self._telling
        online = sum(camera.state == "online" for camera in cameras)
        of_cameras = f"{online} of {len(cameras)} cameras online"
        return f"{of_cameras} · broker {telling.broker_state} · {telling.pending} events waiting"

    def totals(self) -> Totals:
        """For Prometheus."""
        telling = self._telling
        return Totals(
            events=telling.events,
            pending=telling.pending,
            gaps=telling.gaps,
            broker_state=telling.broker_state,
            reloads=self.reloads,
            failed_reloads=self.failed_reloads,
            is_alive=not self._watch.hung(),
            commands=telling.commands,
        )
