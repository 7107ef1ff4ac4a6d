"""What a person's face reads at rest, and probabilities told against that: a resting old face is no anger all day.

Only labels of negative valence are ever lowered, only for somebody whose face at rest is often read as one of them, by
no more than a limit, and only where *neutral* is still near: who really is sad all day is not made neutral.

It is no diagnosis of what is rest: the slow mean over quiet time is. Figures and costs: `docs/people.md`.
Sources: Hess, Adams and Kleck, The face is not an empty canvas, Phil. Trans. R. Soc. B 364, 2009 (its form is read as
expression); Huber, Robust estimation of a location parameter, Ann. Math. Stat. 35, 1964 (the clipped mean).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ffe_edge.config_people import BaselineSettings
from ffe_edge.emotions import affect
from ffe_edge.types import FloatArray

NEUTRAL: Final = "neutral"
USUAL_GAPS: Final[Mapping[str, float]] = {"sadness": 3.6, "fear": 3.5, "anger": 2.2, "disgust": 3.9}
"""By how much the log-probability of neutral usually leads at rest: means over 40 rendered people of 65 to 95 years."""
OTHER_GAP: Final = 3.5
MIN_NEGATIVE_SHARE: Final = 0.15
"""Of quiet time in which a negative label leads; below it there is nothing to correct."""
MIN_NEUTRAL: Final = 0.2
"""Probability of neutral in the resting profile; below it this is no face at rest that is misread a little."""
QUIET_CHANGE: Final = 0.25
"""Time is quiet while no more probability than this has moved since the slow look of the last seconds."""
QUIET_SECONDS: Final = 2.0
MAX_STEP_SECONDS: Final = 1.0
"""One look stands for no more time than this."""
CLIP_NATS: Final = 1.5
"""A single look pulls the mean no harder."""
FLOOR: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Resting:
    """How a face reads at rest: all that is kept of it."""

    log_probs: tuple[float, ...]
    """(K,) slow mean."""
    negative_share: float
    """Of quiet time in which a negative label led."""
    quiet_seconds: float


class Baseline:
    """One person's."""

    def __init__(self, labels: Sequence[str], settings: BaselineSettings, resting: Resting | None = None) -> None:
        """Begin with nothing, or with what was seen before.

        Args:
            labels: of the model, K of them; without ``neutral`` nothing is ever corrected.
            settings: how long to look and how much to correct.
            resting: of the same model; one of another number of labels is left aside.
        """
        self._settings = settings
        self._neutral = labels.index(NEUTRAL) if NEUTRAL in labels else None
        self._is_negative = np.array([affect(label)[0] < 0 for label in labels])
        self._gaps = np.array([USUAL_GAPS.get(label, OTHER_GAP) for label in labels], np.float32)
        known = resting if resting is not None and len(resting.log_probs) == len(labels) else None
        self._mean = np.array(known.log_probs, np.float32) if known else np.zeros(len(labels), np.float32)
        self._negative_share = known.negative_share if known else 0.0
        self._quiet_seconds = known.quiet_seconds if known else 0.0
        self._recent: FloatArray | None = None
        self._seconds = 0.0

    @property
    def resting(self) -> Resting | None:
        """What was seen, None before any quiet time."""
        if self._quiet_seconds == 0:
            return None
        return Resting(tuple(map(float, self._mean)), self._negative_share, self._quiet_seconds)

    def look(self, probs: FloatArray, seconds: float) -> None:
        """Take in one look at a good face.

        Args:
            probs: (K,) as the model gives them, not corrected ones.
            seconds: clock of the frame.
        """
        if self._recent is None:
            self._recent, self._seconds = np.array(probs, np.float32), seconds
            return
        elapsed = min(max(seconds - self._seconds, 0.0), MAX_STEP_SECONDS)
        self._seconds = seconds
        change = 0.5 * float(np.abs(probs - self._recent).sum())
        self._recent = self._recent + np.float32(1 - np.exp(-elapsed / QUIET_SECONDS)) * (probs - self._recent)
        if change <= QUIET_CHANGE and elapsed > 0:
            self._rest(probs, elapsed)

    def correction(self) -> FloatArray:
        """(K,) what is taken off the log-probabilities, in [0, limit]; zeros while nothing is to be corrected."""
        if self._neutral is None or not self._is_wanted():
            return np.zeros(len(self._mean), np.float32)
        lead = self._mean[self._neutral] - self._mean
        return np.where(self._is_negative, np.clip(self._gaps - lead, 0, self._settings.limit), 0).astype(np.float32)

    def correct(self, probs: FloatArray) -> FloatArray:
        """(..., K) probabilities told against this person's rest; each row sums to 1."""
        weighted = probs * np.exp(-self.correction())
        return np.asarray(weighted / np.maximum(weighted.sum(axis=-1, keepdims=True), 1e-12), np.float32)

    def _rest(self, probs: FloatArray, elapsed: float) -> None:
        seen = min(self._quiet_seconds, self._settings.memory_seconds)
        weight = np.float32(elapsed / (seen + elapsed))
        logs = np.log(np.maximum(probs, FLOOR))
        step = logs - self._mean
        self._mean = self._mean + weight * (step if self._quiet_seconds == 0 else np.clip(step, -CLIP_NATS, CLIP_NATS))
        leads = float(self._is_negative[int(probs.argmax())])
        self._negative_share += float(weight) * (leads - self._negative_share)
        self._quiet_seconds += elapsed

    def _is_wanted(self) -> bool:
        if self._quiet_seconds < max(self._settings.min_quiet_seconds, 1e-9):
            return False
        profile = np.exp(self._mean - self._mean.max())
        is_near = profile[self._neutral] >= MIN_NEUTRAL * profile.sum()
        return bool(is_near) and self._negative_share >= MIN_NEGATIVE_SHARE


class Baselines:
    """Of everybody in view: of residents, where they are known, else of tracks, in memory only."""

    def __init__(self, labels: Sequence[str], settings: BaselineSettings) -> None:
        self._labels = tuple(labels)
        self._settings = settings
        self._tracks: dict[Hashable, Baseline] = {}
        self._residents: dict[str, Baseline] = {}

    def remember(self, resting: Mapping[str, Resting]) -> None:
        """Begin with what was kept of residents."""
        for resident, known in resting.items():
            self._residents[resident] = Baseline(self._labels, self._settings, known)

    def look(self, track: Hashable, resident: str | None, probs: FloatArray, seconds: float) -> FloatArray:
        """Take in one good look at somebody and tell it against that person's rest.

        Args:
            track: what tells this track from all others, of other cameras too.
            resident: who it is, where that is known.
            probs: (K,) of the model.
            seconds: clock of the frame.

        Returns:
            (K,) corrected.
        """
        new = Baseline(self._labels, self._settings)
        known = self._tracks.setdefault(track, new) if resident is None else self._residents.setdefault(resident, new)
        known.look(probs, seconds)
        return known.correct(probs)

    def leave(self, track: Hashable) -> None:
        """Forget a track that has left; residents are remembered."""
        self._tracks.pop(track, None)

    def forget(self, resident: str) -> None:
        """Forget a resident."""
        self._residents.pop(resident, None)

    def resting(self) -> dict[str, Resting]:
        """What is to be kept, by resident."""
        found = {resident: baseline.resting for resident, baseline in self._residents.items()}
        return {resident: seen for resident, seen in found.items() if seen is not None}
