"""How the daemon is doing, in figures: the health message every half minute, and the latencies behind it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np

from ffe_edge.messages import Health
from ffe_edge.service_camera import Camera

HEALTH_SECONDS: Final = 30.0
KEPT: Final = 1000
"""Latencies kept."""
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Latencies:
    """From a frame to its event in the outbox. Written by the loop, read by any thread."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=KEPT)

    def note(self, seconds: float) -> None:
        """One more event."""
        self._seconds.append(max(0.0, seconds))

    def quantile(self, share: float) -> float | None:
        """As 0.5 for the median; None before the first event."""
        seconds = list(self._seconds)
        return float(np.quantile(seconds, share)) if seconds else None


class HealthTeller:
    """Tells the health in a thread of its own."""

    def __init__(
        self, cameras: Callable[[], Iterable[Camera]], backlog: Callable[[], tuple[int, int]], latencies: Latencies
    ) -> None:
        """Prepare.

        Args:
            cameras: those of now.
            backlog: entries of the outbox, and gaps told.
            latencies: of events.
        """
        self._cameras = cameras
        self._backlog = backlog
        self._latencies = latencies
        self._frames: dict[str, int] = {}
        self._seconds = time.monotonic()
        self._ending = threading.Event()

    def start(self, tell: Callable[[Health], None]) -> None:
        """Tell from now on, until ``stop``."""
        threading.Thread(target=self._run, args=(tell,), name="health", daemon=True).start()

    def stop(self) -> None:
        """Tell no more."""
        self._ending.set()

    def health(self) -> Health:
        """As it is now, the rates since the last call."""
        now = time.monotonic()
        frames = {camera.id: camera.feed.frames if camera.feed else 0 for camera in self._cameras()}
        elapsed = max(1e-3, now - self._seconds)
        fps = {name: max(0.0, (count - self._frames.get(name, 0)) / elapsed) for name, count in frames.items()}
        self._frames, self._seconds = frames, now
        entries, gaps = self._backlog()
        return Health(
            fps=fps,
            latency_p50_seconds=self._latencies.quantile(0.5),
            latency_p95_seconds=self._latencies.quantile(0.95),
            frame_age_seconds={
                camera.id: max(0.0, now - camera.feed.last_seconds)  # a frame may have come since `now`
                for camera in self._cameras()
                if camera.feed and camera.feed.last_seconds is not None
            },
            outbox_entries=entries,
            gaps=gaps,
            temperature_celsius=temperature_celsius(),
            memory_bytes=memory_bytes(),
        )

    def _run(self, tell: Callable[[Health], None]) -> None:
        while not self._ending.wait(HEALTH_SECONDS):
            tell(self.health())


def memory_bytes() -> int:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def temperature_celsius(folder: Path = Path("/sys/class/thermal")) -> float | None:
    """The hottest zone of the machine; None where it has none that can be read."""
    found = [_degrees(zone) for zone in folder.glob("thermal_zone*/temp")]
    return max((degrees for degrees in found if degrees is not None), default=None)


def _degrees(zone: Path) -> float | None:
    try:
        return int(zone.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):  # some zones are there and cannot be read
        return None
