"""The machine: GPU, JetPack, GStreamer, disk, clock."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from ffe_edge.camera.csi import SOURCE_ELEMENT, element_properties
from ffe_edge.clock import clock_is_synchronised
from ffe_edge.config import Config
from ffe_edge.doctor.finding import Finding, Status

COMMAND_SECONDS: Final = 5.0
SPARE_BYTES: Final = 64 * 2**20
"""Free space beside a full outbox."""
JETPACK: Final = {35: "5.1", 36: "6", 38: "7.0 or 7.1", 39: "7.2 or later"}
"""By L4T release; 5 has Python 3.8, which is too old."""
_RELEASE: Final = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")


def check_gpu(root: Path = Path("/"), smi: str | None = "nvidia-smi") -> Finding:
    """A Jetson with its JetPack, or an NVIDIA GPU.

    Args:
        root: of the file system.
        smi: NVIDIA's command, None: do not ask it.
    """
    if (jetson := _jetson(root)) is not None:
        return jetson
    answer = _answer(smi, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader") if smi else None
    if answer:
        return Finding("GPU", "ok", answer.replace("\n", "; "))
    return Finding("GPU", "warning", "no NVIDIA GPU: the CPU is used", "none is needed for one camera")


def check_gstreamer(config: Config) -> Finding:
    """What a CSI camera needs."""
    is_wanted = any(camera.source.lower().startswith("csi:") for camera in config.cameras if camera.enabled)
    status: Status = "missing" if is_wanted else "warning"
    only = "" if is_wanted else "needed for csi:// only: "
    version = _answer("gst-launch-1.0", "--version")
    if version is None:
        return Finding("GStreamer", status, "no gst-launch-1.0", f"{only}apt install gstreamer1.0-tools")
    found = version.partition("\n")[0].removeprefix("gst-launch-1.0 ")
    if element_properties(SOURCE_ELEMENT, COMMAND_SECONDS) is None:
        remedy = f"{only}a Jetson with nvidia-l4t-gstreamer"
        return Finding("GStreamer", status, f"{found}, no {SOURCE_ELEMENT}", remedy)
    return Finding("GStreamer", "ok", f"{found}, {SOURCE_ELEMENT}")


def check_state_dir(config: Config) -> Finding:
    """Where the outbox lies; nothing is written."""
    name, folder = "State folder", config.outbox.state_dir
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        remedy = f"sudo install -d -o $USER {folder}, or set outbox.state_dir"
        return Finding(name, "missing", f"{existing} cannot be written", remedy)
    free = shutil.disk_usage(existing).free
    found = f"{folder}, {free / 2**30:.1f} GiB free"
    if free < config.outbox.max_bytes + SPARE_BYTES:
        return Finding(name, "warning", found, "free some space, or lower outbox.max_bytes")
    return Finding(name, "ok", found)


def check_clock() -> Finding:
    """Events carry the time of the wall clock."""
    if clock_is_synchronised():
        return Finding("Clock", "ok", "synchronised")
    remedy = "sudo timedatectl set-ntp true; in a container the host must do it"
    return Finding("Clock", "warning", "not known to be synchronised", remedy)


def _jetson(root: Path) -> Finding | None:
    release = _RELEASE.search(_text(root / "etc/nv_tegra_release"))
    if release is None:
        return None
    board = _text(root / "proc/device-tree/model").strip("\0\n ") or "Jetson"
    major = int(release[1])
    found = f"{board}, L4T {major}.{release[2]}, JetPack {JETPACK.get(major, 'unknown')}"
    if major in JETPACK and major >= 36:
        return Finding("GPU", "ok", found)
    return Finding("GPU", "warning", found, "JetPack 6 and 7 are supported")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _answer(*command: str) -> str | None:
    """What a command prints; None when it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() if told.returncode == 0 else None
