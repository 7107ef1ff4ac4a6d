"""A desk at which a guide is typed in: below another root, with the programs that it calls first on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.guide_blocks import ROOT

FFE_EDGE: Final = """#!{python}
import sys
from ffe_edge.cli import main
if sys.argv[1:2] == ["resident"]:
    sys.argv += ["--config", "{root}/ffe.toml"]
main()
"""
NODE: Final = '#!/bin/sh\nexec ffe-edge "$@"\n'
SUDO: Final = """#!/bin/sh
if [ "$1" = -u ]; then shift 2; fi
exec "$@"
"""
PLACES: Final = (
    "/etc/ffe-edge", "/etc/ffe-edge/credentials", "/etc/grafana", "/var/lib", "/var/backups",
    "/usr/share/bash-completion/completions",
)  # fmt: skip
ENDED_BY_TIMEOUT: Final = 124
SOMETHING_IS_MISSING: Final = 1
"""What ``doctor`` ends with on a machine that lacks something, or is too busy to answer it in time."""
ANSWERS: Final = "geheim-geheim\n" * 2
"""To who asks for a password, and asks again: there is no terminal, so it is read here."""


def good_codes(text: str) -> tuple[int, ...]:
    """With which a block may end, by its last line."""
    last = text.strip().splitlines()[-1]
    if last.startswith("timeout "):
        return (0, ENDED_BY_TIMEOUT)
    return (0, SOMETHING_IS_MISSING) if "ffe-edge doctor" in last else (0,)


class Desk:
    """Lies in a folder of its own; a user with nothing fetched and nothing kept."""

    def __init__(self, root: Path, variables: Mapping[str, str] | None = None) -> None:
        self.root = root
        for name in ("bin", "home", *(place.lstrip("/") for place in PLACES)):
            (root / name).mkdir(parents=True, exist_ok=True)
        programs = {"ffe-edge": FFE_EDGE.format(python=sys.executable, root=root), "ffe-edge-node": NODE, "sudo": SUDO}
        for name, text in programs.items():
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        for name in ("deploy", "ffe_edge", "train"):
            (root / name).symlink_to(ROOT / name)
        self.variables = {
            **os.environ,
            "PATH": os.pathsep.join([str(root / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(root / "home"),
            "XDG_STATE_HOME": str(root / "state"),
            "FFE_MODELS": str(root / "models"),
            "COLUMNS": "200",
            **(variables or {}),
        }

    def type_in(self, text: str, instead: Mapping[str, str] | None = None) -> str:
        """What the lines say; they must end as such lines may.

        Args:
            text: of a block.
            instead: what stands here for what the page says.
        """
        for place in PLACES:
            text = text.replace(f" {place}", f" {self.root}{place}").replace(f"'{place}", f"'{self.root}{place}")
        for said, here in (instead or {}).items():
            text = text.replace(said, here)
        done = subprocess.run(
            # A terminal's bash outlives its last command, which may ask whose child it is.
            ["bash", "-euo", "pipefail", "-c", f"{text}\n:"],
            cwd=self.root, env=self.variables, input=ANSWERS, start_new_session=True,
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode in good_codes(text), f"{text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout + done.stderr
