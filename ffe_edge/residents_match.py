"""Whose face a track is: cosine against those enrolled, and many looks before anybody is named."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ffe_edge.config_people import ResidentSettings
from ffe_edge.errors import ModelError
from ffe_edge.residents import Resident
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray

MAX_FAR: Final = 1e-3
"""Of strangers, no more may be taken for a given resident."""
MIN_TAR: Final = 0.9
"""Of looks at a resident, no fewer may be recognised at that."""
MIN_PAIRS: Final = 1000
"""Of two people, for a share of one in a thousand to be seen at all."""
WINDOWS: Final = 4
"""Votes that are remembered, in multiples of ``min_looks``."""


def identity_threshold(spec: ModelSpec) -> float:
    """The cosine from which two embeddings are one person's, as measured when the model was made.

    A model declares it in ``spec.metrics["identity"]``: ``threshold``, ``tar`` and ``far`` there, and the number of
    ``different`` pairs (`ffe-edge export --identities` measures them).

    Raises:
        ModelError: the model declares none, or one that mistakes too many.
    """
    declared = spec.metrics.get("identity")
    if not isinstance(declared, Mapping):
        raise ModelError(
            f"{spec.name}: cannot tell people apart, so nobody can be enrolled: its embedding was trained for"
            " expressions; use a model whose spec declares metrics.identity, or leave residents.recognise off"
        )
    threshold, tar, far, pairs = (_number(declared.get(key)) for key in ("threshold", "tar", "far", "different"))
    if not (-1 < threshold < 1 and tar >= MIN_TAR and 0 <= far <= MAX_FAR and pairs >= MIN_PAIRS):
        raise ModelError(
            f"{spec.name}: cannot tell people apart well enough: it declares TAR {tar:g} at FAR {far:g} over {pairs:g}"
            f" pairs, needed are {MIN_TAR:g} at {MAX_FAR:g} over {MIN_PAIRS}; use another model"
        )
    return threshold


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")


def embedding_space(spec: ModelSpec, sha256: str) -> str:
    """What embeddings belong to: the FP32 model, of whatever precision the file is that serves."""
    return sha256 if spec.precision == "fp32" else spec.parent_sha256


class Gallery:
    """Those enrolled, ready to be compared."""

    def __init__(self, residents: Sequence[Resident], *, space: str, threshold: float, margin: float) -> None:
        fitting = [resident for resident in residents if resident.model == space]
        self.outdated = len(residents) - len(fitting)
        """Enrolled with another model: to be enrolled again."""
        self._ids = [resident.id for resident in fitting]
        self._templates = np.array([template(resident.embeddings) for resident in fitting], np.float32)
        self._threshold = threshold
        self._margin = margin

    def __len__(self) -> int:
        return len(self._ids)

    def match(self, embeddings: FloatArray) -> list[str | None]:
        """Who each of the embeddings (N, D) of norm 1 is; None: nobody enrolled, or too near to two of them."""
        if not len(embeddings) or not self._ids:
            return [None] * len(embeddings)
        cosine = embeddings @ self._templates.T
        best = cosine.argmax(axis=1)
        ordered = np.sort(cosine, axis=1)
        second = ordered[:, -2] if len(self._ids) > 1 else np.full(len(embeddings), -1.0)
        sure = (ordered[:, -1] >= self._threshold) & (ordered[:, -1] - second >= self._margin)
        return [self._ids[index] if is_sure else None for index, is_sure in zip(best, sure, strict=True)]


def template(embeddings: Sequence[Sequence[float]]) -> FloatArray:
    """(M, D) looks at one person -> (D,) their mean, of norm 1."""
    mean = np.asarray(embeddings, np.float64).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


@dataclass(slots=True)
class _Votes:
    looks: deque[str | None]
    counts: Counter[str | None] = field(default_factory=Counter)

    def add(self, vote: str | None) -> None:
        if len(self.looks) == self.looks.maxlen:
            self.counts[self.looks[0]] -= 1
        self.looks.append(vote)
        self.counts[vote] += 1


class Recognition:
    """Names the tracks of one camera, each after many looks; a name is lost again when the looks no longer say so."""

    def __init__(self, gallery: Gallery, settings: ResidentSettings, *, min_quality: float) -> None:
        self._gallery = gallery
        self._settings = settings
        self._min_quality = min_quality
        self._votes: dict[int, _Votes] = {}

    def use(self, gallery: Gallery) -> None:
        """Other people are enrolled now: everybody is looked at anew."""
        self._gallery = gallery
        self._votes.clear()

    def look(self, track_ids: Sequence[int], embeddings: FloatArray, qualities: Sequence[float]) -> None:
        """Take in one frame's looks: N tracks, (N, D) of norm 1, and how far each face can be trusted."""
        for track_id, vote, quality in zip(track_ids, self._gallery.match(embeddings), qualities, strict=True):
            if quality >= self._min_quality:
                window = WINDOWS * self._settings.min_looks
                self._votes.setdefault(track_id, _Votes(deque(maxlen=window))).add(vote)

    def leave(self, track_id: int) -> None:
        """Forget the looks at a track that has left."""
        self._votes.pop(track_id, None)

    def named(self) -> dict[int, str]:
        """Track -> resident, of those sure enough. Nobody is in two places: two tracks of one name are nobody's."""
        names = {track_id: name for track_id, votes in self._votes.items() if (name := self._winner(votes))}
        twice = {name for name, count in Counter(names.values()).items() if count > 1}
        return {track_id: name for track_id, name in names.items() if name not in twice}

    def _winner(self, votes: _Votes) -> str | None:
        if len(votes.looks) < self._settings.min_looks:
            return None
        name, count = votes.counts.most_common(1)[0]
        return name if count >= self._settings.min_share * len(votes.looks) else None
