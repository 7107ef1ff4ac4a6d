"""Walks through docs/install.md on a clean, booted machine that is broker machine and device in one."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.clean_machine import Machine, require
from deploy.packages import built

HEAD = """#!/bin/bash
exec >/root/check.log 2>&1
cd /root || exit
touch booted
trap 'echo "line $LINENO: $BASH_COMMAND" >>failed' ERR
touch failed
set -x
"""
TAIL = """
trap - ERR
count() {
    python3 -c 'import sqlite3; print(sqlite3.connect("/var/lib/ffe-dashboard/dashboard.sqlite")
        .execute("SELECT count(*) FROM events").fetchone()[0])'
}
for _ in $(seq 400); do [ "$(count)" -gt 0 ] && break; sleep 0.5; done
count >'events in the dashboard'
for _ in $(seq 60); do systemctl status --no-pager ffe-edge | grep -q 'broker connected' && break; sleep 0.5; done
systemctl status --no-pager ffe-edge >status
find / -xdev -name '*.tar' -path '*ffe*' >'bundles left'
"""
WAIT = {"grep one-time": 240, "status --no-pager": 60}
"""What takes a moment to be true, in tries of half a second: a person reads on; a script does not."""


def walked(steps: str, folder: Path) -> dict[str, str]:
    """Install the package, boot, run the steps; every file that they leave in /root."""
    require("mmdebstrap", "systemd-nspawn")
    deb = built("--vendor")
    machine = Machine(folder / "root")
    shutil.copy(deb, machine.path("/root/ffe-edge.deb"))
    installed = machine.run("dpkg", "--install", "/root/ffe-edge.deb")
    assert installed.returncode == 0, installed.stderr[-2000:]
    script = folder / "guide.sh"
    script.write_text(HEAD + "\n".join(map(_patient, steps.splitlines())) + TAIL, encoding="utf-8")
    machine.boot(script)
    left = [path for path in machine.path("/root").iterdir() if path.is_file() and path.suffix != ".deb"]
    seen = {path.name: path.read_text(encoding="utf-8", errors="replace") for path in left}
    return {**seen, "log": seen["check.log"]}


def _patient(line: str) -> str:
    for part, tries in WAIT.items():
        if part in line:
            return f"for _ in $(seq {tries}); do {line} && break; sleep 0.5; done"
    return line
