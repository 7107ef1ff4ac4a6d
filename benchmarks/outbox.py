"""How fast the outbox stores events and forgets acknowledged ones, on the disk of a folder.

    python benchmarks/outbox.py FOLDER [EVENTS]

Inserts and acknowledgements alternate, as with a broker that is there; each of both waits for the disk (FULL).
"""

from __future__ import annotations

import inspect
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ffe_edge.outbox import Outbox

PAYLOAD = b"x" * 900
"""About what an event of nine emotions takes."""


def rates(folder: Path, events: int, **keep: Any) -> tuple[float, float]:
    """Inserts and acknowledgements a second."""
    outbox = Outbox(folder / "outbox.sqlite", max_bytes=2**24, gap_topic="gaps", render_gap=lambda *_: b"", **keep)
    inserts, acknowledgements = [], []
    for _ in range(events):
        began = time.perf_counter()
        entry = outbox.append("events", lambda _: PAYLOAD)
        stored = time.perf_counter()
        outbox.acknowledge(entry.sequence)
        inserts.append(stored - began)
        acknowledgements.append(time.perf_counter() - stored)
    outbox.close()
    return 1 / statistics.median(inserts), 1 / statistics.median(acknowledgements)


def main() -> None:
    """Print a line for each way of keeping what is delivered."""
    folder, events = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    ways: dict[str, dict[str, Any]] = {"nothing kept": {}}
    if "keep_bytes" in inspect.signature(Outbox).parameters:
        ways["an hour kept"] = {"keep_seconds": 3600.0, "keep_bytes": 2**22}
    for name, keep in ways.items():
        with tempfile.TemporaryDirectory(dir=folder) as inside:
            inserted, acknowledged = rates(Path(inside), events, **keep)
        print(f"{name}: {inserted:,.0f} inserts/s, {acknowledged:,.0f} acknowledgements/s (median of {events})")


if __name__ == "__main__":
    main()
