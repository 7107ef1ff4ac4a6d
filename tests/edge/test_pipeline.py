"""Frames in, events out, in order, whoever finds and classifies the faces."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone

import numpy as np

from ffe_edge.config import EventSettings, PipelineSettings, TrackerSettings
from ffe_edge.events import Changes
from ffe_edge.pipeline import Pipeline
from ffe_edge.tracks import IouTracker
from ffe_edge.types import Faces, FloatArray, Frame, ImageArray

FPS = 8
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
LABELS = ("joy", "sadness")
EVERY_FRAME = PipelineSettings(classify_hz=240, settled_hz=240, detect_every_frames=1)

Scene = Sequence[str]
"""What each person in view shows, from left to right."""


class ScriptedRoom:
    """Frames with a detector and a classifier that read the script instead of the picture.

    The number of the scene stands in the picture's first pixels, so that each step sees what the frame brings.
    """

    name = "script"

    def __init__(self, scenes: Iterable[Scene]) -> None:
        self.scenes: list[Scene] = []
        self._coming = scenes

    def frames(self) -> Iterator[Frame]:
        for index, scene in enumerate(self._coming):
            self.scenes.append(scene)
            image = np.zeros((2, 2, 3), np.uint8)
            image[0, 0, :2] = divmod(index, 256)
            yield Frame(image, index, index / FPS, NOON + timedelta(seconds=index / FPS))

    def scene(self, image: ImageArray) -> Scene:
        return self.scenes[int(image[0, 0, 0]) * 256 + int(image[0, 0, 1])]

    def __call__(self, image: ImageArray) -> Faces:
        boxes = [(200 * place, 0, 200 * place + 100, 100) for place in range(len(self.scene(image)))]
        return Faces(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32), None)

    def classify(self, image: ImageArray, faces: Faces) -> FloatArray:
        return np.eye(2, dtype=np.float32)[[LABELS.index(label) for label in self.scene(image)]]


def pipeline_of(room: ScriptedRoom) -> Pipeline:
    changes = Changes(LABELS, EventSettings(hold_seconds=1))
    tracker = IouTracker(TrackerSettings(smoothing_seconds=0, lost_seconds=1.5))
    return Pipeline(room, room.classify, tracker, changes, EVERY_FRAME)


def story(scenes: Iterable[Scene]) -> list[tuple[str, int, str, float]]:
    room = ScriptedRoom(scenes)
    events = pipeline_of(room).run(room.frames())
    return [(event.change, event.track_id, event.emotion, event.seconds) for event in events]


def test_events_come_in_the_order_of_what_happened() -> None:
    scenes = [["joy"]] * 16 + [["sadness"]] * 16 + [[]] * 16
    assert story(scenes) == [
        ("start", 1, "joy", 1.0),
        ("change", 1, "sadness", 3.0),
        ("end", 1, "sadness", 31 / FPS + 1.5 + 1 / FPS),
    ]


def test_an_event_carries_the_utc_time_of_its_frame() -> None:
    room = ScriptedRoom([["joy"]] * 9)
    start, end = pipeline_of(room).run(room.frames())
    assert (start.captured_at, end.captured_at) == (NOON + timedelta(seconds=1),) * 2


def test_when_the_source_ends_everybody_leaves() -> None:
    assert story([["joy", "sadness"]] * 12)[2:] == [("end", 1, "joy", 11 / FPS), ("end", 2, "sadness", 11 / FPS)]


def test_an_empty_source_gives_nothing() -> None:
    assert story([]) == []


def test_an_empty_room_gives_nothing() -> None:
    assert story([[]] * 30) == []


def test_events_come_while_the_source_goes_on() -> None:
    room = ScriptedRoom(itertools.repeat(["joy"]))
    assert next(pipeline_of(room).run(room.frames())).emotion == "joy"
    assert len(room.scenes) == 9


def test_progress_counts_frames_faces_and_people_in_view() -> None:
    room = ScriptedRoom([["joy", "joy"]] * 3 + [["joy"]] * 2)
    pipeline, people = pipeline_of(room), []
    for _ in pipeline.run(noted(room.frames(), lambda: people.append(pipeline.progress.people))):
        pass
    done = pipeline.progress
    assert (done.frames, done.faces, done.people, done.seconds) == (5, 10, 0, 4 / FPS)
    assert people == [0, 2, 2, 2, 2]


def noted(frames: Iterable[Frame], note: Callable[[], None]) -> Iterator[Frame]:
    for frame in frames:
        note()
        yield frame
