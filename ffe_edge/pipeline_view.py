"""One camera in the loop: when it is looked at, who is there, and what was told of them.

Between searches of the whole picture nothing is followed from frame to frame: a face is looked for again, where a
Kalman filter expects it, only when it is to be read. Its landmarks are then new ones, and a frame in which nobody is
due costs nothing. Optical flow of the landmarks (Lucas-Kanade, at 320 px) was no better after 0.2 s and worse after
0.4 s: 90 % of errors under 6.2 and 7.4 px of a 112 px crop, against 5.9 and 5.2 of a near look and 5.2 and 5.2 of a
search at 320 px, all of them against a search at full size (50 and 48 faces of ten clips); and it costs every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from ffe_edge.config import PipelineSettings
from ffe_edge.events import Changes
from ffe_edge.faces_schedule import Schedule
from ffe_edge.types import EmotionEvent, Faces, FloatArray, Frame, ImageArray, Tracker

NearLook = Callable[[ImageArray, FloatArray], Faces]
"""image and (M, 4) boxes where known faces are expected -> those of them that are there."""

MOST_NEAR: Final = 4
"""More faces than this are found at less cost by searching the whole picture."""
EARLY: Final = 0.9
"""Share of its period after which a look is due: a frame that comes a little early is not left out."""

SOON: Final = 0.6
"""Share after which it is due where the picture is searched anyway, which saves the look for the face alone."""


@dataclass
class Progress:
    """What the loop has done so far, for the progress line and the health message."""

    frames: int = 0
    faces: int = 0
    """Seen or known to be there, summed over frames."""
    people: int = 0
    """In view now."""
    seconds: float = 0.0
    """Clock of the last frame."""
    searched: int = 0
    """Frames that were searched for faces as a whole."""
    read: int = 0
    """Faces read by the model."""


@dataclass(frozen=True, slots=True)
class Found:
    """The faces of one frame that are to be read, and whose they are."""

    faces: Faces
    track_ids: tuple[int, ...]


NOBODY: Final = Found(Faces.none(), ())


class View:
    """The state of one camera between its frames."""

    def __init__(
        self, tracker: Tracker, changes: Changes, settings: PipelineSettings, *, known_only: bool = False
    ) -> None:
        """Begin with nobody there.

        Args:
            tracker: tells who is who.
            changes: tells events.
            settings: how often what is done.
            known_only: nobody is told of who was not recognised.
        """
        self._known_only = known_only
        self.tracker = tracker
        self.progress = Progress()
        self._changes = changes
        self._schedule = Schedule(settings)
        self._periods = EARLY / settings.classify_hz, EARLY / min(settings.settled_hz, settings.classify_hz)
        self._last: tuple[float, datetime] | None = None
        """Clock and time of the last frame that was looked at."""

    def find(
        self,
        frame: Frame,
        detect: Callable[[ImageArray], Faces],
        near: NearLook | None,
        keep: Callable[[Faces], np.ndarray[tuple[int], np.dtype[np.bool_]]],
    ) -> Found:
        """Look at a frame as far as it is worth it now.

        Args:
            frame: the frame.
            detect: searches a whole picture.
            near: looks for known faces; None: the whole picture is searched instead.
            keep: which of the faces count.

        Returns:
            Faces whose turn it is to be read.
        """
        tracker, seconds, periods = self.tracker, frame.seconds, self._periods
        due = tracker.due(seconds, *periods)
        sought = frozenset(due - tracker.missed)
        if self._schedule.is_due(frame.image, seconds, tracker.missed):
            faces, sought_ids = self._searched(detect, frame), None
            periods = periods[0] * SOON, periods[1] * SOON
        elif not sought:
            return NOBODY
        elif near is None or len(sought) > MOST_NEAR:
            faces, sought_ids = self._searched(detect, frame), None
        else:
            faces, sought_ids = near(frame.image, tracker.expected(sought, seconds)), sought
        faces = faces.taken(keep(faces))
        track_ids = tracker.associate(faces, seconds, sought_ids)
        due = tracker.due(seconds, *periods)
        which = np.array([index for index, track_id in enumerate(track_ids) if track_id in due], np.intp)
        return Found(faces.taken(which), tuple(track_ids[index] for index in which))

    def tell(self, frame: Frame) -> Iterator[EmotionEvent]:
        """Events that the frame settles."""
        tracks = self.tracker.present(frame.seconds)
        self._last = frame.seconds, frame.captured_at
        done = self.progress
        done.frames += 1
        done.faces += len(tracks)
        done.people, done.seconds = len(tracks), frame.seconds
        if self._known_only:
            tracks = tuple(track for track in tracks if track.resident)
        yield from self._changes.update(tracks, frame.seconds, frame.captured_at)

    def finish(self) -> Iterator[EmotionEvent]:
        """Nothing more is looked at: everybody has left with the last frame that was."""
        self.tracker.clear()
        self.progress.people = 0
        if self._last is not None:
            yield from self._changes.finish(*self._last)

    def _searched(self, detect: Callable[[ImageArray], Faces], frame: Frame) -> Faces:
        self.progress.searched += 1
        return detect(frame.image)
