"""The program that finds out which CPU runtime serves a model faster, and keeps the answer for the daemon.

Started by :class:`ffe_edge.engine.measuring.Measuring`: both runtimes at once take more memory than the daemon has to
spare, and a fault in one of them must not end it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from ffe_edge.engine.choose import choose
from ffe_edge.engine.chosen import Choice, CpuRuntime, remember
from ffe_edge.engine.model import ModelSource, circumstances_of, open_source
from ffe_edge.errors import ModelError

FAILED = 2


def command(source: ModelSource, threads: int, state_dir: Path) -> list[str]:
    """What starts it for a model."""
    path = source.bundle.folder if source.bundle else source.file.path
    return [
        sys.executable,
        "-m",
        "ffe_edge.engine.measure",
        str(path.absolute()),
        str(threads),
        str(state_dir.absolute()),
    ]


def main(path: Path, threads: int, state_dir: Path) -> int:
    """Measure and remember; a mistake becomes one line."""
    try:
        source = open_source(path)
        golden = source.golden.crops if source.golden else None
        run, why = choose(source.file, threads, golden=golden, for_openvino=source.openvino)
        remember(Choice(cast("CpuRuntime", run.backend), why), circumstances_of(source, threads), state_dir)
    except ModelError as error:
        sys.stderr.write(f"error: {error}\n")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
