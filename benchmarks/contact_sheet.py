"""What the daemon says of every clip, to be looked at: a row of frames a clip, with boxes and expressions.

    python benchmarks/contact_sheet.py --detector yunet_n_640_640.onnx --clip clips/*.mp4 [--model model.onnx]
        [--out runs/clips/contact-sheet.png]

Frames, detector, model, tracker, filter and rules for events are those of `ffe-edge run` with the settings as they come
from the factory. Above a box stands the likeliest expression of the filtered probabilities, below it what was last told
as an event. A thin grey box: the filtered probabilities are below what an event needs. The picture shows real people:
it belongs into runs/, not into a repository.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from rich.console import Console

from ffe_edge.camera import open_source
from ffe_edge.classify import ExpressionClassifier
from ffe_edge.config import CameraSettings, Config
from ffe_edge.engine.model import Model, load_model
from ffe_edge.events import Changes
from ffe_edge.faces import YuNet, load_detector
from ffe_edge.pipeline import Cameras
from ffe_edge.pipeline_view import View
from ffe_edge.tracks import IouTracker
from ffe_edge.types import FaceDetector, ImageArray, Track

CELL_PX: Final = 300
"""Width of a frame on the sheet."""
HEAD_PX: Final = 22
INK: Final = (43, 38, 34)
SURE, UNSURE = (178, 114, 0), (150, 145, 138)
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


@dataclass
class Seen:
    """One clip as the daemon saw it."""

    name: str
    frames: list[tuple[float, bytes]] = field(default_factory=list)
    """Seconds, and the small frame with what was said on it, as JPEG."""
    told: Counter[str] = field(default_factory=Counter)
    """How often each emotion was told."""

    def line(self) -> str:
        """In words."""
        told = ", ".join(f"{count} x {emotion}" for emotion, count in self.told.most_common()) or "nothing"
        return f"{self.name}: {self.frames[-1][0]:.1f} s; told: {told}"


class Daemon:
    """The daemon's pipeline over one clip after the other."""

    def __init__(self, config: Config, model: Model, detector: FaceDetector) -> None:
        self._config, self._model, self._detector = config, model, detector
        self._classifier = ExpressionClassifier(model.run, len(model.spec.labels), model.spec.size_px)

    def watch(self, clip: Path) -> Seen:
        """See a clip from its first frame to its last."""
        changes = Changes(self._model.spec.labels, self._config.events)
        view = View(IouTracker(self._config.tracker), changes, self._config.pipeline)
        cameras, seen, last = self._cameras(view), Seen(clip.name), {}
        for frame in open_source(CameraSettings(source=str(clip))):
            for _, event in cameras.step([(clip.name, frame)]):
                if event.change != "end":
                    last[event.track_id] = event.emotion
                    seen.told[event.emotion] += 1
            picture = self._drawn(frame.image, view.tracker.present(frame.seconds), last)
            seen.frames.append((frame.seconds, cv2.imencode(".jpg", picture)[1].tobytes()))
        return seen

    def _cameras(self, view: View) -> Cameras:
        if isinstance(self._detector, YuNet):
            near, search = self._detector.near, self._detector.near_enough
            return Cameras(search, self._classifier.read, lambda _: view, near=near)
        return Cameras(self._detector, self._classifier.read, lambda _: view)

    def _drawn(self, image: ImageArray, tracks: Sequence[Track], told: Mapping[int, str]) -> ImageArray:
        """The small frame with boxes, and words beside them."""
        scale = CELL_PX / image.shape[1]
        small = cv2.resize(image, (CELL_PX, round(image.shape[0] * scale)), interpolation=cv2.INTER_AREA)
        for track in tracks:
            x0, y0, x1, y1 = (round(float(value) * scale) for value in track.xyxy)
            best = int(track.probs.argmax())
            is_sure = track.probs[best] >= self._config.events.min_probability
            cv2.rectangle(small, (x0, y0), (x1, y1), SURE if is_sure else UNSURE, 2 if is_sure else 1)
            _say(small, f"{self._model.spec.labels[best]} {track.probs[best]:.2f}", x0, y0 - 4)
            _say(small, f"told {told[track.track_id]}" if track.track_id in told else "", x0, y1 + 11)
        return np.asarray(small, np.uint8)


def _say(image: ImageArray, words: str, x: int, y: int) -> None:
    """White words with a dark edge, moved so that they lie in the picture."""
    (width, height), _ = cv2.getTextSize(words, FONT, 0.38, 1)
    at = max(0, min(x, image.shape[1] - width)), max(height + 1, min(y, image.shape[0] - 3))
    for colour, thick in ((INK, 3), ((255, 255, 255), 1)):
        cv2.putText(image, words, at, FONT, 0.38, colour, thick, cv2.LINE_AA)


def row(seen: Seen, columns: int) -> ImageArray:
    """Frames at even times under the clip's line."""
    places = np.linspace(0, len(seen.frames) - 1, columns + 2).round().astype(int)[1:-1]
    cells = [cv2.imdecode(np.frombuffer(seen.frames[place][1], np.uint8), cv2.IMREAD_COLOR) for place in places]
    for place, cell in zip(places, cells, strict=True):
        _say(np.asarray(cell, np.uint8), f"{seen.frames[place][0]:.1f} s", 3, cell.shape[0] - 4)
    head = np.full((HEAD_PX, CELL_PX * columns, 3), 255, np.uint8)
    cv2.putText(head, seen.line(), (4, HEAD_PX - 7), FONT, 0.45, INK, 1, cv2.LINE_AA)
    return np.concatenate([head, np.concatenate(cells, axis=1)]).astype(np.uint8)


def main() -> None:
    """Watch, draw, write, and say it in words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, nargs="+", required=True)
    parser.add_argument("--detector", type=Path, help="YuNet's ONNX [default: the fetched one, else Haar]")
    parser.add_argument("--model", type=Path, help="exported ONNX or a bundle's folder [default: the shipped model]")
    parser.add_argument("--out", type=Path, default=Path("runs/clips/contact-sheet.png"))
    parser.add_argument("--columns", type=int, default=7, help="frames of a clip")
    options = parser.parse_args()
    config = Config.model_validate({"model": {"path": options.model}, "detector": {"path": options.detector}})
    daemon = Daemon(config, load_model(options.model, 1, "onnxruntime"), load_detector(config.detector))
    console, rows = Console(width=200), []
    for clip in options.clip:
        seen = daemon.watch(clip)
        console.print(seen.line(), highlight=False, markup=False)
        rows.append(row(seen, options.columns))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.out), np.concatenate(rows))
    console.print(f"{options.out}: {len(rows)} clips", highlight=False, markup=False)


if __name__ == "__main__":
    main()
