"""Images a second of `ffe-edge train prepare` and of what it writes: that decoding is never what training waits for.

    python benchmarks/prepare.py [SOURCE ...] [--detector yunet.onnx] [--images 1000]

Without a source, rendered people are prepared. The sets are opened again and crops drawn at random, as training does;
they have just been written, so the page cache holds them. All sets in turns, after a warm-up.
"""
# ruff: noqa: TID253 - what is measured is training

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ffe_edge.config import DetectorSettings
from ffe_edge.faces import YuNet
from ffe_train.prepare import prepare
from ffe_train.prepared import PreparedSet, open_prepared
from ffe_train.sources import detect_kind, open_source

RENDERED = "rendered-expressions"


def prepared(source: str, folder: Path, images: int, detector: YuNet | None) -> tuple[PreparedSet, float]:
    """The set, and images a second of its preparation."""
    path = None if source == RENDERED else Path(source)
    kind = RENDERED if path is None else detect_kind(path)
    items = list(itertools.islice(open_source(kind, path), images))
    started = time.perf_counter()
    result = prepare(items, folder, name=folder.name, detector=detector, skip_bad=True, workers=1)
    return open_prepared(result.folder), len(items) / (time.perf_counter() - started)


def crops_per_second(one: PreparedSet, batch: int, batches: int, rng: np.random.Generator) -> float:
    """Crops a second in random order."""
    started = time.perf_counter()
    for _ in range(batches):
        one.crops(rng.integers(0, len(one), batch))
    return batch * batches / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", default=[RENDERED])
    parser.add_argument("--detector", type=Path, help="YuNet's ONNX, for sets without landmarks")
    parser.add_argument("--images", type=int, default=1000, help="of each source")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    detector = YuNet(options.detector, DetectorSettings(confidence=0.5, long_side_px=640)) if options.detector else None
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        made = {
            source: prepared(source, Path(folder) / str(number), options.images, detector)
            for number, source in enumerate(options.sources)
        }
        drawn: dict[str, list[float]] = {source: [] for source in made}
        for number in range(options.rounds + 1):
            for source, (one, _) in made.items():
                speed = crops_per_second(one, options.batch, 50, rng)
                if number:
                    drawn[source].append(speed)
    view = Table(title="images a second, one thread")
    for column in ("source", "images", "prepared", "drawn at random"):
        view.add_column(column, justify="left" if column == "source" else "right")
    rows = []
    for source, (one, speed) in made.items():
        rows.append(
            {
                "source": Path(source).name,
                "images": len(one),
                "prepare": speed,
                "draw": statistics.median(drawn[source]),
            }
        )
        view.add_row(Path(source).name, f"{len(one)}", f"{speed:,.0f}", f"{rows[-1]['draw']:,.0f}")
    Console().print(view)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
