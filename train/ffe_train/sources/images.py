"""Pictures from files and archives, BGR whatever they are stored as."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ffe_edge.align import CROP_PX
from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray

SUFFIXES: Final = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
JPEG_SCAN: Final = 0xDA
"""Marker before the picture's own data; what precedes it may hold a whole small picture."""


def read_image(path: Path) -> ImageArray:
    """(H, W, 3) uint8 BGR.

    Raises:
        DataError: the file is absent, no picture, or cut off.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return decoded(data, str(path))


def decoded(data: bytes, name: str) -> ImageArray:
    """(H, W, 3) uint8 BGR from the bytes of a JPEG, PNG, ... file.

    Raises:
        DataError: it is no picture, larger than OpenCV takes, or a JPEG that was cut off, which OpenCV would fill up
            with grey.
    """
    if is_cut_off(data):
        raise DataError(f"{name}: is cut off")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded ({error.err or 'damaged'}); it may be too large") from error
    if image is None:
        raise DataError(f"{name}: is no picture")
    return np.asarray(image, np.uint8)


def is_cut_off(data: bytes) -> bool:
    """Whether it is a JPEG whose end is missing.

    Source: ITU-T T.81, B.1.1.4: a segment is a marker FF xx and, from there on, its length in two bytes.
    """
    if not data.startswith(JPEG_START):
        return False
    at = len(JPEG_START)
    while at + 4 <= len(data) and data[at] == JPEG_START[0] and data[at + 1] != JPEG_SCAN:
        filler = data[at + 1] == JPEG_START[0]
        at += 1 if filler else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return JPEG_END not in data[at:]


def read_crop(path: Path) -> ImageArray:
    """(112, 112, 3) uint8 BGR of a picture that is said to be aligned.

    Raises:
        DataError: it cannot be read or has another size.
    """
    return aligned(read_image(path), str(path))


def aligned(image: ImageArray, name: str) -> ImageArray:
    """The image itself, if it has a crop's size.

    Raises:
        DataError: it has another size.
    """
    if image.shape[:2] != (CROP_PX, CROP_PX):
        height, width = image.shape[:2]
        raise DataError(
            f"{name}: is {width} x {height}, not an aligned {CROP_PX} x {CROP_PX} crop; "
            "take the set as not aligned to have faces found"
        )
    return image


def read_member(archive: Path, member: str) -> ImageArray:
    """(H, W, 3) uint8 BGR of a picture in a zip archive.

    Raises:
        DataError: the archive or the picture cannot be read.
    """
    return decoded(member_bytes(archive, member), f"{archive}#{member}")


def member_bytes(archive: Path, member: str) -> bytes:
    """A file of a zip archive.

    Raises:
        DataError: the archive or the file cannot be read.
    """
    try:
        return _opened(archive).read(member)
    except KeyError as error:
        raise DataError(f"{archive}#{member}: is not in the archive") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive}#{member}: cannot be read ({error})") from error


@lru_cache(maxsize=4)
def _opened(archive: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(archive)


def reader(root: Path, path: str) -> Callable[[], ImageArray]:
    """How to read a row's path: ``faces/1.jpg``, or ``faces.zip#1.jpg`` for a picture in an archive."""
    archive, mark, member = path.partition("#")
    if mark and archive.endswith(".zip"):
        return partial(read_member, root / archive, member)
    return partial(read_image, root / path)


def is_image(path: Path) -> bool:
    """Whether the name is a picture's."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
