"""The product in one sentence: frame -> faces -> crops -> probabilities -> tracks -> events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ffe_edge.config import PipelineSettings
from ffe_edge.events import Changes
from ffe_edge.pipeline_cameras import Cameras, Told
from ffe_edge.pipeline_view import Far, NearLook, Progress, View
from ffe_edge.quality import quality
from ffe_edge.types import Classifier, EmotionEvent, FaceReadings, Faces, Frame, ImageArray, Tracker

__all__ = ["Cameras", "Far", "NearLook", "Pipeline", "Progress", "Told"]

CAMERA = "camera"


class Pipeline:
    """One camera's way from frames to events."""

    def __init__(
        self,
        detect: Callable[[ImageArray], Faces],
        classify: Classifier,
        tracker: Tracker,
        changes: Changes,
        settings: PipelineSettings | None = None,
        near: NearLook | None = None,
    ) -> None:
        """Put the steps together.

        Args:
            detect: finds the faces of a whole picture.
            classify: reads faces.
            tracker: tells who is who.
            changes: tells events.
            settings: how often each is done.
            near: finds known faces where they are expected, at less cost.
        """
        view = View(tracker, changes, settings or PipelineSettings())
        self._cameras = Cameras(detect, _in_turn(classify), lambda _: view, near=near)

    @property
    def progress(self) -> Progress:
        """What the loop has done so far."""
        return self._cameras.progress(CAMERA)

    def run(self, source: Iterable[Frame]) -> Iterator[EmotionEvent]:
        """Events as they settle; when the source ends, everybody has left."""
        for frame in source:
            for _, event in self._cameras.step([(CAMERA, frame)]):
                yield event
        for _, event in self._cameras.finish(CAMERA):
            yield event


def _in_turn(classify: Classifier) -> Callable[[Iterable[tuple[ImageArray, Faces]]], list[FaceReadings]]:
    """A classifier of one picture, for one after the other; it takes every face for sharp."""
    return lambda pictures: [FaceReadings(classify(image, faces), quality(faces)) for image, faces in pictures]
