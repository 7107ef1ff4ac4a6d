"""One build in a process of its own: it may take long and much memory, and must never take the daemon with it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from ffe_edge.errors import ModelError
from ffe_edge.file_lock import took

NICENESS: Final = 15
KILL_FIRST: Final = "1000"
"""OOM score: where memory runs out, the kernel ends the build and not the daemon."""
POLL_SECONDS: Final = 0.2
GRACE_SECONDS: Final = 1.0
"""Between SIGTERM and SIGKILL."""
TOLD_BYTES: Final = 4096
"""Of the end of what a build says; the reason stands in its last line."""


class Stopped(Exception):  # noqa: N818 - no error
    """The daemon stops."""


@contextmanager
def only_one(
    folder: Path, stopping: threading.Event, deadline_seconds: float, on_wait: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, bool]]:
    """The lock under which one build runs at a time for a folder, in whatever process.

    A child that inherits the descriptor holds the lock after its parent has died.

    Args:
        folder: of the engines.
        stopping: ends the wait when set.
        deadline_seconds: for the wait.
        on_wait: called once where another one has the lock.

    Yields:
        The descriptor, and whether another one had it.

    Raises:
        ModelError: the folder cannot be written, or another build does not end.
        Stopped: ``stopping`` was set.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".rebuild.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ModelError(f"{folder}: no engine can be built there ({error.strerror}); set model.engine_dir") from error
    try:
        had_to_wait = not took(descriptor)
        if had_to_wait:
            on_wait()
            _wait_for_lock(descriptor, folder, stopping, time.monotonic() + deadline_seconds)
        yield descriptor, had_to_wait
    finally:
        os.close(descriptor)


def run_build(
    command: Sequence[str],
    environment: Mapping[str, str],
    lock: int | None,
    stopping: threading.Event,
    deadline_seconds: float,
    what: str = "build",
) -> None:
    """Run a build, or something else that takes long, to its end, at low priority.

    Args:
        command: the program and its arguments.
        environment: added to this process's.
        lock: descriptor that the child keeps open, if any.
        stopping: ends the build when set.
        deadline_seconds: after which it is ended.
        what: the errors' name for it.

    Raises:
        ModelError: it failed; the message has its last line.
        Stopped: ``stopping`` was set; the build is dead.
    """
    with tempfile.TemporaryFile() as said:
        child = _start(command, environment, lock, said, what)
        try:
            _wait(child, stopping, time.monotonic() + deadline_seconds, what)
        finally:
            _end(child)
        if child.returncode:
            raise ModelError(f"the {what} failed ({_last_line(said) or f'exit code {child.returncode}'})")


def _wait_for_lock(descriptor: int, folder: Path, stopping: threading.Event, deadline: float) -> None:
    while not took(descriptor):
        if time.monotonic() > deadline:
            raise ModelError(f"{folder}: another build there does not end; see `ps`, or restart the machine")
        if stopping.wait(POLL_SECONDS):
            raise Stopped


def _start(
    command: Sequence[str], environment: Mapping[str, str], lock: int | None, said: IO[bytes], what: str
) -> subprocess.Popen[bytes]:
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},  # or what it said first would come last
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,
        )
    except OSError as error:
        raise ModelError(f"{command[0]}: the {what} cannot be started ({error.strerror})") from error
    with suppress(OSError):  # it may have ended already
        os.setpriority(os.PRIO_PROCESS, child.pid, NICENESS)
        Path(f"/proc/{child.pid}/oom_score_adj").write_text(KILL_FIRST, encoding="ascii")
    return child


def _wait(child: subprocess.Popen[bytes], stopping: threading.Event, deadline: float, what: str) -> None:
    while child.poll() is None:
        if stopping.wait(POLL_SECONDS):
            raise Stopped
        if time.monotonic() > deadline:
            raise ModelError(f"the {what} did not end in time and was ended; use an idle device, or a smaller model")


def _end(child: subprocess.Popen[bytes]) -> None:
    """The child and whatever it has started are gone after this."""
    for number, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with suppress(subprocess.TimeoutExpired):
                child.wait(seconds)


def _last_line(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - TOLD_BYTES))
    lines = said.read().decode(errors="replace").replace("\r", "\n").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return "".join(letter if letter.isprintable() else " " for letter in last.removeprefix("error: "))[:200]
