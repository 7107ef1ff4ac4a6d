"""The installed program, run as a user runs it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2

PROGRAM = [sys.executable, "-c", "from ffe_edge.cli import main; main()"]


def environment(state: Path) -> dict[str, str]:
    """A user with nothing fetched and an own state folder."""
    return {**os.environ, "XDG_STATE_HOME": str(state), "FFE_MODELS": str(state / "none"), "COLUMNS": "200"}


def ffe_edge(*arguments: str, state: Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        [*PROGRAM, *arguments], env=environment(state), capture_output=True, text=True, timeout=timeout, check=False
    )


def started(*arguments: str, state: Path) -> subprocess.Popen[str]:
    """Run in the background."""
    return subprocess.Popen(
        [*PROGRAM, *arguments], env=environment(state), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def events(text: str) -> list[dict[str, Any]]:
    """NDJSON lines."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def write_rendered_clip(path: Path, *, seconds: float = 12.0, fps: float = 5.0, seed: int = 3) -> Path:
    """A clip of a rendered person: no video needs to lie about."""
    from ffe_edge.rendered.timeline import demo_timeline

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (640, 480))
    for frame in itertools.islice(demo_timeline(seed, fps=fps), int(seconds * fps)):
        writer.write(frame.image)
    writer.release()
    return path
