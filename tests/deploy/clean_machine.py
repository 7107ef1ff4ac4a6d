"""A machine that nothing was installed on: a root file system of mmdebstrap, run or booted by systemd-nspawn.

It has no network, so what is installed there is installed offline. Both tools need root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from deploy.unit_file import ROOT

CACHE = ROOT / ".venv" / "deploy-root.tar"
MAX_AGE_SECONDS = 7 * 86_400
PACKAGES = "systemd,systemd-sysv,dbus,udev,python3-venv,mosquitto,mosquitto-clients"
LIMIT_SECONDS = 1500


def require(*programs: str) -> None:
    """Skip without root or one of the programs."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for a root file system of its own")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: make packages-deploy")


def codename() -> str:
    """Of the Debian or Ubuntu that the tests run on; the clean machine is the same."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    name = values.get("VERSION_CODENAME", "").strip('"')
    if not name:
        pytest.skip("this is neither Debian nor Ubuntu: no clean machine can be made")
    return name


def sources() -> list[str]:
    """Where this machine's own packages come from, in the words that mmdebstrap takes."""
    for name in ("debian.sources", "ubuntu.sources"):
        if (path := Path("/etc/apt/sources.list.d") / name).exists():
            return [str(path)]
    path = Path("/etc/apt/sources.list")
    return [str(path)] if path.exists() and path.stat().st_size else []


def archive(packages: str = PACKAGES, cache: Path = CACHE) -> Path:
    """The root file system as a tar, made anew once a week."""
    if not cache.exists() or time.time() - cache.stat().st_mtime > MAX_AGE_SECONDS:
        part = cache.with_suffix(".part.tar")
        command = ["mmdebstrap", "--variant=minbase", f"--include={packages}", codename(), str(part), *sources()]
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
        if made.returncode:
            pytest.skip(f"mmdebstrap made no clean machine: {made.stderr.strip()[-300:]}")
        part.replace(cache)
    return cache


class Machine:
    """A root file system that tests may change."""

    def __init__(self, root: Path) -> None:
        """Unpack it."""
        self.root = root
        root.mkdir()
        subprocess.run(["tar", "-xpf", str(archive()), "-C", str(root)], check=True, timeout=LIMIT_SECONDS)
        self.path("/etc/hosts").write_text("127.0.0.1 localhost broker.lan\n", encoding="utf-8")

    def path(self, name: str) -> Path:
        """A path of the machine as seen from outside."""
        return self.root / name.lstrip("/")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine, which is not booted, to its end."""
        return self._nspawn("--pipe", "--", *command)

    def boot(self, script: Path) -> None:
        """Boot it, run a script of bash as root, switch it off. What the script leaves lies in /root."""
        shutil.copy(script, self.path("/root/check.sh"))
        unit = self.path("/etc/systemd/system/check.service")
        unit.write_text(
            "[Unit]\nDescription=check\n[Service]\nType=oneshot\nExecStart=/bin/bash /root/check.sh\n"
            "ExecStopPost=/bin/systemctl --no-block poweroff\n",
            encoding="utf-8",
        )
        wants = self.path("/etc/systemd/system/multi-user.target.wants")
        wants.mkdir(exist_ok=True)
        (wants / "check.service").symlink_to("../check.service")
        booted = self._nspawn("--boot", "--system-call-filter=@clock")
        (wants / "check.service").unlink()
        if not self.path("/root/booted").exists():
            pytest.skip(f"systemd cannot be booted here: {(booted.stdout + booted.stderr)[-300:]}")

    def _nspawn(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["systemd-nspawn", "-q", "-D", str(self.root), "--register=no", "--keep-unit", "--private-network"]
        machine = f"--machine=ffe-{os.getpid()}"
        return subprocess.run(
            [*command, machine, *words], capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
