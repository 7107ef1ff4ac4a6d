"""Where aligned crops lie: a folder of pictures, or a prepared set of ``ffe-edge train prepare``."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from ffe_edge.align import CROP_PX
from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray

IntArray = npt.NDArray[np.int64]

SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
PREPARED: Final = "set.json"
MANIFEST: Final = "manifest.csv"
HELD_OUT: Final = "test"
"""Split whose faces are for measuring alone."""
PREPARED_VERSION: Final = 1
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


class CropSource(Protocol):
    """N aligned crops that are read when they are asked for."""

    @property
    def folder(self) -> Path:
        """Where they lie."""
        ...

    def __len__(self) -> int: ...

    def take(self, index: IntArray) -> ImageArray:
        """Crops (B, 112, 112, 3) uint8 BGR at the positions (B,), in that order."""
        ...


@dataclass(frozen=True, slots=True)
class Pictures:
    """Files that each hold one crop."""

    folder: Path
    names: Sequence[str]
    """(N,) paths relative to the folder."""

    def __len__(self) -> int:
        return len(self.names)

    def take(self, index: IntArray) -> ImageArray:
        """Decode the pictures at these positions.

        Raises:
            DataError: one is absent, no picture, cut off, or not 112 x 112.
        """
        crops = np.empty((len(index), CROP_PX, CROP_PX, 3), np.uint8)
        for crop, position in zip(crops, index.tolist(), strict=True):
            crop[:] = _picture(self.folder / self.names[position])
        return crops


@dataclass(frozen=True, slots=True)
class PreparedCrops:
    """Crops of a prepared set, mapped into memory: nothing is decoded."""

    folder: Path
    shards: Sequence[ImageArray]
    """Each (n, 112, 112, 3); one after the other they are the rows of ``manifest.csv``."""

    def __len__(self) -> int:
        return sum(map(len, self.shards))

    def take(self, index: IntArray) -> ImageArray:
        """Copies of the crops at these positions."""
        first = np.cumsum([0, *map(len, self.shards)])
        shard = np.searchsorted(first, index, side="right") - 1
        crops = np.empty((len(index), CROP_PX, CROP_PX, 3), np.uint8)
        for number in np.unique(shard):
            crops[shard == number] = self.shards[number][index[shard == number] - first[number]]
        return crops


@dataclass(frozen=True, slots=True)
class Part:
    """Some crops of a source."""

    source: CropSource
    index: IntArray
    """(N,) their positions there."""

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.source.folder

    def __len__(self) -> int:
        return len(self.index)

    def take(self, index: IntArray) -> ImageArray:
        """Crops at these positions of the part."""
        return self.source.take(self.index[index])


def without_held_out(source: CropSource) -> CropSource:
    """A prepared set without its split ``test``; all of it where nothing else would be left.

    Raises:
        DataError: its manifest cannot be read, or has another number of rows than there are crops.
    """
    if not isinstance(source, PreparedCrops):
        return source
    path = source.folder / MANIFEST
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            splits = [row.get("split") for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); prepare the set again") from error
    if len(splits) != len(source):
        raise DataError(f"{path}: has {len(splits)} rows for {len(source)} crops; prepare the set again")
    kept = np.flatnonzero([split != HELD_OUT for split in splits]).astype(np.int64)
    return Part(source, kept) if 0 < len(kept) < len(source) else source


def open_crops(folder: Path) -> Pictures | PreparedCrops:
    """Crops that lie in a folder, wherever below it; hidden files are left out.

    Raises:
        DataError: the folder is absent or holds no crop.
    """
    check_folder(folder)
    return open_prepared(folder) if is_prepared(folder) else Pictures(folder, pictures_in(folder))


def is_prepared(folder: Path) -> bool:
    """Whether it is a set of ``ffe-edge train prepare``, finished or not."""
    return (folder / PREPARED).exists() or any(folder.glob("crops-*.npy"))


def check_folder(folder: Path) -> None:
    """Raises ``DataError`` where there is no such folder."""
    if not folder.is_dir():
        reason = "is a file, not a folder" if folder.exists() else "is not there"
        raise DataError(f"{folder}: {reason}; give a folder of aligned {CROP_PX} x {CROP_PX} face pictures")


def pictures_in(folder: Path) -> tuple[str, ...]:
    """Relative paths of the pictures below a folder, sorted.

    Raises:
        DataError: there is none.
    """
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    names = sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
    if not names:
        raise DataError(
            f"{folder}: holds no picture and no {PREPARED}; give aligned {CROP_PX} x {CROP_PX} faces "
            "(`ffe-edge train prepare` makes them of photographs)"
        )
    return tuple(names)


def open_prepared(folder: Path) -> PreparedCrops:
    """Map the crops of a finished prepared set.

    Raises:
        DataError: it is not finished, of another version, or damaged.
    """
    path = folder / PREPARED
    about = _about(path)
    shards = [_shard(folder / f"crops-{number:05d}.npy", count) for number, count in enumerate(about["shards"])]
    if not sum(map(len, shards)):
        raise DataError(f"{folder}: holds no crop; prepare the set again")
    return PreparedCrops(folder, shards)


def _about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); `ffe-edge train prepare` finishes a set"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not valid JSON ({error}); prepare the set again") from error
    if not isinstance(about, dict) or not _is_whole(about):
        raise DataError(f"{path}: is damaged or of another version; prepare the set again")
    return about


def _is_whole(about: dict[str, Any]) -> bool:
    counts = about.get("shards")
    if about.get("version") != PREPARED_VERSION or about.get("size_px") != CROP_PX or not isinstance(counts, list):
        return False
    return all(type(count) is int and count > 0 for count in counts)


def _shard(path: Path, count: int) -> ImageArray:
    try:
        crops = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); prepare the set again") from error
    if crops.shape != (count, CROP_PX, CROP_PX, 3) or crops.dtype != np.uint8:
        raise DataError(f"{path}: holds {crops.shape} {crops.dtype}, not {count} crops; prepare the set again")
    return np.asarray(crops)


def _picture(path: Path) -> ImageArray:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if data.startswith(_JPEG_START) and _JPEG_END not in data[data.rfind(_JPEG_SCAN) :]:
        raise DataError(f"{path}: is cut off; fetch it again or take it out")  # OpenCV would fill it up with grey
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as error:
        raise DataError(f"{path}: cannot be decoded ({error.err or 'damaged'}); take it out") from error
    if image is None:
        raise DataError(f"{path}: is no picture that can be decoded; take it out")
    if image.shape[:2] != (CROP_PX, CROP_PX):
        height, width = image.shape[:2]
        raise DataError(
            f"{path}: is {width} x {height}, not an aligned {CROP_PX} x {CROP_PX} crop; "
            "`ffe-edge train prepare` aligns pictures"
        )
    return np.asarray(image, np.uint8)
