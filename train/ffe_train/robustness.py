"""Accuracy of a model file when faces are blurred, dark, small, turned, covered or badly found.

Every condition is asked of the same faces as the untouched picture, so that the difference is paired: what is drawn
again and again for its interval are people, each with all faces and both answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ffe_edge.errors import DataError
from ffe_edge.types import FaceReadings, Faces, ImageArray
from ffe_train.bootstrap import Interval, interval, paired, person_sums
from ffe_train.metrics import CountArray
from ffe_train.predictions import IntArray, numbered
from ffe_train.robust_conditions import Detectors, asked_of, shots_of
from ffe_train.robust_faces import FaceSet, Shot

Read = Callable[[Sequence[tuple[ImageArray, Faces]]], Sequence[FaceReadings]]
"""``ExpressionClassifier.read`` of the device."""

BATCH: Final = 32
RESAMPLES: Final = 4000
ACCURACY: Final = ("accuracy", "low", "high")
DIFFERENCE: Final = ("difference", "difference_low", "difference_high")
NOT_FOUND: Final = -1
"""Answer to a face that was not found."""


@dataclass(frozen=True, slots=True)
class Readers:
    """The model that is measured, and perhaps another to measure it against."""

    model: Read
    other: Read | None = None

    def answers(self, shots: Iterable[Shot], step: Callable[[int], None]) -> IntArray:
        """(M, N) class ids of one or two models, ``NOT_FOUND`` where there is no face; ``step`` is told each batch."""
        parts = []
        for batch in _batches(shots):
            pictures = [(shot.image, shot.faces) for shot in batch]
            parts.append(np.stack([_answers(read, pictures) for read in (self.model, self.other) if read]))
            step(len(batch))
        return np.concatenate(parts, axis=1)


def count(sets: Sequence[FaceSet], detectors: Detectors) -> int:
    """How many faces ``measure`` reads."""
    return sum(len(faces) for faces in sets for _ in asked_of(faces, detectors))


def measure(
    readers: Readers, sets: Sequence[FaceSet], detectors: Detectors, *, seed: int, step: Callable[[int], None]
) -> list[dict[str, Any]]:
    """One row for every set and condition.

    Args:
        readers: the models.
        sets: faces.
        detectors: what finds faces again.
        seed: of what is done to the pictures and of the intervals.
        step: told after each batch how many faces it had.

    Returns:
        JSON-able rows: ``name``, ``strength``, ``set``, ``n`` faces that were found and their share ``found``,
        ``people``, ``accuracy`` with ``low`` and ``high``, and ``difference`` (with ``difference_low`` and
        ``difference_high``) from the same faces untouched. Against another model a row has ``against``: the other's
        accuracy and the first's difference from it. Without a face the figures are None.

    Raises:
        DataError: there are no faces at all.
        ModelError: the model failed.
    """
    if not sets:
        raise DataError("there are no faces to measure on; prepare one of the sets or allow rendered people")
    return [row for faces in sets for row in _rows(readers, faces, detectors, seed, step)]


def _rows(
    readers: Readers, faces: FaceSet, detectors: Detectors, seed: int, step: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    clean: IntArray | None = None
    for condition in asked_of(faces, detectors):
        said = readers.answers(shots_of(faces, condition, detectors, seed), step)
        clean = said if clean is None else clean
        yield {"name": condition.name, "strength": condition.strength, "set": faces.name} | _figures(
            faces, said, clean, seed
        )


def _figures(faces: FaceSet, said: IntArray, clean: IntArray, seed: int) -> dict[str, Any]:
    """Of one row; (M, N) answers under the condition and to the untouched pictures."""
    found = (said[0] != NOT_FOUND) & (clean[0] != NOT_FOUND)
    about: dict[str, Any] = {"n": int(found.sum()), "found": float(found.mean()), "people": 0}
    if not found.any():
        return about | dict.fromkeys((*ACCURACY, *DIFFERENCE))
    person, truth = numbered(faces.person[found]), faces.truth[found]
    ours, before = (_sums(person, answers[0][found] == truth) for answers in (said, clean))
    about["people"] = len(ours)
    about |= _named(ACCURACY, _interval(ours, seed)) | _named(DIFFERENCE, _gap(ours, before, seed))
    if len(said) > 1:
        theirs = _sums(person, said[1][found] == truth)
        about["against"] = _named(ACCURACY, _interval(theirs, seed)) | _named(DIFFERENCE, _gap(ours, theirs, seed))
    return about


def _answers(read: Read, pictures: Sequence[tuple[ImageArray, Faces]]) -> IntArray:
    readings = read(pictures)
    return np.array([int(one.probs[0].argmax()) if len(one) else NOT_FOUND for one in readings], np.int64)


def _batches(shots: Iterable[Shot]) -> Iterator[list[Shot]]:
    left = iter(shots)
    while batch := list(islice(left, BATCH)):
        yield batch


def _sums(person: IntArray, is_right: npt.NDArray[np.bool_]) -> CountArray:
    """(S, 2) faces of each person that are right, and all."""
    return person_sums(person, np.stack([is_right, np.ones_like(is_right)], 1).astype(np.float64))


def _share(sums: CountArray) -> CountArray:
    return np.asarray(sums[..., 0] / sums[..., 1], np.float64)


def _interval(sums: CountArray, seed: int) -> Interval:
    return interval(sums, _share, resamples=RESAMPLES, seed=seed)


def _gap(first: CountArray, second: CountArray, seed: int) -> Interval:
    return paired(first, second, _share, resamples=RESAMPLES, seed=seed).interval


def _named(names: Sequence[str], value: Interval) -> dict[str, Any]:
    return dict(zip(names, (value.value, value.low, value.high), strict=True))
