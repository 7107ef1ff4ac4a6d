"""Several cameras in one loop: each has its own people, the model reads the faces of all in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ffe_edge.config import Config
from ffe_edge.events import Changes
from ffe_edge.pipeline_view import Far, Found, NearLook, Progress, View
from ffe_edge.tracks import IouTracker
from ffe_edge.types import EmotionEvent, FaceReadings, Faces, FloatArray, Frame, ImageArray

Told = list[tuple[str, EmotionEvent]]
"""Events with the id of their camera."""

Read = Callable[[Sequence[tuple[ImageArray, Faces]]], list[FaceReadings]]
"""Reads all faces of several pictures in one batch: ``ExpressionClassifier.read``."""


class Gate(Protocol):
    """Whether a camera may be looked at, and which of the faces there count."""

    def allows(self, camera_id: str, captured_at: datetime) -> bool:
        """Whether a frame taken then may be looked at."""
        ...

    def keep(self, camera_id: str, faces: Faces, shape: Sequence[int]) -> npt.NDArray[np.bool_]:
        """(N,) which of the N faces count."""
        ...


class Acquaintance(Protocol):
    """Knows people: corrects what was read in their faces, and names those who consented."""

    def meet(
        self, camera_id: str, track_ids: Sequence[int], readings: FaceReadings, seconds: float
    ) -> tuple[FloatArray, Sequence[str | None]]:
        """(N, K) probabilities to believe, and who the N people are."""
        ...


class Cameras:
    """All cameras' way from frames to events, in the one thread of the loop."""

    def __init__(
        self,
        detect: Callable[[ImageArray], Faces],
        read: Read,
        view: Callable[[str], View],
        *,
        near: NearLook | None = None,
        far: Far | None = None,
        gate: Gate | None = None,
        acquaintance: Acquaintance | None = None,
    ) -> None:
        """Put the steps together.

        Args:
            detect: finds the faces of a whole picture.
            read: reads faces of several pictures.
            view: makes the state of a camera by its id.
            near: finds known faces where they are expected; None: the whole picture is searched instead.
            far: finds faces that are too far for a search of the whole picture; None: nobody does.
            gate: what may be looked at; None: everything.
            acquaintance: knows people; None: nobody is known.
        """
        self._detect = detect
        self._read = read
        self._new_view = view
        self._near = near
        self._far = far
        self._gate = gate
        self._acquaintance = acquaintance
        self._views: dict[str, View] = {}

    @classmethod
    def from_config(
        cls,
        config: Config,
        labels: Sequence[str],
        detect: Callable[[ImageArray], Faces],
        read: Read,
        *,
        near: NearLook | None = None,
        far: Far | None = None,
        gate: Gate | None = None,
        acquaintance: Acquaintance | None = None,
    ) -> Cameras:
        """The same by the settings; ``labels`` are those of the model."""
        known_only = config.residents.policy == "enrolled_only"

        def view(_camera_id: str) -> View:
            tracker, changes = IouTracker(config.tracker), Changes(labels, config.events)
            return View(tracker, changes, config.pipeline, known_only=known_only)

        return cls(detect, read, view, near=near, far=far, gate=gate, acquaintance=acquaintance)

    def step(self, frames: Sequence[tuple[str, Frame]]) -> Told:
        """Take in at most one frame of each camera; a camera begins with its first frame."""
        allowed, told = [], []
        for camera_id, frame in frames:
            if self._gate is None or self._gate.allows(camera_id, frame.captured_at):
                allowed.append((camera_id, frame))
            else:
                told += self.finish(camera_id)
        found = [self._find(camera_id, frame) for camera_id, frame in allowed]
        self._read_all([(*item, faces) for item, faces in zip(allowed, found, strict=True) if faces.track_ids])
        for camera_id, frame in allowed:
            told += [(camera_id, event) for event in self._view(camera_id).tell(frame)]
        return told

    def finish(self, camera_id: str) -> Told:
        """The camera has ended, or may not be looked at: everybody in its view has left."""
        view = self._views.get(camera_id)
        return [] if view is None else [(camera_id, event) for event in view.finish()]

    def progress(self, camera_id: str) -> Progress:
        """How far a camera is."""
        view = self._views.get(camera_id)
        return Progress() if view is None else view.progress

    def _view(self, camera_id: str) -> View:
        if camera_id not in self._views:
            self._views[camera_id] = self._new_view(camera_id)
        return self._views[camera_id]

    def _find(self, camera_id: str, frame: Frame) -> Found:
        def keep(faces: Faces) -> npt.NDArray[np.bool_]:
            if self._gate is None:
                return np.ones(len(faces), bool)
            return self._gate.keep(camera_id, faces, frame.image.shape)

        return self._view(camera_id).find(frame, self._detect, self._near, keep, self._far)

    def _read_all(self, pictures: Sequence[tuple[str, Frame, Found]]) -> None:
        """One batch over all cameras."""
        if not pictures:
            return
        readings = self._read([(frame.image, found.faces) for _, frame, found in pictures])
        for (camera_id, frame, found), reading in zip(pictures, readings, strict=True):
            view, probs, residents = self._view(camera_id), reading.probs, None
            if self._acquaintance is not None:
                probs, residents = self._acquaintance.meet(camera_id, found.track_ids, reading, frame.seconds)
            view.tracker.read(found.track_ids, found.faces, probs, reading.quality, frame.seconds, residents)
            view.progress.read += len(probs)
