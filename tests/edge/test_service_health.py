"""How the daemon is doing, in figures."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from ffe_edge.config import CameraSettings
from ffe_edge.service_camera import Camera
from ffe_edge.service_health import HealthTeller, Latencies, memory_bytes, temperature_celsius


def test_health_names_every_camera_and_what_waits() -> None:
    cameras = [Camera(CameraSettings(id=name), threading.Condition(), lambda *_told: None) for name in ("a", "b")]
    latencies = Latencies()
    for seconds in (0.1, 0.2, 0.3):
        latencies.note(seconds)
    health = HealthTeller(lambda: cameras, lambda: (7, 1), latencies).health()
    assert (health.fps, health.frame_age_seconds) == ({"a": 0.0, "b": 0.0}, {})
    assert (health.outbox_entries, health.gaps, health.latency_p50_seconds) == (7, 1, 0.2)
    assert health.memory_bytes is not None
    assert 10 * 2**20 < health.memory_bytes < 10 * 2**30


def test_a_frame_that_comes_while_the_figures_are_put_together_is_of_no_age() -> None:
    feed = SimpleNamespace(frames=1, last_seconds=time.monotonic() + 60)
    camera = cast("Camera", SimpleNamespace(id="a", feed=feed))
    assert HealthTeller(lambda: [camera], lambda: (0, 0), Latencies()).health().frame_age_seconds == {"a": 0.0}


def test_the_hottest_zone_that_can_be_read_counts(tmp_path: Path) -> None:
    for zone, text in (("0", "41500"), ("1", "broken"), ("2", "63250")):
        folder = tmp_path / f"thermal_zone{zone}"
        folder.mkdir()
        (folder / "temp").write_text(f"{text}\n")
    assert temperature_celsius(tmp_path) == 63.25
    assert temperature_celsius(tmp_path / "none") is None


def test_memory_is_that_of_this_process() -> None:
    assert memory_bytes() > 10 * 2**20
