"""Who is who between frames, and each person's probabilities smoothed over time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from ffe_edge.config import TrackerSettings
from ffe_edge.quality import quality
from ffe_edge.types import Faces, FloatArray, Track


@dataclass(frozen=True, slots=True)
class _Person:
    track: Track
    seen_seconds: float


class IouTracker:
    """Greedy association by overlap; a person keeps the number until out of sight for ``lost_seconds``.

    Source: Bewley et al., Simple online and realtime tracking, ICIP 2016 (without its Kalman filter).
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._people: tuple[_Person, ...] = ()
        self._ids = itertools.count(1)

    def update(self, faces: Faces, probs: FloatArray, seconds: float) -> tuple[Track, ...]:
        """Take in one frame.

        Args:
            faces: the N faces found.
            probs: (N, K) of each.
            seconds: the frame's time; never goes back.

        Returns:
            Everybody still counted as present, those out of sight with their last box and probabilities.
        """
        values = quality(faces)
        self._people = tuple(
            person for person in self._people if seconds - person.seen_seconds <= self._settings.lost_seconds
        )
        pairs = dict(_matches(self._people, faces, self._settings.min_iou))
        kept = [
            self._seen(person, faces, probs, values, pairs[index], seconds) if index in pairs else person
            for index, person in enumerate(self._people)
            if index in pairs or seconds - person.seen_seconds <= self._settings.lost_seconds
        ]
        new = [
            self._new(faces, probs, values, face, seconds) for face in range(len(faces)) if face not in pairs.values()
        ]
        self._people = (*kept, *new)
        return tuple(person.track for person in self._people)

    def _new(self, faces: Faces, probs: FloatArray, values: FloatArray, face: int, seconds: float) -> _Person:
        track = Track(next(self._ids), faces.xyxy[face], probs[face], float(values[face]), 1)
        return _Person(track, seconds)

    def _seen(
        self, person: _Person, faces: Faces, probs: FloatArray, values: FloatArray, face: int, seconds: float
    ) -> _Person:
        """Exponential filter whose step depends on the time passed, so that the frame rate does not matter."""
        elapsed = max(0.0, seconds - person.seen_seconds)
        smoothing = self._settings.smoothing_seconds
        weight = 1.0 - float(np.exp(-elapsed / smoothing)) if smoothing > 0 else 1.0
        smoothed = person.track.probs + np.float32(weight) * (probs[face] - person.track.probs)
        track = replace(
            person.track,
            xyxy=faces.xyxy[face],
            probs=np.asarray(smoothed, np.float32),
            quality=float(values[face]),
            frames=person.track.frames + 1,
        )
        return _Person(track, seconds)


def iou(one: FloatArray, other: FloatArray) -> FloatArray:
    """Intersection over union of boxes (M, 4) and (N, 4) -> (M, N)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (one, other)]
    return np.asarray(shared / np.maximum(area[0][:, None] + area[1][None] - shared, 1e-9), np.float32)


def _matches(people: tuple[_Person, ...], faces: Faces, min_iou: float) -> list[tuple[int, int]]:
    """Pairs (person, face), the largest overlap first, each used once."""
    if not people or not len(faces):
        return []
    overlap = iou(np.stack([person.track.xyxy for person in people]), faces.xyxy)
    pairs = []
    while overlap.max(initial=0) >= max(min_iou, 1e-6):
        person, face = np.unravel_index(int(overlap.argmax()), overlap.shape)
        pairs.append((int(person), int(face)))
        overlap[person, :] = overlap[:, face] = 0
    return pairs
