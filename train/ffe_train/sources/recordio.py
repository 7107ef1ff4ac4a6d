"""insightface's ``.rec`` and ``.idx`` without mxnet: CASIA-WebFace, MS1M, ... as aligned 112 x 112 JPEGs.

A record is ``magic, lrec`` as two little-endian uint32, then its bytes, padded to four. The upper three bits of lrec
say whether it is whole (0) or the first (1), a middle (2) or the last (3) part of a record that held the magic itself;
the lower 29 bits are its length. A payload begins with ``flag, label, id, id2``; flag > 0 counts the float32 labels
that follow. Record 0 of insightface holds where the pictures end and where the persons' records end.
Source: dmlc-core, recordio.h; mxnet, recordio.py (IRHeader).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray
from ffe_train.cropping import ALIGNED, Item
from ffe_train.manifest import Row, Split
from ffe_train.sources.images import aligned, decoded

MAGIC: Final = 0xCED7230A
LENGTH_BITS: Final = 29
WHOLE, FIRST, MIDDLE, LAST = 0, 1, 2, 3
HEADER: Final = struct.Struct("<IfQQ")
FRAME: Final = struct.Struct("<II")


class Record(NamedTuple):
    """One record."""

    labels: tuple[float, ...]
    data: bytes
    """The JPEG; empty in insightface's records about persons."""


class RecordFile:
    """Records by their number; threads may share one."""

    def __init__(self, path: Path) -> None:
        """Open ``path`` and the ``.idx`` beside it.

        Raises:
            DataError: one of the two is absent or damaged.
        """
        self.path = path
        self.offsets = _offsets(path.with_suffix(".idx"))
        try:
            self._bytes = np.memmap(path, np.uint8, mode="r")
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error})") from error

    def record(self, number: int) -> Record:
        """The record of a number of the ``.idx``.

        Raises:
            DataError: the file is damaged there.
        """
        return _unpacked(self._payload(number, None), self._where(number))

    def labels(self, number: int) -> tuple[float, ...]:
        """The labels alone, without reading the picture."""
        return _unpacked(self._payload(number, HEADER.size + 64), self._where(number)).labels

    def _payload(self, number: int, enough: int | None) -> bytes:
        """The parts of a record put together; may stop after ``enough`` bytes."""
        if number not in self.offsets:
            raise DataError(f"{self._where(number)}: is not in the .idx")
        offset, pieces, first = self.offsets[number], [], True
        while True:
            part, length = self._frame(offset, number)
            if (part in (WHOLE, FIRST)) != first:
                raise DataError(f"{self._where(number)}: is damaged (its parts are out of order); fetch the set again")
            start = offset + FRAME.size
            pieces.append(bytes(self._bytes[start : start + (length if enough is None else min(length, enough))]))
            if part in (WHOLE, LAST) or (enough is not None and len(pieces[0]) >= enough):
                return struct.pack("<I", MAGIC).join(pieces)
            offset, first = start + (length + 3) // 4 * 4, False

    def _frame(self, offset: int, number: int) -> tuple[int, int]:
        """Part and length of the frame at an offset."""
        head = bytes(self._bytes[offset : offset + FRAME.size])
        magic, lrec = FRAME.unpack(head) if len(head) == FRAME.size else (0, 0)
        length = lrec & ((1 << LENGTH_BITS) - 1)
        if magic != MAGIC or offset + FRAME.size + length > len(self._bytes):
            raise DataError(f"{self._where(number)}: is damaged or cut off at byte {offset}; fetch the set again")
        return lrec >> LENGTH_BITS, length

    def _where(self, number: int) -> str:
        return f"{self.path}#{number}"


def items(path: Path, *, source: str = "", split: Split = "train") -> Iterator[Item]:
    """The pictures of a ``.rec``; the label is the subject.

    Args:
        path: the ``.rec``, or the folder with one in it.
        source: name of the set; the folder's name where empty.
        split: of all pictures.

    Raises:
        DataError: a file is absent or damaged.
    """
    file = RecordFile(find(path))
    name = source or file.path.resolve().parent.name
    for number in _pictures(file):
        subject = str(int(file.labels(number)[0]))
        row = Row(f"{file.path.name}#{number}", subject, split=split, source=name, landmarks=ALIGNED)
        yield Item(row, partial(_crop, file, number))


def find(path: Path) -> Path:
    """The one ``.rec`` of a folder, ``train.rec`` where there are several.

    Raises:
        DataError: there is none, or none of several is ``train.rec``.
    """
    if path.suffix == ".rec":
        return path
    found = sorted(path.glob("*.rec"))
    if len(found) > 1:
        found = [file for file in found if file.name == "train.rec"]
    if len(found) != 1:
        raise DataError(f"{path}: holds no train.rec; give the path of the .rec file")
    return found[0]


def _pictures(file: RecordFile) -> Iterator[int]:
    """Numbers of the pictures: up to record 0's first label where it has two, else all records."""
    if 0 in file.offsets and len(file.record(0).labels) >= 2:
        end = int(file.record(0).labels[0])
        yield from (number for number in file.offsets if 0 < number < end)
        return
    yield from file.offsets


def _crop(file: RecordFile, number: int) -> ImageArray:
    name = f"{file.path}#{number}"
    return aligned(decoded(file.record(number).data, name), name)


def _offsets(path: Path) -> dict[int, int]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        pairs = [line.split("\t") for line in lines if line.strip()]
        offsets = {int(number): int(offset) for number, offset in pairs}
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); a .rec needs the .idx of the same name") from error
    except ValueError as error:
        raise DataError(f"{path}: is no list of numbers and offsets; fetch the set again") from error
    if not offsets:
        raise DataError(f"{path}: is empty; fetch the set again")
    return dict(sorted(offsets.items()))


def _unpacked(payload: bytes, where: str) -> Record:
    if len(payload) < HEADER.size:
        raise DataError(f"{where}: is too short for a header; fetch the set again")
    flag, label, _, _ = HEADER.unpack_from(payload)
    rest = payload[HEADER.size :]
    if flag == 0:
        return Record((label,), rest)
    if len(rest) < 4 * min(flag, 16):
        raise DataError(f"{where}: is too short for its {flag} labels; fetch the set again")
    count = min(flag, len(rest) // 4)
    return Record(struct.unpack_from(f"<{count}f", rest), rest[4 * flag :])
