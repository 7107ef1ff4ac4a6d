"""A reader process: started, listened to and, when it hangs, killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import weakref
from dataclasses import replace
from typing import Final

from ffe_edge.camera.order import ReaderOrder
from ffe_edge.redaction import redacted

LEAVE_SECONDS: Final = 0.4
"""A reader that is told to end has this long to release its camera."""
KILL_SECONDS: Final = 0.4
VOICE: Final = "reader: "
"""Begins the reader's own last line, among those of FFmpeg and GStreamer."""
_MAX_TEXT: Final = 8192
_PREFIX: Final = re.compile(r"^\[[^\]]*\]\s*")
_CHATTER: Final = re.compile(
    r"^(\[ *(WARN|INFO|ERROR|DEBUG):|\[OPENCV:FFMPEG:(?!0?8\]|16\])|[a-z]=|Consider|Additional debug info|\.\./|$)"
)
"""What is no cause: OpenCV's own lines, FFmpeg's below its errors, a stream's description (SDP), advice."""
_TALKATIVE: Final = {"OPENCV_LOG_LEVEL": "WARNING", "OPENCV_FFMPEG_LOGLEVEL": "40"}
"""What FFmpeg says inside OpenCV is the cause of a camera's loss."""
_SIZE: Final = re.compile(r"Reinit context to (\d+x\d+),")
"""FFmpeg's H.264 decoder, at its first picture and at each change of size."""


class ReaderProcess:
    """One child. It writes frames into the memory of its order, and what it and FFmpeg have to say into a pipe."""

    def __init__(self, order: ReaderOrder) -> None:
        self._errors, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        weakref.finalize(self, os.close, self._errors)
        self._text = ""
        self._size = ""
        self.has_new_size = False
        """Whether the camera's pictures have changed their size, which OpenCV hides: it stretches them to the first."""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ffe_edge.camera.reader"],
                stdin=subprocess.PIPE,
                stdout=writer,
                stderr=writer,  # non-blocking: a decoder that complains for days must not come to a halt
                pass_fds=(order.memory_fd, order.wake_fd),
                cwd="/",
                env=_environment(),
                start_new_session=True,
            )
        finally:
            os.close(writer)
        self._hand_over(replace(order, parent_pid=os.getpid()))

    @property
    def pid(self) -> int:
        """Process id, and id of its process group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it still lives."""
        return self._process.poll() is None

    def listen(self) -> None:
        """Take what it has said, so that its pipe has room."""
        try:
            while said := os.read(self._errors, 65536):
                self._text = (self._text + said.decode(errors="replace"))[-_MAX_TEXT:]
                for size in _SIZE.findall(self._text):
                    self._size = self._size or size
                    self.has_new_size |= size != self._size
        except BlockingIOError:
            return

    def last_words(self) -> str:
        """Why it ended, without credentials; empty when it did not say."""
        self.listen()
        return cause_of(self._text)

    def stop(self) -> None:
        """End it within a second: ask, then kill it with all its children. More than once does no harm."""
        self._process.terminate()
        if not self._waited(LEAVE_SECONDS):
            self._kill_group()
            self._waited(KILL_SECONDS)

    def _kill_group(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _waited(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _hand_over(self, order: ReaderOrder) -> None:
        stdin = self._process.stdin
        if stdin is None:
            return
        try:
            with stdin:
                stdin.write(order.to_json().encode())
        except BrokenPipeError:
            return  # it died at once: its end is seen by ``is_running``


def _environment() -> dict[str, str]:
    """Ours, with our modules to be found and FFmpeg free to speak."""
    return {
        **os.environ,
        **_TALKATIVE,
        "PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path))),
    }


def cause_of(text: str) -> str:
    """One line from a reader's stderr: its own last one, with the last complaint of the library below it."""
    lines = [line.strip() for line in redacted(text).splitlines()]
    own = [line.removeprefix(VOICE) for line in lines if line.startswith(VOICE)]
    others = [_PREFIX.sub("", line) for line in lines if not line.startswith(VOICE) and not _CHATTER.match(line)]
    if own and others:
        return f"{own[-1]} ({others[-1]})"
    return (own or others or [""])[-1]
