"""Clips of rendered people whose expression changes again and again, and settings under which each change is told."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import cv2
from e2e.test_daemon import Daemon

from ffe_edge.rendered.timeline import demo_timeline
from ffe_edge.types import ImageArray

FPS, HELD_FRAMES, CHANGES = 6, 4, 120
EAGER = """hold_seconds = 0.0
min_frames = 2
min_probability = 0.3
hysteresis = 0.0
[tracker]
smoothing_seconds = 0.02
"""
"""In place of ``hold_seconds`` of the daemon's settings."""


def expressions(seed: int, count: int = 8) -> list[ImageArray]:
    """Pictures of the person that ``demo:<seed>`` shows."""
    return [frame.image for frame in itertools.islice(demo_timeline(seed, fps=0.4), count)]


def write_acting_clip(path: Path, images: list[ImageArray]) -> Path:
    """Eighty seconds in which each picture is held for two thirds of one."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (640, 480))
    for image in itertools.islice(itertools.cycle(images), CHANGES):
        for _ in range(HELD_FRAMES):
            writer.write(image)
    writer.release()
    return path


def frames_seen(daemon: Daemon, camera: str) -> int:
    """Frames of the camera so far, also those that nobody looked at."""
    found = re.search(rf'ffe_camera_frames_total{{camera="{camera}"}} (\S+)', daemon.get("/metrics")[1])
    return int(float(found[1])) if found else 0
