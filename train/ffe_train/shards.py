"""Files of crops, and the sums that tell whether they changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from ffe_edge.align import CROP_PX
from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray
from ffe_train.files import write_atomically

SHARD_ROWS: Final = 4096
"""Crops of a shard: 154 MB."""


class Shard:
    """Crops of one file, mapped into memory when they are first asked for, in every process anew."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.count = path, count

    def __reduce__(self) -> tuple[type[Shard], tuple[Path, int]]:
        return Shard, (self.path, self.count)

    @cached_property
    def crops(self) -> ImageArray:
        """(count, 112, 112, 3) uint8 BGR.

        Raises:
            DataError: the file is absent or not what ``set.json`` says.
        """
        try:
            crops = np.lib.format.open_memmap(self.path, mode="r")
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: cannot be read ({error}); prepare the set again") from error
        if crops.shape != (self.count, CROP_PX, CROP_PX, 3) or crops.dtype != np.uint8:
            raise DataError(f"{self.path}: holds {crops.shape} {crops.dtype}, not {self.count} crops; prepare it again")
        return np.asarray(crops)


def shard_path(folder: Path, number: int) -> Path:
    """File of a shard."""
    return folder / f"crops-{number:05d}.npy"


def write_shard(path: Path, crops: ImageArray) -> None:
    """Write (n, 112, 112, 3) uint8, whole or not at all.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """

    def save(file: BinaryIO) -> None:
        np.save(file, crops, allow_pickle=False)

    write_atomically(path, save)


def crop_sha256(crop: ImageArray) -> str:
    """sha256 of one crop's bytes."""
    return hashlib.sha256(np.ascontiguousarray(crop).tobytes()).hexdigest()


def sha256_of(parts: Iterable[bytes]) -> str:
    """sha256 of some pieces of bytes and where one ends."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part + b"\n")
    return digest.hexdigest()
