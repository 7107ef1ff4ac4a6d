"""Far faces: how many are found, how soon, and at what cost, by tiles and by searching the picture at full size.

    python benchmarks/far.py --detector yunet_n_640_640.onnx --clip london_timeline.mp4 [--scenes 30] [--still]

Frames of a clip with truth are shrunk until their faces have 16, 20 and 24 px and laid somewhere into a grey picture
with a little noise, of 1280x720 and 1920x1080. Such a picture is shown for four seconds at 15 frames a second, so that
somebody far has just come in; a bright patch moves along its lower edge, which has the whole picture searched more
often, but with ``--still``. ``tiles`` is `ffe_edge.pipeline` with ``detector.min_face_px = 16``; ``full size`` is the
same with every search at the size that faces of 16 px need; ``off`` is without ``min_face_px``. A person is found when
somebody was tracked there. Seconds are those until then; CPU is over the frames of all scenes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from truth import FPS, Truth

from ffe_edge.camera import open_source
from ffe_edge.classify import ExpressionClassifier
from ffe_edge.config import CameraSettings, Config
from ffe_edge.engine.model import load_model
from ffe_edge.events import Changes
from ffe_edge.faces import YuNet
from ffe_edge.faces_tiles import Tiles
from ffe_edge.pipeline import Cameras, Far
from ffe_edge.pipeline_view import View
from ffe_edge.tracks import IouTracker
from ffe_edge.types import Frame, ImageArray

SIZES = ((1280, 720), (1920, 1080))
SIDES = (16, 20, 24)
SECONDS = 4
PATCH_PX = 64
NO_DATE = datetime(2026, 1, 1, tzinfo=timezone.utc)
Box = tuple[float, float, float, float]


class Looking:
    """One way to look."""

    def __init__(self, detector: Path, how: str) -> None:
        least = {} if how == "off" else {"min_face_px": 16}
        self.config = Config.model_validate({"detector": least})
        self.yunet = YuNet(detector, self.config.detector)
        model = load_model(None, 1, "onnxruntime")
        self.labels = model.spec.labels
        self.classifier = ExpressionClassifier(model.run, len(self.labels), model.spec.size_px)
        tiles = Tiles(detector, self.config.detector)
        self.far = Far(tiles.tile, tiles.reach_px) if how == "tiles" else None
        self.search = self.yunet if how == "full size" else self.yunet.near_enough
        self.seconds: list[float] = []
        self.missing = self.wrong = 0
        self.cpu_seconds, self.frames, self.slowest_ms = 0.0, 0, 0.0

    def watch(self, pictures: list[ImageArray], people: list[Box]) -> None:
        """Four seconds, and who was found."""
        tracker = IouTracker(self.config.tracker)
        view = View(tracker, Changes(self.labels, self.config.events), self.config.pipeline)
        cameras = Cameras(self.search, self.classifier.read, lambda _: view, near=self.yunet.near, far=self.far)
        found: dict[int, float] = {}
        for index, picture in enumerate(pictures):
            began = time.process_time()
            cameras.step([("camera", Frame(picture, index, index / FPS, NO_DATE))])
            taken = time.process_time() - began
            self.cpu_seconds, self.slowest_ms = self.cpu_seconds + taken, max(self.slowest_ms, 1000 * taken)
            for track in tracker.present(index / FPS):
                found.setdefault(whose(track.xyxy.tolist(), people), index / FPS)
        self.frames += len(pictures)
        self.wrong += -1 in found
        self.seconds += [seconds for person, seconds in found.items() if person >= 0]
        self.missing += len(people) - len(set(found) - {-1})

    def cells(self) -> Iterator[str]:
        """For a table."""
        count = len(self.seconds) + self.missing
        yield f"{len(self.seconds) / count:.2f} of {count}"
        yield str(self.wrong)
        yield f"{np.median(self.seconds):.2f} ({max(self.seconds):.2f})" if self.seconds else "-"
        yield f"{1000 * self.cpu_seconds / self.frames:.1f}"
        yield f"{self.slowest_ms:.0f}"


def whose(xyxy: list[float], people: list[Box]) -> int:
    """Number of the person whose box has the middle of this one; -1: nobody's."""
    x, y = (xyxy[0] + xyxy[2]) / 2, (xyxy[1] + xyxy[3]) / 2
    inside = [box[0] < x < box[2] and box[1] < y < box[3] for box in people]
    return inside.index(True) if any(inside) else -1


def scenes(clip: Path, size: tuple[int, int], side: int, count: int) -> Iterator[tuple[ImageArray, list[Box]]]:
    """Pictures, and the boxes of those in them."""
    rng = np.random.default_rng(side)
    truth = Truth.read(clip.with_suffix(".csv")).boxes
    frames = {frame.index: frame.image for frame in open_source(CameraSettings(source=str(clip)))}
    for index in rng.choice(sorted(truth), count, replace=False):
        boxes = np.array([box for _, _, box in truth[int(index)]])
        scale = side / float(np.mean(boxes[:, 3] - boxes[:, 1]))
        small = cv2.resize(frames[int(index)], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        room = size[0] - small.shape[1], size[1] - PATCH_PX - small.shape[0]
        x, y = (int(rng.integers(0, free)) for free in room)
        picture = (110 + rng.integers(0, 6, (size[1], size[0], 3))).astype(np.uint8)
        picture[y : y + small.shape[0], x : x + small.shape[1]] = small
        yield picture, [tuple(box) for box in (boxes * scale + np.tile([x, y], 2)).tolist()]


def shown(picture: ImageArray, *, is_still: bool) -> list[ImageArray]:
    """The picture for four seconds."""
    pictures = [picture] if is_still else [picture.copy() for _ in range(SECONDS * FPS)]
    for index, one in enumerate(pictures if not is_still else ()):
        left = 10 * index % (picture.shape[1] - PATCH_PX)
        one[-PATCH_PX:, left : left + PATCH_PX] = 250
    return pictures * (SECONDS * FPS // len(pictures))


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True, help="YuNet's ONNX")
    parser.add_argument("--clip", type=Path, required=True, help="with a CSV of truth beside it")
    parser.add_argument("--still", action="store_true", help="nothing moves")
    parser.add_argument("--scenes", type=int, default=30, help="of each size")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    console = Console(width=160)
    columns = ("picture", "faces px", "search", "found", "scenes with others", "seconds until then (most)",
               "CPU ms a frame", "slowest frame, CPU ms")  # fmt: skip
    console.print(f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", sep="\n")
    for size in SIZES:
        for side in SIDES:
            ways = {how: Looking(options.detector, how) for how in ("tiles", "full size", "off")}
            for picture, people in scenes(options.clip, size, side, options.scenes):
                pictures = shown(picture, is_still=options.still)
                for way in ways.values():
                    way.watch(pictures, people)
            for how, way in ways.items():
                console.print(f"| {size[0]}x{size[1]} | {side} | {how} | {' | '.join(way.cells())} |", highlight=False)


if __name__ == "__main__":
    main()
