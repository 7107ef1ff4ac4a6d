"""Whether events are right: F1, delay and flips a minute against truth, of the plain chain and of ours.

    python benchmarks/events.py --detector yunet_n_640_640.onnx [--clip london_timeline.mp4] [--rendered 6] [--poor]
        [--filters] [--model model.onnx] [--json clips.json]

Clips without a CSV of truth only show how often the likeliest expression flips, and how often it does so when filtered.
``--json`` writes what our chain made of each clip.

Truth is a CSV beside a clip (frame, t, subject, label, x, y, w, h), or rendered people, who are drawn when first asked
for and kept in ``--cache``. The plain chain finds all faces of every full frame by YuNet and reads each of them; ours
is `ffe_edge.pipeline` as configured. Both use the same model, tracker and rules for events.

A change of truth is a stretch of one label of one person of at least ``hold_seconds``. It is told when an event of that
label and of a box over that person's comes between its begin and a second after its end; any other event but
``uncertain`` and ``end`` is wrong. The delay is from the begin of the stretch. Figures say little beyond these clips:
the photographed people are cross-faded between two pictures each, and only rendered ones show all nine labels.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from truth import FPS, NotingTracker, Score, Truth

from ffe_edge.camera import open_source
from ffe_edge.classify import ExpressionClassifier
from ffe_edge.config import CameraSettings, Config, PipelineSettings
from ffe_edge.engine.model import Model, load_model
from ffe_edge.events import Changes
from ffe_edge.faces import YuNet
from ffe_edge.pipeline import Cameras
from ffe_edge.pipeline_view import View
from ffe_edge.rendered.timeline import demo_timeline
from ffe_edge.tracks_filter import exponential
from ffe_edge.types import EmotionEvent, FloatArray, Frame

NO_DATE = datetime(2026, 1, 1, tzinfo=timezone.utc)
POOR_SCALE, POOR_NOISE = 0.35, 10.0
FLIPS = ("flips_raw", "flips_filtered")

Filter = Callable[[FloatArray, FloatArray, float], FloatArray]
"""belief (K,), probs (K,) of one more look, seconds since the last one -> belief (K,)."""


class Bench:
    """The chains, over one model and detector file."""

    def __init__(self, config: Config, detector: Path, threads: int) -> None:
        self.config = config
        self.model: Model = load_model(config.model.path, threads)
        self.labels = self.model.spec.labels
        self.ours = YuNet(detector, config.detector)
        self.full = YuNet(detector, config.detector.model_copy(update={"long_side_px": 4096}))
        self.classifier = ExpressionClassifier(self.model.run, len(self.labels), self.model.spec.size_px)

    def run(self, frames: Iterable[Frame], *, is_plain: bool) -> tuple[list[EmotionEvent], NotingTracker]:
        """One clip through one of the chains."""
        tracker = NotingTracker(self.config.tracker)
        changes = Changes(self.labels, self.config.events)
        always = PipelineSettings(classify_hz=240, settled_hz=240, detect_every_frames=1)
        settings = always if is_plain else self.config.pipeline
        view = View(tracker, changes, settings)
        detect, near = (self.full, None) if is_plain else (self.ours, self.ours.near)
        cameras = Cameras(detect, self.classifier.read, lambda _: view, near=near)
        events = [event for frame in frames for _, event in cameras.step([("clip", frame)])]
        return events, tracker


def forward(stay_seconds: float, trust: float) -> Filter:
    """A hidden Markov model's forward filter whose states are the K expressions.

    An expression lasts ``stay_seconds`` on average; looks that err alike count with the power ``trust``.
    Source: Rabiner, A tutorial on hidden Markov models, Proceedings of the IEEE 77(2), 1989, eqs. 19-20.
    """

    def step(belief: FloatArray, probs: FloatArray, elapsed: float) -> FloatArray:
        stay = np.exp(-elapsed / stay_seconds)
        weighed = (stay * belief + (1 - stay) / len(belief)) * np.maximum(probs, 1e-4) ** trust
        return np.asarray(weighed / weighed.sum(), np.float32)

    return step


def filters() -> dict[str, Filter]:
    """What is compared."""

    def smoothing(seconds: float) -> Filter:
        return lambda belief, probs, elapsed: exponential(belief, probs, elapsed, seconds)

    exponentials = {f"exponential {seconds} s": smoothing(seconds) for seconds in (0.0, 0.2, 0.3, 0.4, 0.6)}
    hidden = {f"HMM {stay} s, trust {trust}": forward(stay, trust) for stay in (2, 5, 10) for trust in (0.3, 0.5, 1.0)}
    return exponentials | hidden


def refiltered(bench: Bench, tracker: NotingTracker, apply: Filter) -> tuple[list[EmotionEvent], NotingTracker]:
    """The same looks through another filter."""
    events, noted = [], NotingTracker(bench.config.tracker)
    for track_id, looks in tracker.looks.items():
        changes, belief, last = Changes(bench.labels, bench.config.events), looks[0][1].probs, looks[0][0]
        for seconds, track in looks:
            belief = apply(belief, track.probs, seconds - last) if seconds > last else belief
            last = seconds
            noted.beliefs[track_id].append(int(belief.argmax()))
            events += changes.update([replace(track, probs=belief)], seconds, NO_DATE)
        noted.looks[track_id] = looks
    return events, noted


def rendered(seed: int, seconds: int, folder: Path) -> Path:
    """A clip of a rendered person, with its CSV; made when it is not there yet."""
    path = folder / f"rendered-{seed}-{seconds}.mp4"
    if path.with_suffix(".csv").is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (640, 480))
    rows = []
    for index, item in enumerate(itertools.islice(demo_timeline(seed, fps=FPS), FPS * seconds)):
        writer.write(item.image)
        x0, y0, x1, y1 = (float(value) for value in item.xyxy)
        rows.append((index, index / FPS, seed, item.emotion.value, x0, y0, x1 - x0, y1 - y0))
    writer.release()
    with path.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file).writerows([("frame", "t", "subject", "label", "x", "y", "w", "h"), *rows])
    return path


def frames_of(path: Path, *, is_poor: bool) -> Iterator[Frame]:
    """The clip; through a poor camera, if asked for: a third of the size, and noise."""
    rng = np.random.default_rng(0)
    for frame in open_source(CameraSettings(source=str(path))):
        if not is_poor:
            yield frame
            continue
        small = cv2.resize(frame.image, None, fx=POOR_SCALE, fy=POOR_SCALE, interpolation=cv2.INTER_AREA)
        noisy = np.clip(small + rng.normal(0, POOR_NOISE, small.shape), 0, 255).astype(np.uint8)
        image = cv2.resize(noisy, frame.image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        yield replace(frame, image=np.asarray(image, np.uint8))


class Length:
    """Frames as they come, and how many there were."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = frames
        self.frames, self.seconds = 0, 0.0

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            self.frames, self.seconds = self.frames + 1, frame.seconds
            yield frame


def compare(
    bench: Bench, clips: list[Path], options: argparse.Namespace, told: list[dict[str, Any]]
) -> dict[str, Score]:
    """All clips through both chains, and through other filters where they are asked for; ``told`` grows by ours."""
    scores: dict[str, Score] = defaultdict(Score)
    hold = bench.config.events.hold_seconds
    for clip in clips:
        truth = Truth.read(clip.with_suffix(".csv")) if clip.with_suffix(".csv").is_file() else None
        for name, is_plain in (("plain", True), ("ours", False)):
            length = Length(frames_of(clip, is_poor=options.poor))
            events, tracker = bench.run(length, is_plain=is_plain)
            for score in (scores[name], own := Score()):
                score.add(events, truth, hold)
                score.add_flips(tracker)
        told.append({"clip": clip.name, "frames": length.frames, "seconds": round(length.seconds, 2)} | own.as_json())
        for name, apply in filters().items() if options.filters else ():
            events, noted = refiltered(bench, tracker, apply)
            scores[name].add(events, truth, hold)
            scores[name].add_flips(noted)
    return scores


def write(path: Path, bench: Bench, told: list[dict[str, Any]]) -> None:
    """What our chain made of each clip, and which model it was."""
    model = {"name": bench.model.spec.name, "file": bench.model.path.name, "sha256": bench.model.sha256}
    total = {
        name: sum(clip[name] for clip in told) for name in ("seconds", "person_seconds", "people", "faces", *FLIPS)
    }
    minutes = max(total["person_seconds"], 1e-9) / 60
    total |= {name.replace("_", "_per_minute_"): round(total[name] / minutes, 2) for name in FLIPS}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"version": 1, "model": model, "total": total, "clips": told}, indent=1) + "\n", encoding="utf-8"
    )


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True, help="YuNet's ONNX")
    parser.add_argument("--model", type=Path, help="exported ONNX or a bundle's folder [default: the shipped model]")
    parser.add_argument(
        "--clip", type=Path, nargs="*", default=[], help="clips, where known with a CSV of truth beside"
    )
    parser.add_argument("--rendered", type=int, default=0, help="so many rendered people")
    parser.add_argument("--seconds", type=int, default=40, help="of each rendered clip")
    parser.add_argument("--cache", type=Path, default=Path("runs/events"), help="where rendered clips are kept")
    parser.add_argument("--poor", action="store_true", help="through a poor camera")
    parser.add_argument("--filters", action="store_true", help="compare filters over our chain's looks")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to write what our chain made of each clip")
    return parser.parse_args()


def main() -> None:
    """Measure and print Markdown."""
    options = arguments()
    cv2.setNumThreads(options.threads)
    config = Config.model_validate({"model": {"path": options.model}})
    bench, told = Bench(config, options.detector, options.threads), []
    known = [clip for clip in options.clip if clip.with_suffix(".csv").is_file()]
    sets = {"photographed": known, "without truth": [clip for clip in options.clip if clip not in known]}
    sets["rendered"] = [rendered(101 + index, options.seconds, options.cache) for index in range(options.rendered)]
    console = Console(width=200)
    columns = ("clips", "chain", "F1", "told / wrong / missing", "delay s (p90)", "flips/min raw", "filtered", "told")
    console.print(f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", sep="\n")
    for name, clips in sets.items():
        for chain, score in compare(bench, clips, options, told).items():
            console.print(f"| {name} | {chain} | {' | '.join(score.cells())} |")
    if options.json:
        write(options.json, bench, told)


if __name__ == "__main__":
    main()
