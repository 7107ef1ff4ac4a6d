"""Having mosquitto read what was deployed: by a restart.

At SIGHUP mosquitto 2.0 reads rules, certificates and revocations anew, too. But a session whose client is away has no
rules from then on: what should wait for it is dropped, and acknowledged to who published it (seen with 2.0.11 and
2.0.21). A dashboard that is being restarted at that moment would miss events. A restart loses nothing: sessions are on
disk, and devices keep their events until the broker is back. It also ends connections of those who were revoked.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from ffe_edge.errors import BrokerError, StoreError

MARK: Final = "restart-needed"
"""A file beside those of the broker, from a change until the restart."""
RESTART_SECONDS: Final = 60.0


def mark(target: Path) -> None:
    """Files have changed that the broker has not read.

    Raises:
        StoreError: the mark cannot be written.
    """
    try:
        (target / MARK).touch(mode=0o644)
    except OSError as error:
        raise StoreError(f"{target / MARK}: cannot be written ({error.strerror}); run as root") from error


def is_marked(target: Path) -> bool:
    """Whether a restart is due."""
    return (target / MARK).exists()


def restart(target: Path, unit: str) -> None:
    """Restart the broker by systemd, and take the mark away.

    Raises:
        BrokerError: it does not come back.
    """
    command = ["systemctl", "restart", "--", unit]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RESTART_SECONDS, check=False)
    except FileNotFoundError as error:
        raise BrokerError("--restart: systemd is not here; restart the broker as it was started") from error
    except subprocess.TimeoutExpired as error:
        raise BrokerError(f"--restart: {unit} does not come back; see `journalctl -u {unit}`") from error
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())[:300]
        raise BrokerError(f"--restart: {unit} does not start ({reason}); see `journalctl -u {unit}`")
    (target / MARK).unlink(missing_ok=True)
