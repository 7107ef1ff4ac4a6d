"""The product in one sentence: frame -> faces -> crops -> probabilities -> tracks -> events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ffe_edge.events import Changes
from ffe_edge.types import Classifier, EmotionEvent, Faces, Frame, ImageArray, Tracker


@dataclass
class Progress:
    """What the loop has done so far, for the progress line and the health message."""

    frames: int = 0
    faces: int = 0
    people: int = 0
    """In view now."""
    seconds: float = 0.0
    """Clock of the last frame."""


class Pipeline:
    """One camera's way from frames to events."""

    def __init__(
        self,
        detect: Callable[[ImageArray], Faces],
        classify: Classifier,
        tracker: Tracker,
        changes: Changes,
    ) -> None:
        self._detect = detect
        self._classify = classify
        self._tracker = tracker
        self._changes = changes
        self.progress = Progress()

    def run(self, source: Iterable[Frame]) -> Iterator[EmotionEvent]:
        """Events as they settle; when the source ends, everybody has left."""
        frame = None
        for frame in source:
            faces = self._detect(frame.image)
            probs = self._classify(frame.image, faces)
            tracks = self._tracker.update(faces, probs, frame.seconds)
            yield from self._changes.update(tracks, frame.seconds, frame.captured_at)
            self._advance(frame, len(faces), len(tracks))
        if frame is not None:
            yield from self._changes.finish(frame.seconds, frame.captured_at)

    def _advance(self, frame: Frame, faces: int, people: int) -> None:
        done = self.progress
        done.frames += 1
        done.faces += faces
        done.people = people
        done.seconds = frame.seconds
