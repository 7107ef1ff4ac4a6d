"""What commands have in common with a terminal: logs, signals, a progress line."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.logging import RichHandler
from rich.status import Status

from ffe_edge.errors import FfeError
from ffe_edge.json_logs import JsonFormatter, RedactingFormatter

if TYPE_CHECKING:
    from ffe_edge.config import LogFormat
    from ffe_edge.service import Service

QUIET: Final = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
"""What a broken file is called stands in our own error, not in chatter of OpenCV and FFmpeg before it."""

SS_DISABLE: Final = 2
"""Of sigaltstack(2)."""


def quiet_opencv() -> None:
    """Keep OpenCV to itself, unless the environment says otherwise. Before it is imported."""
    for variable, level in QUIET.items():
        os.environ.setdefault(variable, level)


@contextmanager
def logged(*, verbose: bool = False, form: LogFormat = "text") -> Iterator[Console]:
    """Colours on a terminal, plain lines with time and level otherwise, or JSON; always on stderr."""
    console = Console(stderr=True, force_terminal=False if form == "json" else None)
    handler = _handler(console, form)
    roots = [logging.getLogger(name) for name in ("ffe_edge", "ffe_train", "ffe_export")]
    for root in roots:
        root.addHandler(handler)
        root.setLevel(logging.DEBUG if verbose else logging.INFO)
    try:
        yield console
    finally:
        for root in roots:
            root.removeHandler(handler)


def _handler(console: Console, form: LogFormat) -> logging.Handler:
    if console.is_terminal:
        return RichHandler(console=console, show_path=False)
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonFormatter() if form == "json" else RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    return handler


@contextmanager
def stopping_on_signals(stop: Callable[[], None], reload: Callable[[], object] | None = None) -> Iterator[None]:
    """SIGTERM and SIGINT call ``stop``, SIGHUP ``reload``, in a thread, since a handler must not wait for a lock."""
    calls = {signal.SIGTERM: stop, signal.SIGINT: stop} | ({signal.SIGHUP: reload} if reload else {})

    def handle(number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=calls[signal.Signals(number)], name="signal", daemon=True).start()

    _leave_foreign_signal_stack()
    before = {number: signal.signal(number, handle) for number in calls}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """End the program with its exit code even where a thread is still in native code, such as a model being loaded.

    Python ends such a thread when it comes back from there, by unwinding C++ frames that forbid it: std::terminate,
    and SIGABRT instead of the exit code. All that has to be kept is on the disk by then.
    """
    try:
        yield
    except SystemExit as leaving:
        if not isinstance(leaving.code, int) or not any(thread.daemon for thread in threading.enumerate()):
            raise
        logging.shutdown()
        with suppress(OSError):  # nobody reads any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(leaving.code)


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux. Source: sigaltstack(2)."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def _leave_foreign_signal_stack() -> None:
    """Have handlers run on this thread's ordinary stack.

    OpenVINO 2026.4 gives the thread that compiles a model a stack for signals (sigaltstack) and frees it with the
    model: the next signal would end the process with a segmentation fault.
    """
    none = _Stack(None, SS_DISABLE, 0)
    ctypes.CDLL(None).sigaltstack(ctypes.byref(none), None)


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
