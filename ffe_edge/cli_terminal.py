"""What commands have in common with a terminal: logs, signals, a progress line."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

import cv2
from rich.console import Console
from rich.logging import RichHandler
from rich.status import Status

from ffe_edge.camera.order import FFMPEG_LEVEL
from ffe_edge.errors import FfeError

if TYPE_CHECKING:
    from ffe_edge.service import Service

FFMPEG_QUIET: Final = "-8"
"""What a broken file is called stands in our own error, not in FFmpeg's chatter before it."""


@contextmanager
def logged(*, verbose: bool = False) -> Iterator[Console]:
    """Colours on a terminal, plain lines with time and level otherwise; always on stderr."""
    console = Console(stderr=True)
    handler: logging.Handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault(FFMPEG_LEVEL, FFMPEG_QUIET)
    roots = [logging.getLogger(name) for name in ("ffe_edge", "ffe_train", "ffe_export")]
    for root in roots:
        root.addHandler(handler)
        root.setLevel(logging.DEBUG if verbose else logging.INFO)
    try:
        yield console
    finally:
        for root in roots:
            root.removeHandler(handler)


@contextmanager
def stopping_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call ``stop`` in a thread, since a handler must not wait for a lock."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=stop, name="stop", daemon=True).start()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def progress_line(service: Service, console: Console) -> Iterator[Callable[[], None] | None]:
    """A line that is rewritten on a terminal; nothing where there is none."""
    if not console.is_terminal:
        yield None
        return
    with console.status("opening …") as status:
        yield lambda: _show_progress(service, status)


def need(module: str, extra: str) -> None:
    """Refuse a command whose extra is not installed.

    Raises:
        FfeError: says what to install.
    """
    if importlib.util.find_spec(module) is None:
        raise FfeError(f"{module} is not installed, this command needs it: pip install 'ffe-edge[{extra}]'")


def _show_progress(service: Service, status: Status) -> None:
    done = service.progress
    status.update(
        f"{done.frames} frames · {done.people} people in view"
        f" · broker {service.broker_state} · {service.pending} events waiting"
    )
