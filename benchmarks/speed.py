"""CPU per frame of the plain chain and of ours, at 640x480 and 1280x720, with one face and four, on one thread and two.

    python benchmarks/speed.py --detector yunet_n_640_640.onnx --clips intel_asl_*.mkv [--json speed.json]

The plain chain is the yardstick: every frame goes through YuNet at its full size, alignment, and a network of
MobileFaceNet's size (random weights, 1.0 million parameters, made here), face by face in one batch. Ours is
`ffe_edge.pipeline` with its default settings: with the shipped model, and with that network in its place. All chains
get the same frames at 15 a second, in turns of one second each, so that what else the machine does meets all of them.
With two threads the plain chain has two in OpenCV and two in ONNX Runtime, as they come; ours sets OpenCV to one, as
the daemon does, and lets the runtime's threads sleep between runs. CPU is the process's time over all threads. Frames
are real clips: one filling the picture, or four in its quarters; played to and fro without a cut. The ratio's range is
that of the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mobilefacenet import Yardstick, mobilefacenet
from rich.console import Console

from ffe_edge.align import align
from ffe_edge.camera import open_source
from ffe_edge.classify import ExpressionClassifier
from ffe_edge.config import CameraSettings, Config, DetectorSettings
from ffe_edge.emotions import LABELS
from ffe_edge.engine.model import load_model
from ffe_edge.events import Changes
from ffe_edge.faces import YuNet
from ffe_edge.pipeline import Cameras
from ffe_edge.tracks import IouTracker
from ffe_edge.types import Frame, ImageArray

FPS = 15
SIZES = ((640, 480), (1280, 720))
NO_DATE = datetime(2026, 1, 1, tzinfo=timezone.utc)


@dataclass
class Chain:
    """One chain, and its CPU and wall milliseconds per frame of every round."""

    name: str
    step: Callable[[Frame], object]
    opencv_threads: int = 1
    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)

    def run(self, frames: list[Frame]) -> None:
        """One round."""
        cv2.setNumThreads(self.opencv_threads)
        cpu, wall = time.process_time(), time.perf_counter()
        for frame in frames:
            self.step(frame)
        self.cpu_ms.append(1000 * (time.process_time() - cpu) / len(frames))
        self.wall_ms.append(1000 * (time.perf_counter() - wall) / len(frames))


def chains(detector: Path, network: Path, threads: int) -> list[Chain]:
    """The yardstick first."""
    config = Config()
    full = YuNet(detector, DetectorSettings(long_side_px=4096))
    yardstick = Yardstick(network, threads)
    tracker, changes = IouTracker(config.tracker), Changes(LABELS, config.events)
    none = np.zeros((0, 9), np.float32)

    def plain(frame: Frame) -> object:
        faces = full(frame.image)
        probs = yardstick(align(frame.image, faces)) if len(faces) else none
        return list(changes.update(tracker.update(faces, probs, frame.seconds), frame.seconds, frame.captured_at))

    model = load_model(None, threads, "onnxruntime")
    same = Yardstick(network, threads, spins=False)
    return [
        Chain("plain", plain, threads),
        Chain("ours, same network", ours(config, detector, same, LABELS)),
        Chain("ours", ours(config, detector, model.run, model.spec.labels)),
    ]


def ours(config: Config, detector: Path, run: Any, labels: tuple[str, ...]) -> Callable[[Frame], object]:
    """Our pipeline with its own state."""
    yunet = YuNet(detector, config.detector)
    classifier = ExpressionClassifier(run, len(labels))
    cameras = Cameras.from_config(config, labels, yunet, classifier.read, near=yunet.near)
    return lambda frame: cameras.step([("camera", frame)])


def scene(clips: list[Path], faces: int, size: tuple[int, int], count: int) -> list[ImageArray]:
    """Pictures of one clip, or of four in the quarters."""
    width, height = (side // 2 for side in size) if faces == 4 else size
    parts = [[_fit(frame.image, width, height) for frame in open_source(_camera(path))] for path in clips[:faces]]
    to_and_fro = [itertools.cycle(part + part[-2:0:-1]) for part in parts]
    pictures = [[next(part) for part in to_and_fro] for _ in range(count)]
    if faces == 1:
        return [picture[0] for picture in pictures]
    return [np.vstack([np.hstack(four[:2]), np.hstack(four[2:])]) for four in pictures]


def _camera(path: Path) -> CameraSettings:
    return CameraSettings(source=str(path))


def _fit(image: ImageArray, width: int, height: int) -> ImageArray:
    """As large as goes in, in the middle of grey."""
    scale = min(width / image.shape[1], height / image.shape[0])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)), interpolation=how)
    canvas = np.full((height, width, 3), 110, np.uint8)
    y, x = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
    return canvas


def timed(pictures: list[ImageArray]) -> Iterator[Frame]:
    """The pictures over and over, 15 a second."""
    for index in itertools.count():
        yield Frame(pictures[index % len(pictures)], index, index / FPS, NO_DATE)


def measure(options: argparse.Namespace, threads: int) -> list[dict[str, Any]]:
    """All scenes on so many threads."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "mobilefacenet.onnx"
        mobilefacenet(network)
        for size, faces in itertools.product(SIZES, (1, 4)):
            frames = timed(scene(options.clips, faces, size, 10 * FPS))
            contenders = chains(options.detector, network, threads)
            for number in range(options.warm_up + options.rounds):
                second = list(itertools.islice(frames, FPS))
                for chain in contenders:
                    chain.run(second)
                    if number < options.warm_up:
                        chain.cpu_ms.clear()
                        chain.wall_ms.clear()
            rows += [row(chain, contenders[0], size, faces, threads) for chain in contenders]
    return rows


def row(chain: Chain, plain: Chain, size: tuple[int, int], faces: int, threads: int) -> dict[str, Any]:
    """Figures of one chain."""
    ratios = np.array(chain.cpu_ms) / np.array(plain.cpu_ms)
    return {
        "size": f"{size[0]}x{size[1]}", "faces": faces, "threads": threads, "chain": chain.name,
        "cpu_ms": float(np.mean(chain.cpu_ms)), "wall_ms": float(np.mean(chain.wall_ms)),
        "ratio": float(np.mean(chain.cpu_ms) / np.mean(plain.cpu_ms)),
        "wall_ratio": float(np.mean(chain.wall_ms) / np.mean(plain.wall_ms)),
        "lowest": float(ratios.min()), "highest": float(ratios.max()), "rounds": len(ratios),
    }  # fmt: skip


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True, help="YuNet's ONNX")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="four clips of one face each")
    parser.add_argument("--rounds", type=int, default=20, help="of one second of frames for each chain")
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def measured_apart(options: argparse.Namespace, threads: int) -> list[dict[str, Any]]:
    """In a process of its own: libraries keep their threads."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        rest = ["--detector", options.detector, "--clips", *options.clips, "--rounds", str(options.rounds)]
        more = ["--warm-up", str(options.warm_up), "--threads", str(threads), "--json", file.name]
        subprocess.run([sys.executable, __file__, *rest, *more], check=True, stdout=subprocess.DEVNULL)
        rows: list[dict[str, Any]] = json.loads(Path(file.name).read_text())
    return rows


def main() -> None:
    """Measure, each number of threads in a process of its own, and print Markdown."""
    options = arguments()
    console = Console(width=160)
    if len(options.threads) == 1:
        rows = measure(options, options.threads[0])
    else:
        rows = [row for threads in options.threads for row in measured_apart(options, threads)]
    columns = ("size", "faces", "threads", "chain", "CPU ms", "wall ms", "CPU ratio (rounds)", "wall ratio")
    console.print(f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", sep="\n")
    for one in rows:
        ratio = f"{one['ratio']:.3f} ({one['lowest']:.3f}-{one['highest']:.3f})"
        cells = (one["size"], one["faces"], one["threads"], one["chain"], f"{one['cpu_ms']:.2f}",
                 f"{one['wall_ms']:.2f}", ratio, f"{one['wall_ratio']:.3f}")  # fmt: skip
        console.print(f"| {' | '.join(map(str, cells))} |", highlight=False)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
