"""Milliseconds per frame and step, from the file to the broker, on real clips.

    python benchmarks/pipeline.py CLIP [CLIP ...] [--also 1280x720] [--json results.json]

Decode, detect, align, classify, track and publish (event to the outbox on disk) are timed one by one over the same
frames, all clips in turns, after a warm-up. Figures are of this machine; compare them within one run only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from ffe_edge.align import align
from ffe_edge.camera import open_source
from ffe_edge.config import CameraSettings, Config, DetectorSettings
from ffe_edge.engine.model import Model, load_model
from ffe_edge.events import Changes
from ffe_edge.faces import load_detector
from ffe_edge.messages import Gap
from ffe_edge.outbox import Outbox
from ffe_edge.serving import event_context
from ffe_edge.stopwatch import Stopwatch
from ffe_edge.tracks import IouTracker
from ffe_edge.types import FaceDetector, Frame
from ffe_edge.wire import encode_event, uuid7

STEPS = ("decode", "detect", "align", "classify", "track", "publish")


@dataclass
class Clip:
    """One clip, its frames for ever, and what was measured."""

    path: Path
    frames: Iterator[Frame]
    tracker: IouTracker
    changes: Changes
    watch: Stopwatch = field(default_factory=Stopwatch)
    size: str = ""
    faces: int = 0
    seen: int = 0
    events: int = 0


class Bench:
    """The steps of the pipeline, each under its own stopwatch."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.model: Model = load_model(config.model.path, config.model.threads)
        self.detector: FaceDetector = load_detector(config.detector)
        self.config = config
        self._context = event_context(config, self.model)
        self._outbox = Outbox(
            folder / "outbox.sqlite", max_bytes=config.outbox.max_bytes, gap_topic="gap", render_gap=self._gap
        )

    def open(self, path: Path) -> Clip:
        """A clip at its start."""
        return Clip(
            path, endless(path), IouTracker(self.config.tracker), Changes(self.model.spec.labels, self.config.events)
        )

    def step(self, clip: Clip) -> None:
        """One frame of one clip, through everything."""
        timed = clip.watch.timed
        frame = timed("decode", lambda: next(clip.frames))()
        faces = timed("detect", self.detector)(frame.image)
        crops = timed("align", align)(frame.image, faces)
        probs = timed("classify", self._classify)(crops)
        tracks = timed("track", clip.tracker.update)(faces, probs, frame.seconds)
        clip.events += timed("publish", self._publish)(clip, tracks, frame)
        clip.size, clip.faces, clip.seen = (
            f"{frame.image.shape[1]}x{frame.image.shape[0]}",
            clip.faces + len(faces),
            clip.seen + 1,
        )

    def _classify(self, crops: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return self.model.run(crops) if len(crops) else np.zeros((0, len(self.model.spec.labels)), np.float32)

    def _publish(self, clip: Clip, tracks: tuple, frame: Frame) -> int:  # type: ignore[type-arg]
        told = 0
        for event in clip.changes.update(tracks, frame.seconds, frame.captured_at):
            event_id = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
            entry = self._outbox.append(
                "emotion",
                lambda sequence, event=event, event_id=event_id: encode_event(  # type: ignore[misc]
                    event, self._context, sequence=sequence, event_id=event_id
                ),
            )
            self._outbox.acknowledge(entry.sequence)
            told += 1
        return told

    def _gap(self, sequence: int, gap: Gap) -> bytes:
        raise RuntimeError(f"the benchmark's outbox lost {gap} at {sequence}")


def endless(path: Path) -> Iterator[Frame]:
    """The clip over and over, its clock never going back."""
    offset, index = 0.0, 0
    while True:
        frame = None
        for frame in open_source(CameraSettings(source=str(path))):
            shift = timedelta(seconds=offset)
            yield Frame(frame.image, index, frame.seconds + offset, frame.captured_at + shift)
            index += 1
        offset += frame.seconds + 0.1 if frame else 1.0


def scaled(path: Path, size: str, folder: Path) -> Path:
    """The clip, encoded anew at another size, for sizes that no clip at hand has."""
    width, height = (int(side) for side in size.split("x"))
    target = folder / f"{path.stem}-{size}.mp4"
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), 15, (width, height))
    for frame in open_source(CameraSettings(source=str(path))):
        writer.write(cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_CUBIC))
    writer.release()
    return target


def results(clips: list[Clip]) -> list[dict[str, object]]:
    """Median and 95th percentile of each step, milliseconds."""
    rows = []
    for clip in clips:
        steps: dict[str, dict[str, float]] = defaultdict(dict)
        for step in STEPS:
            times = 1000 * np.array(clip.watch.durations[step])
            steps[step] = {
                "p50": float(np.median(times)),
                "p95": float(np.percentile(times, 95)),
                "mean": float(times.mean()),
            }
        total = sum(step["mean"] for step in steps.values())
        rows.append(
            {
                "clip": clip.path.name,
                "size": clip.size,
                "frames": clip.seen,
                "faces_per_frame": clip.faces / max(clip.seen, 1),
                "events": clip.events,
                "steps_ms": dict(steps),
                "total_ms": total,
                "fps": 1000 / total,
            }
        )
    return rows


def table(rows: list[dict[str, object]]) -> Table:
    """The same for a reader."""
    view = Table(title="milliseconds per frame: median (95th percentile); total is the sum of means")
    for column in ("clip", "size", "faces/frame", *STEPS, "total", "fps"):
        view.add_column(column, justify="left" if column == "clip" else "right")
    for row in rows:
        steps = row["steps_ms"]
        cells = [f"{steps[step]['p50']:.2f} ({steps[step]['p95']:.2f})" for step in STEPS]  # type: ignore[index]
        view.add_row(
            str(row["clip"])[:28], str(row["size"]), f"{row['faces_per_frame']:.2f}", *cells,
            f"{row['total_ms']:.1f}", f"{row['fps']:.0f}",
        )  # fmt: skip
    return view


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=300, help="of each clip")
    parser.add_argument("--warm-up", type=int, default=30, help="frames of each clip that do not count")
    parser.add_argument("--also", metavar="WxH", help="measure each clip scaled to this size too")
    parser.add_argument("--detector", type=Path, help="YuNet's ONNX; else the fetched one, else Haar")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    config = Config.model_validate(
        {
            "model": {"path": options.model, "threads": options.threads},
            "detector": DetectorSettings(path=options.detector).model_dump(),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(config, Path(folder))
        more = [scaled(path, options.also, Path(folder)) for path in options.clips] if options.also else []
        clips = [bench.open(path) for path in [*options.clips, *more]]
        for number in range(options.warm_up + options.frames):
            if number == options.warm_up:
                for clip in clips:
                    clip.watch, clip.faces, clip.seen, clip.events = Stopwatch(), 0, 0, 0
            for clip in clips:
                bench.step(clip)
    rows = results(clips)
    Console(width=160).print(table(rows))
    machine = {"cpu": platform.processor() or platform.machine(), "opencv": cv2.__version__, "threads": options.threads}
    Console().print(f"detector {bench.detector.name}, model {bench.model.spec.name}, {machine}")
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine, "detector": bench.detector.name, "clips": rows}, indent=1)
        )


if __name__ == "__main__":
    main()
