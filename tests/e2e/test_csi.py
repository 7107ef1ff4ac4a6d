"""The reader of CSI cameras on GStreamer's test picture: the pipeline's process, its pipe, its end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from ffe_edge.camera import open_source
from ffe_edge.camera.csi import SOURCE_ELEMENT, element_properties, pipeline
from ffe_edge.camera.live import LiveSource
from ffe_edge.camera.order import ReaderOrder
from ffe_edge.config import CameraSettings
from ffe_edge.errors import SourceError

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 322, 240  # rows that GStreamer pads to 968 bytes
ON_PARENT = """
from e2e.test_csi import test_picture
for _ in test_picture():
    print("frame", flush=True)
"""

pytestmark = pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="gst-launch-1.0 is not installed")


def test_picture(*properties: str) -> LiveSource:
    caps = f"video/x-raw,format=BGR,width={WIDTH},height={HEIGHT},framerate=30/1"
    elements = pipeline(("videotestsrc", "is-live=true", *properties), (caps,))
    return LiveSource("test picture", ReaderOrder("pipeline", 1.5, "", elements, WIDTH, HEIGHT, 30))


test_picture.__test__ = False  # type: ignore[attr-defined]


def reader_of(source: LiveSource) -> int:
    assert source._reader is not None
    return source._reader.pid


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in found.split()]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_until_dead(pids: list[int], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_alive, pids))


def test_frames_arrive_whole_and_in_colour() -> None:
    source = test_picture("pattern=blue")
    frames = list(islice(source, 5))
    source.close()
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert all(np.array_equal(frame.image, np.full((HEIGHT, WIDTH, 3), (255, 0, 0), np.uint8)) for frame in frames)
    assert all(0 <= time.monotonic() - frame.seconds < 60 for frame in frames)


def test_slow_work_costs_frames_not_time() -> None:
    source = test_picture()
    frames = iter(source)
    next(frames)
    time.sleep(0.7)
    late = next(frames)
    source.close()
    assert source.dropped > 0
    assert time.monotonic() - late.seconds < 0.6


@pytest.mark.parametrize("victim", ["reader", "pipeline"])
def test_a_killed_process_is_started_again(victim: str) -> None:
    source = test_picture()
    states: list[str] = []
    source.on_state = lambda state, _reason: states.append(state)
    for frame in source:
        if frame.index == 2:
            os.kill(reader_of(source) if victim == "reader" else children(reader_of(source))[0], signal.SIGKILL)
        if len(states) == 3:
            break
    source.close()
    assert states == ["online", "offline", "online"]


def test_a_pipeline_that_is_wrong_says_why() -> None:
    source = test_picture("nonsense=1")
    reasons: list[str] = []

    def told(state: str, reason: str) -> None:
        reasons.append(f"{state}: {reason}")
        source.close()

    source.on_state = told
    assert list(source) == []
    assert "nonsense" in reasons[0]


def test_a_hung_pipeline_does_not_keep_close_waiting() -> None:
    source = test_picture()
    frames = iter(source)
    next(frames)
    family = [reader_of(source), *children(reader_of(source))]
    os.killpg(reader_of(source), signal.SIGSTOP)
    threading.Timer(0.3, source.close).start()
    began = time.monotonic()
    assert len(list(frames)) <= 1
    assert time.monotonic() - began < 1.5
    assert wait_until_dead(family)


def test_processes_die_with_their_parent() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-c", ON_PARENT]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"frame\n"
        (reader,) = children(parent.pid)
        family = [reader, *children(reader)]
        assert len(family) == 2
        parent.kill()
    assert wait_until_dead(family)


def test_without_a_jetson_the_user_is_told() -> None:
    if element_properties(SOURCE_ELEMENT) is not None:
        pytest.skip("this is a Jetson")
    with pytest.raises(SourceError, match="needs a Jetson"):
        open_source(CameraSettings(source="csi://0"))


def test_properties_of_an_element_are_read() -> None:
    properties = element_properties("videotestsrc")
    assert properties is not None
    assert {"pattern", "is-live"} <= properties
