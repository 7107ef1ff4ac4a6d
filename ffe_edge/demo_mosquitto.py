"""A mosquitto of our own: a child process on the loopback that keeps nothing and outlives nobody."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ffe_edge.errors import BrokerError

logger = logging.getLogger(__name__)

START_SECONDS = 5.0
STOP_SECONDS = 5.0
RUNNING = " running"
"""What mosquitto 2 logs when it listens: ``mosquitto version 2.0.11 running``."""

CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
user root
log_dest stderr
log_type error
log_type information
"""
"""``user root`` counts only when we are root ourselves: a change of user would clear the parent-death signal."""


def find_mosquitto() -> str | None:
    """Path of the mosquitto broker. Debian keeps it in ``/usr/sbin``, which is not in every user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


@contextmanager
def mosquitto(program: str, port: int) -> Iterator[None]:
    """Run mosquitto in a session of its own: Ctrl-C reaches us first, and we still say goodbye to it.

    Raises:
        BrokerError: it does not start on this port.
    """
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [*_die_with_parent(), program, "-c", "/dev/stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            _configure(child, port)
            _wait_until_running(child, port, log.fileno())
            yield
        finally:
            _end(child)


def _die_with_parent() -> list[str]:
    """Prefix that asks the kernel to kill the program when its parent dies; empty where there is no such kernel."""
    setpriv = shutil.which("setpriv") if os.uname().sysname == "Linux" else None
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _configure(child: subprocess.Popen[bytes], port: int) -> None:
    if child.stdin is None:
        raise ValueError("the child was started without a pipe")
    try:
        with child.stdin as pipe:
            pipe.write(CONFIG.format(port=port).encode())
    except BrokenPipeError:
        logger.debug("mosquitto ended before it read its configuration")


def _wait_until_running(child: subprocess.Popen[bytes], port: int, log: int) -> None:
    """That the port is open proves nothing: another program may have taken it. The log tells."""
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        if RUNNING in _read(log) and is_open(port):
            return
        time.sleep(0.02)
    reason = _read(log).strip()[-500:] or "it gave no reason"
    raise BrokerError(f"demo broker: mosquitto does not start on 127.0.0.1:{port} ({reason})")


def _read(log: int) -> str:
    """The log from its beginning; the child goes on writing at its end."""
    return os.pread(log, 16_384, 0).decode(errors="replace")


def is_open(port: int) -> bool:
    """Whether somebody listens on this port of the loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        logger.warning("mosquitto does not end by itself and is killed")
        child.kill()
        child.wait()
