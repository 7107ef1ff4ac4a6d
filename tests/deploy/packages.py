"""The Debian package, built once for all tests of a run."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy.clean_machine import LIMIT_SECONDS, require
from deploy.unit_file import ROOT


@functools.cache
def built(*words: str) -> Path:
    """What scripts/build-deb.sh makes with these words."""
    require("dh", "dpkg-buildpackage")
    folder = tempfile.mkdtemp(prefix="ffe-deb-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = ["bash", str(ROOT / "scripts/build-deb.sh"), *words, folder]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    assert made.returncode == 0, made.stderr[-2000:]
    return Path(made.stdout.split()[-1])
