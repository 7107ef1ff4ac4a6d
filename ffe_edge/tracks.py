"""Who is who between frames, and each person's probabilities smoothed over time."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ffe_edge.config import TrackerSettings
from ffe_edge.quality import quality
from ffe_edge.tracks_filter import exponential
from ffe_edge.tracks_match import coverage, iou, matches
from ffe_edge.tracks_motion import Motion, begun, corrected, predicted
from ffe_edge.types import Faces, FloatArray, Track

__all__ = ["IouTracker", "iou"]

COVERED: Final = 0.3
"""Share of a face behind another person's from which it counts as hidden, not gone."""
NEWS: Final = 0.2
"""Total variation between a look and what was believed before from which the look says something new ..."""
SETTLED_SECONDS: Final = 1.0
"""... and so long nothing new makes a person settled: longer than an emotion is held before it is told."""


@dataclass(slots=True)
class _Person:
    track_id: int
    motion: Motion
    xyxy: FloatArray
    """Where the face was last found."""
    seen_seconds: float
    track: Track | None = None
    """None until the face was read."""
    read_seconds: float = -np.inf
    news_seconds: float = -np.inf
    """When a look last said something new; the first look always does."""
    is_missed: bool = False
    """It was looked for and not found."""
    is_occluded: bool = False

    @property
    def is_settled(self) -> bool:
        return self.read_seconds - self.news_seconds >= SETTLED_SECONDS


class IouTracker:
    """People by the overlap of found boxes with predicted ones; each keeps the number while counted as present.

    A box is predicted by a Kalman filter (`tracks_motion.py`). Somebody out of sight leaves after ``lost_seconds``;
    behind somebody else, after ``occluded_seconds``. Numbers are unique within one run.
    Source: Bewley et al., Simple online and realtime tracking, ICIP 2016.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._people: list[_Person] = []
        self._ids = itertools.count(1)

    def update(self, faces: Faces, probs: FloatArray, seconds: float) -> tuple[Track, ...]:
        """Take in one frame whose faces were all read.

        Args:
            faces: the N faces found.
            probs: (N, K) of each.
            seconds: the frame's time; never goes back.

        Returns:
            Everybody counted as present.
        """
        self.read(self.associate(faces, seconds), faces, probs, quality(faces), seconds)
        return self.present(seconds)

    def associate(self, faces: Faces, seconds: float, sought: Collection[int] | None = None) -> tuple[int, ...]:
        """Find out whose faces these are.

        Args:
            faces: the N faces found.
            seconds: the frame's time; never goes back.
            sought: whom was looked for where they were expected; None when the whole picture was searched.

        Returns:
            The N numbers, of people known or new.
        """
        self._forget(seconds)
        ahead = [predicted(person.motion, seconds) for person in self._people]
        whose = {face: person for person, face in matches(ahead, faces.xyxy, self._settings.min_iou)}
        found = {id(self._people[index]) for index in whose.values()}
        for person in self._people:
            if id(person) not in found and (sought is None or person.track_id in sought):
                person.is_missed = True
        people = [
            self._seen(self._people[whose[face]], faces.xyxy[face], seconds)
            if face in whose
            else self._new(faces.xyxy[face], seconds)
            for face in range(len(faces))
        ]
        self._mark_occluded(seconds)
        return tuple(person.track_id for person in people)

    def due(self, seconds: float, period_seconds: float, settled_seconds: float | None = None) -> frozenset[int]:
        """Numbers of those whose face was not read for so long.

        Args:
            seconds: the frame's time.
            period_seconds: between looks.
            settled_seconds: the same, for those whose expression has not changed for a while; None: as for others.
        """
        periods = {False: period_seconds, True: period_seconds if settled_seconds is None else settled_seconds}
        return frozenset(
            person.track_id for person in self._people if seconds - person.read_seconds >= periods[person.is_settled]
        )

    def expected(self, track_ids: Collection[int], seconds: float) -> FloatArray:
        """(N, 4) where these people's faces should be now, in the order in which they came."""
        boxes = [predicted(person.motion, seconds).xyxy for person in self._people if person.track_id in track_ids]
        return np.stack(boxes) if boxes else np.zeros((0, 4), np.float32)

    @property
    def missed(self) -> frozenset[int]:
        """Numbers of those who were last looked for in vain."""
        return frozenset(person.track_id for person in self._people if person.is_missed)

    def read(
        self,
        track_ids: Sequence[int],
        faces: Faces,
        probs: FloatArray,
        values: FloatArray,
        seconds: float,
        residents: Sequence[str | None] | None = None,
    ) -> None:
        """Take in what the model read in N associated faces.

        Args:
            track_ids: N numbers that ``associate`` gave.
            faces: the N faces.
            probs: (N, K) of each.
            values: (N,) quality of each.
            seconds: the frame's time.
            residents: who they are, None for the unknown; None: nobody was asked.
        """
        people = {person.track_id: person for person in self._people}
        for index, track_id in enumerate(track_ids):
            resident = residents[index] if residents else None
            _take_in(
                people[track_id], faces.xyxy[index], probs[index], float(values[index]), seconds,
                resident, self._settings.smoothing_seconds,
            )  # fmt: skip

    def present(self, seconds: float) -> tuple[Track, ...]:
        """Everybody counted as present whose face was read, those out of sight with their last box."""
        self._forget(seconds)
        return tuple(person.track for person in self._people if person.track)

    def clear(self) -> None:
        """Everybody is gone; numbers go on."""
        self._people.clear()

    def _forget(self, seconds: float) -> None:
        settings = self._settings
        self._people = [
            person
            for person in self._people
            if seconds - person.seen_seconds
            <= (max(settings.lost_seconds, settings.occluded_seconds) if person.is_occluded else settings.lost_seconds)
        ]

    def _new(self, xyxy: FloatArray, seconds: float) -> _Person:
        person = _Person(next(self._ids), begun(xyxy, seconds), xyxy, seconds)
        self._people.append(person)
        return person

    def _seen(self, person: _Person, xyxy: FloatArray, seconds: float) -> _Person:
        person.motion = corrected(person.motion, xyxy, seconds)
        person.xyxy, person.seen_seconds = xyxy, seconds
        person.is_missed = person.is_occluded = False
        return person

    def _mark_occluded(self, seconds: float) -> None:
        """Whoever was missed where somebody else was seen is behind that person."""
        front = [person.xyxy for person in self._people if not person.is_missed]
        for person in self._people:
            if person.is_missed and front:
                box = predicted(person.motion, seconds).xyxy
                person.is_occluded = person.is_occluded or bool(coverage(box, np.stack(front)).max() > COVERED)


def _take_in(
    person: _Person,
    xyxy: FloatArray,
    probs: FloatArray,
    value: float,
    seconds: float,
    resident: str | None,
    smoothing: float,
) -> None:
    before = person.track
    if before is None or float(np.abs(probs - before.probs).sum()) / 2 > NEWS:
        person.news_seconds = seconds
    if before is None:
        person.track = Track(person.track_id, xyxy, probs, value, 1, resident)
    else:
        smoothed = exponential(before.probs, probs, seconds - person.read_seconds, smoothing)
        person.track = replace(
            before, xyxy=xyxy, probs=smoothed, quality=value, frames=before.frames + 1,
            resident=resident,
        )  # fmt: skip
    person.read_seconds = seconds
