"""What a model file says about held-out faces: the file that users get, run by the engine that they run it with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray, Runner
from ffe_train.manifest import NOT_ASKED
from ffe_train.manifest import OTHER as NO_LABEL
from ffe_train.predictions import Predictions
from ffe_train.prepared import PreparedSet, open_prepared

logger = logging.getLogger(__name__)

HELD_OUT: Final = "test"
BATCH: Final = 64
LACKING: Final = frozenset(NOT_ASKED) - {NO_LABEL}
"""Labels of public sets that a model may lack: such a face counts, and every answer to it is wrong."""


@dataclass(frozen=True)
class HeldOut:
    """Faces of one set that nobody has learned."""

    name: str
    faces: PreparedSet
    labels: tuple[str, ...]
    """The model's, in its order, then those of the set that it lacks."""
    known: int
    """How many of these are the model's."""

    def __len__(self) -> int:
        return len(self.faces)


def held_out_sets(folder: Path, names: Sequence[str], labels: Sequence[str]) -> tuple[HeldOut, ...]:
    """The labelled faces of the split ``test``.

    Args:
        folder: of prepared sets.
        names: of the sets; none: all that have such faces.
        labels: of the model.

    Raises:
        DataError: a set is absent, holds no such face, or has a label that the model lacks; or there is no set at all.
    """
    if names:
        return tuple(_held_out(folder / name, name, labels) for name in dict.fromkeys(names))
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder of prepared sets; `ffe-edge train prepare` makes them")
    prepared = sorted(path.parent for path in folder.glob("*/set.json"))
    found = [path for path in prepared if _has_any(path, labels)]
    if not found:
        raise DataError(f"{folder}: no prepared set in it has a face in the split {HELD_OUT} with a label of the model")
    return tuple(_held_out(path, path.name, labels) for path in found)


def answers(run: Runner, held: HeldOut, advance: Callable[[int], None] | None = None) -> Predictions:
    """What a model says about the faces; a label that it lacks has probability 0 everywhere.

    Args:
        run: the model.
        held: N faces.
        advance: told after each batch how many faces it had.
    """
    probs = np.zeros((len(held), len(held.labels)), np.float32)
    for start in range(0, len(held), BATCH):
        part = np.arange(start, min(start + BATCH, len(held)), dtype=np.int64)
        probs[part, : held.known] = run(held.faces.crops(part))
        if advance is not None:
            advance(len(part))
    return _predictions(held, probs)


def names_people(predictions: Predictions) -> bool:
    """Whether the set says who is shown: where every image is of another, the images are all that can be drawn."""
    return int(predictions.person.max()) + 1 < len(predictions)


def _has_any(path: Path, labels: Sequence[str]) -> bool:
    there = any(row.split == HELD_OUT and row.label in labels for row in open_prepared(path).rows)
    if not there:
        logger.info("%s is left out: no face in its split %s has a label of the model", path.name, HELD_OUT)
    return there


def _held_out(path: Path, name: str, labels: Sequence[str]) -> HeldOut:
    whole = open_prepared(path)
    test = whole.select(np.flatnonzero(whole.split == HELD_OUT))
    shown = np.array([row.label not in {"", NO_LABEL} for row in test.rows], bool)
    faces = test.select(np.flatnonzero(shown))
    if not len(faces):
        raise DataError(f"{path}: has no labelled face in the split {HELD_OUT}, and nothing else may be measured on")
    own = {row.label for row in faces.rows}
    if unknown := sorted(own - {*labels} - LACKING):
        raise DataError(f"{path}: its label {unknown[0]!r} is none of the model's: {', '.join(labels)}")
    lacking = tuple(sorted(own & LACKING - {*labels}))
    return HeldOut(name, faces, (*labels, *lacking), len(labels))


def _predictions(held: HeldOut, probs: FloatArray) -> Predictions:
    faces, count = held.faces, len(held)
    return Predictions(
        held.labels,
        np.array([row.path for row in faces.rows], np.str_),
        faces.subject,
        faces.source,
        np.array([held.labels.index(row.label) for row in faces.rows], np.int64),
        probs,
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        faces.age,
        faces.sex,
        np.zeros((count, len(held.labels) + 1), np.float32),
    )
