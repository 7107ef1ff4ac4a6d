"""A unit file, read as systemd reads it as far as these tests need: sections, keys that may come several times."""

from __future__ import annotations

import shlex
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD = ROOT / "deploy" / "systemd"
UNITS = ("ffe-edge.service", "ffe-dashboard.service")


def settings(name: str) -> dict[str, list[str]]:
    """Every value of every key of the section Service, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in (SYSTEMD / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif section == "Service" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def command(name: str) -> list[str]:
    """The words of its ExecStart."""
    (line,) = settings(name)["ExecStart"]
    return shlex.split(line)


def credentials(name: str) -> dict[str, Path]:
    """What LoadCredential hands over: name and original."""
    pairs = (value.split(":", 1) for value in settings(name)["LoadCredential"])
    return {name: Path(path) for name, path in pairs}
