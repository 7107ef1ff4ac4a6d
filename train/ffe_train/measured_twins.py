"""Held-out pictures that stand in a training part as well: public sets hold many a picture twice."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np

from ffe_edge.jsonable import jsonable
from ffe_train.bootstrap import interval, person_confusion
from ffe_train.failures import set_of
from ffe_train.measured import HeldOut
from ffe_train.metrics import accuracy
from ffe_train.predictions import Predictions
from ffe_train.prepared import PreparedSet, open_prepared

AT_ONCE: Final = 512
LEARNED: Final = "train"


def without_twins(held: HeldOut, predictions: Predictions, sets: Path, resamples: int) -> dict[str, Any]:
    """How many faces are also learned, pixel for pixel, and the accuracy on the others.

    Args:
        held: the faces.
        predictions: what was said about them.
        sets: folder of prepared sets: looked through are their faces of the same source in the split ``train``.
        resamples: of the bootstrap.

    Returns:
        images: learned ones; accuracy: the interval without them, None where nobody is left.
    """
    ours = _digests(held.faces)
    learned = set().union(*(_digests(one) for one in _learned(sets, set(held.faces.source.tolist()))))
    is_new = np.array([digest not in learned for digest in ours], bool)
    rest = predictions.select(is_new)
    figure = interval(person_confusion(rest), accuracy, resamples=resamples) if len(rest) else None
    return {"images": int((~is_new).sum()), "accuracy": jsonable(figure)}


def _learned(sets: Path, sources: set[str]) -> list[PreparedSet]:
    """What is learned of sets of the same pictures: a name may go on, as ferplus-paper's after ferplus."""
    words = set(map(set_of, sources))
    every = [open_prepared(path.parent) for path in sorted(sets.glob("*/set.json"))]
    same = [one for one in every if set(map(set_of, np.unique(one.source).tolist())) & words]
    parts = [one.select(np.flatnonzero(one.split == LEARNED)) for one in same]
    return [part for part in parts if len(part)]


def _digests(faces: PreparedSet) -> list[bytes]:
    digests = []
    for start in range(0, len(faces), AT_ONCE):
        part = faces.crops(np.arange(start, min(start + AT_ONCE, len(faces)), dtype=np.int64))
        digests += [hashlib.blake2b(crop.tobytes(), digest_size=16).digest() for crop in part]
    return digests
