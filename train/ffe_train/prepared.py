"""A prepared set: aligned crops and their manifest in one folder, ready to be drawn from in any order.

``crops-00000.npy`` ... hold the crops in the order of ``manifest.csv``, ``refused.csv`` what was left out and why,
``pairs.csv`` pairs for verification where the set has any, ``set.json`` the rest. The shards are mapped into memory:
nothing is decoded while a network learns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ffe_edge.align import CROP_PX
from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray, ImageArray
from ffe_train.files import read_json, write_json
from ffe_train.manifest import Row, cells_of, read_manifest, write_manifest
from ffe_train.shards import SHARD_ROWS, Shard, crop_sha256, sha256_of, shard_path, write_shard
from ffe_train.tasks import Task

IntArray = npt.NDArray[np.int64]
StringArray = npt.NDArray[np.str_]

VERSION: Final = 1
NEEDED: Final = ("name", "shards", "crops")


@dataclass(frozen=True, eq=False)
class PreparedSet:
    """N faces that a network can learn from."""

    name: str
    folder: Path
    rows: tuple[Row, ...]
    """Row i tells of crop i."""
    digest: str
    """sha256 that changes with crops and rows."""
    shards: tuple[Shard, ...]
    places: IntArray
    """(N, 2) number of the shard and position in it."""

    def __len__(self) -> int:
        return len(self.rows)

    def crops(self, index: IntArray) -> ImageArray:
        """Crops in the order asked for.

        Args:
            index: (B,) positions in this set, any order, any number of times.

        Returns:
            (B, 112, 112, 3) uint8 BGR, a copy.

        Raises:
            DataError: a shard is absent or damaged.
        """
        crops = np.empty((len(index), CROP_PX, CROP_PX, 3), np.uint8)
        for crop, (shard, place) in zip(crops, self.places[index].tolist(), strict=True):
            crop[:] = self.shards[shard].crops[place]
        return crops

    def select(self, index: IntArray) -> PreparedSet:
        """A view on some of the faces, (B,) positions; crops are not copied."""
        positions = np.arange(len(self), dtype=np.int64)[index]
        rows = tuple(self.rows[position] for position in positions)
        digest = sha256_of([self.digest.encode(), positions.tobytes()])
        return PreparedSet(self.name, self.folder, rows, digest, self.shards, self.places[positions])

    @cached_property
    def subject(self) -> StringArray:
        """(N,) who it is, a person within its source."""
        return np.array([row.subject for row in self.rows], np.str_)

    @cached_property
    def split(self) -> StringArray:
        """(N,) ``train``, ``val``, ``test`` or nothing."""
        return np.array([row.split for row in self.rows], np.str_)

    @cached_property
    def source(self) -> StringArray:
        """(N,) name of the data set."""
        return np.array([row.source for row in self.rows], np.str_)

    @cached_property
    def sex(self) -> StringArray:
        """(N,) ``f``, ``m`` or nothing."""
        return np.array([row.sex for row in self.rows], np.str_)

    @cached_property
    def age(self) -> FloatArray:
        """(N,) float32 years, NaN where not known."""
        return np.array([np.nan if row.age is None else row.age for row in self.rows], np.float32)

    def class_id(self, task: Task) -> IntArray:
        """(N,) position of the label in the task, -1 where it has none of the task's labels."""
        return np.array([task.class_id(row.label) for row in self.rows], np.int64)

    def votes(self, task: Task) -> FloatArray:
        """(N, K) float32 raters' counts of the task's labels; zeros where nobody was asked."""
        return np.array([[row.votes.get(label, 0) for label in task.labels] for row in self.rows], np.float32).reshape(
            len(self), len(task)
        )

    def targets(self, task: Task, rater_weight: float) -> FloatArray:
        """What a network is asked to say: q = (1 - w) one-hot + w votes / sum of votes.

        Args:
            task: whose labels count; votes for others are left out of the sum.
            rater_weight: w in [0, 1].

        Returns:
            (N, K) float32 whose rows sum to 1: one-hot without votes, the votes alone without a label, and zeros
            where there is neither.
        """
        if not 0 <= rater_weight <= 1:
            raise ValueError(f"the raters' weight must lie in [0, 1], not {rater_weight}")
        class_id, votes = self.class_id(task), self.votes(task)
        one_hot = np.eye(len(task) + 1, len(task), dtype=np.float32)[class_id]
        total = votes.sum(axis=1, keepdims=True)
        weight = np.where(total == 0, 0, np.where(class_id[:, None] < 0, 1, rater_weight)).astype(np.float32)
        return np.asarray((1 - weight) * one_hot + weight * votes / np.where(total == 0, 1, total), np.float32)

    def identity(self) -> tuple[IntArray, tuple[str, ...]]:
        """(N,) number of the person, from 0, and the people's names ``source/subject`` in that order."""
        people = np.array([f"{row.source}/{row.subject}" for row in self.rows], np.str_)
        names, ids = np.unique(people, return_inverse=True)
        return ids.reshape(-1).astype(np.int64), tuple(map(str, names))


class Pair(NamedTuple):
    """Two pictures for verification, by the paths of their rows."""

    a: str
    b: str
    same: bool


def open_prepared(folder: Path) -> PreparedSet:
    """Open the folder of ``prepare`` or ``write_prepared``.

    Raises:
        DataError: it is no prepared set, is not finished, or its files do not belong together.
    """
    about = read_about(folder)
    rows, counts = read_manifest(folder / "manifest.csv"), about["shards"]
    if len(rows) != sum(counts):
        raise DataError(f"{folder}: manifest.csv has {len(rows)} rows for {sum(counts)} crops; prepare the set again")
    shards = tuple(Shard(shard_path(folder, number), count) for number, count in enumerate(counts))
    place = [np.arange(count) for count in counts]
    places = np.stack([np.repeat(np.arange(len(counts)), counts), np.concatenate(place)], 1).astype(np.int64)
    return PreparedSet(about["name"], folder, rows, rows_digest(about["crops"], rows), shards, places)


def read_about(folder: Path) -> dict[str, Any]:
    """What ``set.json`` says of a finished set.

    Raises:
        DataError: the set is absent, not finished, or of another version.
    """
    path = folder / "set.json"
    if not path.is_file():
        raise DataError(f"{folder}: holds no finished prepared set; run `ffe-edge train prepare` (again) to make it")
    about = read_json(path)
    if about.get("version") != VERSION or about.get("size_px") != CROP_PX or not {*NEEDED} <= set(about):
        raise DataError(f"{path}: is damaged or of another version; delete the folder and prepare the set again")
    return about


def joined(sets: Sequence[PreparedSet]) -> PreparedSet:
    """All faces of several sets, one set after the other; a single set is given back as it is."""
    if len(sets) == 1:
        return sets[0]
    shards = tuple(shard for one in sets for shard in one.shards)
    first = np.cumsum([0, *(len(one.shards) for one in sets)])
    places = [one.places + np.array([start, 0]) for one, start in zip(sets, first[:-1].tolist(), strict=True)]
    rows = tuple(row for one in sets for row in one.rows)
    digest = sha256_of(one.digest.encode() for one in sets)
    return PreparedSet("+".join(one.name for one in sets), sets[0].folder, rows, digest, shards, np.concatenate(places))


def read_pairs(folder: Path) -> IntArray:
    """Pairs for verification of a prepared set: (M, 3) rows a and b of its manifest, and 1 for the same person.

    Raises:
        DataError: the set has none, or the file is damaged.
    """
    path = folder / "pairs.csv"
    try:
        pairs = np.loadtxt(path, np.int64, delimiter=",", skiprows=1, ndmin=2)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); only sets prepared with pairs can verify") from error
    except ValueError as error:
        raise DataError(f"{path}: must hold a,b,same as whole numbers ({error})") from error
    return pairs


def write_prepared(folder: Path, name: str, crops: ImageArray, rows: Sequence[Row], *, detector: str = "") -> None:
    """Write crops (N, 112, 112, 3) uint8 BGR that are already aligned as a prepared set.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    if crops.shape != (len(rows), CROP_PX, CROP_PX, 3) or crops.dtype != np.uint8 or not rows:
        raise ValueError(f"{len(rows)} rows need as many crops, not {crops.shape} {crops.dtype}")
    parts = [crops[start : start + SHARD_ROWS] for start in range(0, len(rows), SHARD_ROWS)]
    for number, part in enumerate(parts):
        write_shard(shard_path(folder, number), part)
    write_manifest(rows, folder / "manifest.csv")
    write_set(folder, name, [len(part) for part in parts], map(crop_sha256, crops), rows, {"detector": detector})


def write_set(
    folder: Path, name: str, shards: Sequence[int], sha256: Iterable[str], rows: Sequence[Row], more: Mapping[str, Any]
) -> str:
    """Write ``set.json``, which makes the set a finished one; returns the set's digest."""
    crops = sha256_of(one.encode() for one in sha256)
    digest = rows_digest(crops, rows)
    about = {"version": VERSION, "name": name, "size_px": CROP_PX, "count": len(rows), "shards": list(shards)}
    write_json({**about, **more, "crops": crops, "digest": digest}, folder / "set.json")
    return digest


def rows_digest(start: str, rows: Iterable[Row]) -> str:
    """sha256 of a text and of every cell of the rows."""
    return sha256_of(_chain(start, rows))


def _chain(start: str, rows: Iterable[Row]) -> Iterator[bytes]:
    yield start.encode()
    for row in rows:
        yield "\x1f".join(cells_of(row)).encode()
