"""What a model said about a test set: the value that everything about evaluation starts from, and its csv file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray
from ffe_train.csv_columns import Table, read_table
from ffe_train.files import write_atomically
from ffe_train.tasks import OTHER as NO_LABEL

IntArray = npt.NDArray[np.int64]
StringArray = npt.NDArray[np.str_]

OTHER = NO_LABEL
_TEXTS = ("path", "subject", "source", "truth", "fold", "repeat", "age", "sex")


@dataclass(frozen=True)
class Predictions:
    """Answers of a model to N images, one row an image and repeat, as parallel arrays."""

    labels: tuple[str, ...]
    """(K,) in the order of the network's outputs."""
    path: StringArray
    """(N,) which image."""
    subject: StringArray
    """(N,) who is shown; a name counts within its source only."""
    source: StringArray
    """(N,) which data set."""
    truth: IntArray
    """(N,) class ids 0 ... K-1."""
    probs: FloatArray
    """(N, K) float32, calibrated, rows sum to 1."""
    fold: IntArray
    """(N,) test fold that the image was in."""
    repeat: IntArray
    """(N,) which repetition of the folds."""
    age: FloatArray
    """(N,) float32 years, nan where not known."""
    sex: StringArray
    """(N,) ``f``, ``m`` or empty."""
    votes: FloatArray
    """(N, K+1) float32 raters' counts, last column ``other``; zeros where nobody rated."""

    def __post_init__(self) -> None:
        count, classes = len(self.truth), len(self.labels)
        if classes < 2 or len(set(self.labels)) != classes or OTHER in self.labels:
            raise ValueError(f"predictions need two or more different labels, none '{OTHER}', not {list(self.labels)}")
        expected = {"probs": (count, classes), "votes": (count, classes + 1)}
        for field in fields(self):
            shape = np.shape(getattr(self, field.name))
            if field.name != "labels" and shape != expected.get(field.name, (count,)):
                raise ValueError(f"{field.name} {shape} does not fit {count} images of {classes} classes")
        if count and (self.truth.min() < 0 or self.truth.max() >= classes):
            raise ValueError(f"truth {self.truth.min()} ... {self.truth.max()} is not within {classes} classes")

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def predicted(self) -> IntArray:
        """(N,) likeliest class."""
        return np.asarray(self.probs.argmax(axis=1), np.int64)

    @property
    def person(self) -> IntArray:
        """(N,) number of the person, 0 ... S-1 in the order of source and subject."""
        return numbered(self.source, self.subject)

    def select(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Predictions:
        """Rows of an index or a mask, in its order."""
        chosen = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "labels"}
        return replace(self, **chosen)


def numbered(*columns: StringArray | IntArray) -> IntArray:
    """(N,) number of each row's combination of values, 0 ... in the columns' order."""
    number = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, code = np.unique(column, return_inverse=True)
        number = np.unique(number * len(values) + code, return_inverse=True)[1].astype(np.int64)
    return number


def image_weight(predictions: Predictions) -> npt.NDArray[np.float64]:
    """(N,) one over the number of rows of each row's image: an image weighs 1 however often it was repeated."""
    image = numbered(predictions.source, predictions.path)
    return np.asarray(1 / np.bincount(image)[image])


def joined(parts: Sequence[Predictions]) -> Predictions:
    """The rows of several predictions on the same labels, one after the other.

    Raises:
        ValueError: there is none, or their labels differ.
    """
    if not parts or any(part.labels != parts[0].labels for part in parts):
        raise ValueError("only predictions of the same labels can be joined")
    names = [field.name for field in fields(Predictions) if field.name != "labels"]
    return Predictions(parts[0].labels, **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def averaged(predictions: Predictions) -> Predictions:
    """One row an image: the mean of its probabilities over the repeats, repeat and fold those of its first row.

    Raises:
        ValueError: rows of one image differ in subject, truth or votes.
    """
    image = numbered(predictions.source, predictions.path)
    _, first = np.unique(image, return_index=True)
    count = np.bincount(image)
    sums = np.stack([np.bincount(image, predictions.probs[:, k]) for k in range(len(predictions.labels))], axis=1)
    kept = predictions.select(first)
    for name in ("subject", "truth", "votes"):
        if (getattr(predictions, name) != getattr(kept, name)[image]).any():
            raise ValueError(f"an image has rows with another {name}")
    means = replace(kept, probs=(sums / count[:, None]).astype(np.float32))
    return means.select(np.argsort(first, kind="stable"))


def shared_between_folds(predictions: Predictions) -> tuple[str, ...]:
    """Subjects who stand in two test folds of one repeat: their images were in training and in test."""
    person, place = predictions.person, numbered(predictions.fold)
    held = np.unique(np.stack([predictions.repeat, person, place], axis=1), axis=0)
    pairs, folds = np.unique(held[:, :2], axis=0, return_counts=True)
    leaked = np.isin(person, pairs[folds > 1, 1])
    return tuple(sorted(set(predictions.subject[leaked].tolist())))


def write_predictions(predictions: Predictions, path: Path) -> None:
    """Write the csv file that ``read_predictions`` reads: texts, then ``prob_<label>`` and ``votes_<label>``."""
    labels = predictions.labels
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*_TEXTS, *_columns("prob", labels), *_columns("votes", (*labels, OTHER))])
    for n in range(len(predictions)):
        age = float(predictions.age[n])
        texts = [predictions.path[n], predictions.subject[n], predictions.source[n], labels[predictions.truth[n]]]
        texts += [
            predictions.fold[n],
            predictions.repeat[n],
            "" if math.isnan(age) else f"{age:.9g}",
            predictions.sex[n],
        ]
        writer.writerow(texts + [f"{x:.9g}" for x in (*predictions.probs[n], *predictions.votes[n])])
    write_atomically(path, file.getvalue().encode())


def read_predictions(path: Path) -> Predictions:
    """Read a csv file of predictions; columns of votes may be absent.

    Raises:
        DataError: the file cannot be read, a column is missing or unknown, a value is not what its column holds, an
            image comes twice in a repeat or with another truth in two, or a subject stands in two folds of one repeat.
    """
    table = read_table(path)
    labels = tuple(name.removeprefix("prob_") for name in table.cells if name.startswith("prob_"))
    _check_header(table, labels)
    try:
        predictions = _parsed(table, labels)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    _check_rows(table, predictions)
    return predictions


def _columns(kind: str, labels: Sequence[str]) -> list[str]:
    return [f"{kind}_{label}" for label in labels]


def _check_header(table: Table, labels: tuple[str, ...]) -> None:
    needed, votes = [*_TEXTS, *_columns("prob", labels)], _columns("votes", (*labels, OTHER))
    if any(name in table.cells for name in votes):
        needed += votes
    missing = [name for name in needed if name not in table.cells]
    if missing or not labels:
        raise DataError(f"{table.path}: line 1: column {(missing or ['prob_<label>'])[0]} is missing")
    unknown = [name for name in table.cells if name not in needed]
    if unknown:
        raise DataError(f"{table.path}: line 1: column {unknown[0]} is unknown")


def _parsed(table: Table, labels: tuple[str, ...]) -> Predictions:
    names = [name for name in _columns("votes", (*labels, OTHER)) if name in table.cells]
    votes = np.array([table.numbers(name, 0, 1e9) for name in names], np.float32).T
    return Predictions(
        labels,
        np.array(table.texts("path"), np.str_),
        np.array(table.texts("subject"), np.str_),
        np.array(table.cells["source"], np.str_),
        np.array(table.choices("truth", {label: k for k, label in enumerate(labels)}), np.int64),
        np.array([table.numbers(name, 0, 1) for name in _columns("prob", labels)], np.float32).T,
        np.array(table.numbers("fold", -1, 1e6, whole=True), np.int64),
        np.array(table.numbers("repeat", -1, 1e6, whole=True), np.int64),
        np.array(table.numbers("age", 0, 150, empty=math.nan), np.float32),
        np.array(table.choices("sex", {"": "", "f": "f", "m": "m"}), np.str_),
        votes if names else np.zeros((len(table), len(labels) + 1), np.float32),
    )


def _check_rows(table: Table, predictions: Predictions) -> None:
    off = np.flatnonzero(np.abs(predictions.probs.sum(axis=1) - 1) > 1e-3)
    if len(off):
        raise table.error(int(off[0]), f"prob_{predictions.labels[0]}", "the row's probabilities do not sum to 1")
    image = numbered(predictions.source, predictions.path, predictions.repeat)
    first = np.unique(image, return_index=True)[1]
    if len(first) < len(image):
        again = int(np.setdiff1d(np.arange(len(image)), first)[0])
        raise table.error(again, "path", f"'{predictions.path[again]}' comes twice in one repeat")
    _check_repeats(table, predictions)
    shared = shared_between_folds(predictions)
    if shared:
        raise DataError(
            f"{table.path}: column subject: '{shared[0]}' stands in two folds of one repeat ({len(shared)} such); "
            "split by person"
        )


def _check_repeats(table: Table, predictions: Predictions) -> None:
    """An image is the same one in every repeat."""
    image = numbered(predictions.source, predictions.path)
    first = np.unique(image, return_index=True)[1][image]
    for name in ("subject", "truth", "votes"):
        values = getattr(predictions, name)
        other = (values != values[first]).reshape(len(image), -1).any(axis=1)
        if other.any():
            row = int(np.flatnonzero(other)[0])
            column = f"{name}_{predictions.labels[0]}" if name == "votes" else name
            raise table.error(
                row, column, f"'{predictions.path[row]}' has another {name} in line {table.line[first[row]]}"
            )
