"""What systemd is told, over the socket that it names.

Source: sd_notify(3) of systemd: datagrams of ``KEY=value`` lines; a name that begins with ``@`` is an abstract socket.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

logger = logging.getLogger(__name__)

SEND_SECONDS: Final = 1.0
"""A systemd that does not read must not hold us up."""


class Notifier:
    """Tells systemd how the service is; without systemd it does nothing. For any thread."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read what systemd has set for this process."""
        name = environment.get("NOTIFY_SOCKET", "")
        is_socket = name.startswith(("/", "@")) and len(name) > 1
        self._address = (f"\0{name[1:]}" if name.startswith("@") else name) if is_socket else None
        self.watchdog_seconds = _watchdog_seconds(environment) if is_socket else None
        """WATCHDOG must come this often; None: systemd does not watch."""
        self._status = ""

    def ready(self) -> None:
        """Everything is open and the loop runs; also ends a reload."""
        self._send("READY=1")

    def watchdog(self) -> None:
        """Everything made progress."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``, sent when it has changed."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """The service is about to end."""
        self._send("STOPPING=1")

    def reloading(self) -> None:
        """The settings are read again; ``ready`` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_SECONDS)
                channel.sendto(message.encode(), self._address)
        except OSError as error:
            logger.warning("systemd does not take %s: %s", message.partition("=")[0], error)


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """The interval that is meant for this process."""
    interval, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not (interval.isascii() and interval.isdigit()) or int(interval) == 0 or process not in ("", str(os.getpid())):
        return None
    return int(interval) / 1e6
