"""Tracks -> events. Pure: the clock is passed in, nothing is read or written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ffe_edge.config import EventSettings
from ffe_edge.emotions import UNCERTAIN
from ffe_edge.types import Change, EmotionEvent, Track


@dataclass(frozen=True, slots=True)
class _Mood:
    """What has been told about a person, and what may be told next."""

    track: Track
    told: str | None
    told_seconds: float
    candidate: str
    candidate_seconds: float
    candidate_frames: int
    counted_seconds: float
    """Clock of the last look that counted."""


class Changes:
    """Tells a person's emotion when it has lasted, and nothing else.

    A candidate must stay the same for ``hold_seconds`` and ``min_frames`` frames in which the face was good enough. It
    stays the same while no other emotion is likelier by ``hysteresis``.
    """

    def __init__(self, labels: Sequence[str], settings: EventSettings) -> None:
        self._labels = tuple(labels)
        self._settings = settings
        self._moods: dict[int, _Mood] = {}

    def update(self, tracks: Sequence[Track], seconds: float, captured_at: datetime) -> Iterator[EmotionEvent]:
        """Events that this frame settles: those who left first, then starts and changes.

        Args:
            tracks: everybody present.
            seconds: clock of the frame.
            captured_at: UTC time of the frame.
        """
        present = {track.track_id for track in tracks}
        for track_id in [track_id for track_id in self._moods if track_id not in present]:
            yield from self._leave(track_id, seconds, captured_at)
        for track in tracks:
            mood = self._observe(track, seconds)
            if self._is_settled(mood, seconds):
                yield self._event("change" if mood.told else "start", mood, mood.candidate, seconds, captured_at)
                mood = replace(mood, told=mood.candidate, told_seconds=seconds)
            self._moods[track.track_id] = mood

    def finish(self, seconds: float, captured_at: datetime) -> Iterator[EmotionEvent]:
        """The source has ended: everybody leaves."""
        for track_id in list(self._moods):
            yield from self._leave(track_id, seconds, captured_at)

    def _label(self, track: Track, before: str) -> str:
        """What the track shows, given what it showed before."""
        best = int(track.probs.argmax())
        least, margin = self._settings.min_probability, self._settings.hysteresis
        if before in self._labels and margin > 0:
            present = float(track.probs[self._labels.index(before)])
            if present >= least - margin and track.probs[best] - present < margin:
                return before
        return self._labels[best] if track.probs[best] >= least else UNCERTAIN

    def _observe(self, track: Track, seconds: float) -> _Mood:
        """The mood after one more look; a look at a poor face, or none at all, counts for nothing."""
        mood = self._moods.get(track.track_id)
        if mood is None:
            label = self._label(track, UNCERTAIN)
            counted = int(track.quality >= self._settings.min_quality)
            return _Mood(track, None, seconds, label, seconds, counted, seconds)
        if track.frames == mood.track.frames or track.quality < self._settings.min_quality:
            return replace(mood, track=track)
        label = self._label(track, mood.candidate)
        if label != mood.candidate or mood.candidate_frames == 0:
            mood = replace(mood, candidate=label, candidate_seconds=seconds, candidate_frames=0)
        return replace(mood, track=track, candidate_frames=mood.candidate_frames + 1, counted_seconds=seconds)

    def _is_settled(self, mood: _Mood, seconds: float) -> bool:
        return (
            mood.counted_seconds == seconds
            and mood.candidate != mood.told
            and mood.candidate_frames >= self._settings.min_frames
            and seconds - mood.candidate_seconds >= self._settings.hold_seconds
        )

    def _leave(self, track_id: int, seconds: float, captured_at: datetime) -> Iterator[EmotionEvent]:
        mood = self._moods.pop(track_id)
        if mood.told is not None:
            yield self._event("end", mood, mood.told, seconds, captured_at)

    def _event(self, change: Change, mood: _Mood, emotion: str, seconds: float, captured_at: datetime) -> EmotionEvent:
        probs = tuple(float(value) for value in mood.track.probs)
        x0, y0, x1, y1 = (float(value) for value in mood.track.xyxy)
        return EmotionEvent(
            change=change,
            track_id=mood.track.track_id,
            emotion=emotion,
            previous=mood.told,
            held_seconds=seconds - mood.told_seconds if mood.told else 0.0,
            confidence=max(probs) if emotion == UNCERTAIN else probs[self._labels.index(emotion)],
            probs=probs,
            xyxy=(x0, y0, x1, y1),
            quality=mood.track.quality,
            seconds=seconds,
            captured_at=captured_at,
            resident=mood.track.resident,
        )
