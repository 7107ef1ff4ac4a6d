"""Files of others that come with the dashboard are theirs, byte by byte."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import ffe_edge.dashboard

VENDOR = Path(ffe_edge.dashboard.__file__).parent / "static" / "vendor"


def test_vendored_files_are_those_whose_sums_are_written_down() -> None:
    for folder in VENDOR.iterdir():
        readme = (folder / "README.md").read_text(encoding="utf-8")
        told = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", readme, re.MULTILINE))
        found = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir()
            if path.name != "README.md"
        }
        assert told == found
        assert "LICENSE" in told
