"""A real RTSP camera on loopback: it is watched, hangs, dies, comes back, and refuses us."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import final

import pytest
from e2e.rtsp_server import RtspServer, free_port, require_rtsp

from ffe_edge.camera import LiveSource, open_source
from ffe_edge.config import CameraSettings

TIMEOUT_SECONDS = 2.0


@pytest.fixture(autouse=True)
def _server_possible() -> None:
    require_rtsp()


@final
class Watched:
    """A live source whose states are noted, and that a test can wait for while frames are read in a thread."""

    def __init__(self, url: str) -> None:
        self.states: list[tuple[str, str]] = []
        self.frames = 0
        self._news = threading.Condition()
        source = open_source(CameraSettings(source=url, timeout_seconds=TIMEOUT_SECONDS), self._told)
        assert isinstance(source, LiveSource)
        self.source = source
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.source.close()
        self._thread.join(5)
        assert not self._thread.is_alive()

    def wait(self, state: str, after: int = 0, seconds: float = 40.0) -> str:
        """The reason of the first such state, not counting the first ``after`` states."""
        with self._news:
            assert self._news.wait_for(lambda: self._reasons(state, after), seconds), self.states
            return self._reasons(state, after)[0]

    def _reasons(self, state: str, after: int) -> list[str]:
        return [reason for name, reason in self.states[after:] if name == state]

    def _told(self, state: str, reason: str) -> None:
        with self._news:
            self.states.append((state, reason))
            self._news.notify_all()

    def _read(self) -> None:
        for _ in self.source:
            self.frames += 1


@pytest.fixture
def server() -> Iterator[RtspServer]:
    with RtspServer(credentials="carer:s3cret") as running:
        yield running


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def command_lines() -> str:
    """Of all processes but the server, which is told its password that way."""
    texts = map(command_line, Path("/proc").glob("[0-9]*"))
    return "\n".join(text for text in texts if "rtsp_server" not in text)


def test_frames_arrive_and_the_password_shows_nowhere(server: RtspServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    source = open_source(CameraSettings(source=server.url))
    running = iter(source)
    frames = list(islice(running, 5))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[0].image.shape == (240, 320, 3)
    assert sorted(frame.seconds for frame in frames) == [frame.seconds for frame in frames]
    assert "camera.reader" in command_lines()
    assert "s3cret" not in command_lines() + caplog.text
    source.close()


def test_a_camera_that_hangs_is_noticed_and_taken_up_again(server: RtspServer) -> None:
    with Watched(server.url) as camera:
        camera.wait("online")
        server.hang()
        told = len(camera.states)
        camera.wait("stalled", after=told)
        assert "no frame" in camera.wait("offline", after=told)
        server.go_on()
        camera.wait("online", after=told)


def test_close_is_quick_while_the_camera_hangs(server: RtspServer) -> None:
    with Watched(server.url) as camera:
        camera.wait("online")
        server.hang()
        camera.wait("stalled")
        began = time.monotonic()
        camera.source.close()
        camera._thread.join(5)
        assert time.monotonic() - began < 1.5


def test_a_camera_that_is_not_there_yet_is_waited_for() -> None:
    server = RtspServer(free_port())
    with Watched(server.url) as camera:
        assert "Connection refused" in camera.wait("offline")
        with server:
            camera.wait("online")


@pytest.mark.slow
def test_a_server_that_restarts_is_found_again() -> None:
    port = free_port()
    with RtspServer(port) as first, Watched(first.url) as camera:
        camera.wait("online")
        first.__exit__(None, None, None)
        camera.wait("offline")
        with RtspServer(port):
            camera.wait("online", after=len(camera.states))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(("s3cret", "wr0ng"), "401", id="wrong-password"),
        pytest.param(("/test", "/other"), "404", id="wrong-path"),
    ],
)
def test_a_refusal_is_told_without_the_password(server: RtspServer, change: tuple[str, str], reason: str) -> None:
    with Watched(server.url.replace(*change)) as camera:
        told = camera.wait("offline")
    assert reason in told
    assert "wr0ng" not in told
    assert "s3cret" not in told


def test_a_change_of_size_is_followed() -> None:
    with RtspServer(size_px=(640, 360)) as server:
        states: list[tuple[str, str]] = []
        source = open_source(CameraSettings(source=server.url), lambda *state: states.append(state))
        frames = iter(source)
        assert next(frames).image.shape == (360, 640, 3)
        server.resize(320, 240)
        assert any(frame.image.shape == (240, 320, 3) for frame in islice(frames, 100))
        source.close()
    assert ("offline", "its pictures have another size now") in states
