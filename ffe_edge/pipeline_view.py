"""One camera in the loop: when it is looked at, who is there, and what was told of them.

Between searches of the whole picture nothing is followed from frame to frame: a face is looked for again, where a
Kalman filter expects it, only when it is to be read. Its landmarks are then new ones, and a frame in which nobody is
due costs nothing. Optical flow of the landmarks (Lucas-Kanade, at 320 px) was no better after 0.2 s and worse after
0.4 s: 90 % of errors under 6.2 and 7.4 px of a 112 px crop, against 5.9 and 5.2 of a near look and 5.2 and 5.2 of a
search at 320 px, all of them against a search at full size (50 and 48 faces of ten clips); and it costs every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class Far:
    """Finds faces that are too far for the search of the whole picture."""

    tile: Callable[[ImageArray, int], Faces]
    """image and whose turn it is -> the far faces of one part of it."""
    reach_px: Callable[[Sequence[int]], float]
    """Shape of a picture -> side from which its search finds faces; 0 where nothing farther is asked for."""


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


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one look found."""

    faces: Faces
    sought: Collection[int] | None
    """Who would have been found if they were there; None: everybody."""
    is_search: bool
    """It was not for known faces alone."""


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
        self._tile_every_frames = settings.tile_every_frames
        self._since_tile, self._turn = 0, -1
        self._last: tuple[float, datetime] | None = None
        """Clock and time of the last frame that was looked at."""

    def find(
        self,
        frame: Frame,
        detect: Callable[[ImageArray], Faces],
        near: NearLook | None,
        keep: Callable[[Faces], np.ndarray[tuple[int], np.dtype[np.bool_]]],
        far: Far | None = None,
    ) -> Found:
        """Look at a frame as far as it is worth it now.

        Args:
            frame: the frame.
            detect: searches a whole picture.
            near: looks for known faces; None: the whole picture is searched instead.
            keep: which of the faces count.
            far: searches parts of it for far faces.

        Returns:
            Faces whose turn it is to be read.
        """
        looked = self._look(frame, detect, near, far)
        if looked is None:
            return NOBODY
        faces, share = looked.faces.taken(keep(looked.faces)), SOON if looked.is_search else 1.0
        track_ids = self.tracker.associate(faces, frame.seconds, looked.sought)
        due = self.tracker.due(frame.seconds, *(share * period for period in self._periods))
        which = np.array([index for index, track_id in enumerate(track_ids) if track_id in due], np.intp)
        return Found(faces.taken(which), tuple(track_ids[index] for index in which))

    def _look(
        self, frame: Frame, detect: Callable[[ImageArray], Faces], near: NearLook | None, far: Far | None
    ) -> _Looked | None:
        """Search the picture or a part of it, or look for known faces, or for nothing at all."""
        tracker, seconds = self.tracker, frame.seconds
        reach_px = far.reach_px(frame.image.shape) if far else 0.0
        distant = self._smaller(reach_px, seconds)
        sought = tracker.due(seconds, *self._periods) - (tracker.missed - distant)
        self._since_tile += 1
        is_due = self._schedule.is_due(frame.image, seconds, tracker.missed - distant)
        if far and reach_px and not is_due and self._since_tile >= self._tile_every_frames:
            self._since_tile, self._turn = 0, self._turn + 1
            return _Looked(far.tile(frame.image, self._turn), (), is_search=True)
        if is_due or (sought and (near is None or len(sought - distant) > MOST_NEAR)):
            everybody = tracker.due(seconds, 0.0) - distant if reach_px else None
            return self._searched(detect, frame, everybody)
        if near is None or not sought:
            return None
        now = frozenset([*(sought & distant), *(sought - distant)][:MOST_NEAR])
        return _Looked(near(frame.image, tracker.expected(now, seconds)), now, is_search=False)

    def _smaller(self, reach_px: float, seconds: float) -> frozenset[int]:
        """Numbers of those whose faces are smaller than this."""
        if not reach_px:
            return frozenset()
        boxes = {track_id: self.tracker.expected({track_id}, seconds) for track_id in self.tracker.due(seconds, 0.0)}
        return frozenset(
            track_id for track_id, box in boxes.items() if float((box[0, 2:] - box[0, :2]).max()) < reach_px
        )

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

    def _searched(self, detect: Callable[[ImageArray], Faces], frame: Frame, sought: Collection[int] | None) -> _Looked:
        self.progress.searched += 1
        return _Looked(detect(frame.image), sought, is_search=True)
