"""insightface's records, written here as mxnet writes them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from ffe_edge.errors import DataError
from ffe_train.cropping import ALIGNED
from ffe_train.sources.images import decoded
from ffe_train.sources.recordio import MAGIC, RecordFile, find, items

MAGIC_BYTES = struct.pack("<I", MAGIC)


@dataclass
class RecordWriter:
    """Writes ``.rec`` and ``.idx``; a payload that holds the magic at a multiple of four is cut there."""

    data: bytearray = field(default_factory=bytearray)
    lines: list[str] = field(default_factory=list)

    def add(self, number: int, labels: float | Sequence[float], picture: bytes) -> None:
        vector = [] if isinstance(labels, float) else list(labels)
        header = struct.pack("<IfQQ", len(vector), labels if isinstance(labels, float) else 0.0, number, 0)
        self.lines.append(f"{number}\t{len(self.data)}")
        pieces = self._pieces(header + struct.pack(f"<{len(vector)}f", *vector) + picture)
        for index, piece in enumerate(pieces):
            whole, last = len(pieces) == 1, index == len(pieces) - 1
            flag = 0 if whole else 1 if index == 0 else 3 if last else 2
            self.data += MAGIC_BYTES + struct.pack("<I", flag << 29 | len(piece)) + piece + b"\0" * (-len(piece) % 4)

    def save(self, folder: Path, name: str = "train") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.idx").write_text("\n".join(self.lines) + "\n")
        (folder / f"{name}.rec").write_bytes(self.data)
        return folder / f"{name}.rec"

    @staticmethod
    def _pieces(payload: bytes) -> list[bytes]:
        cuts = [at for at in range(0, len(payload) - 3, 4) if payload[at : at + 4] == MAGIC_BYTES]
        starts, ends = [0, *(cut + 4 for cut in cuts)], [*cuts, len(payload)]
        return [payload[start:end] for start, end in zip(starts, ends, strict=True)]


def jpeg(seed: int, side: int = 112) -> bytes:
    image = np.full((side, side, 3), (100, 140, 180 + seed), np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def insightface(folder: Path) -> Path:
    """Three pictures of the persons 7 and 8, their range in record 0, and the persons' own records."""
    writer = RecordWriter()
    writer.add(0, [4.0, 6.0], b"")
    for number, person in enumerate([7.0, 7.0, 8.0], 1):
        writer.add(number, person if number < 3 else [person, 0.5], jpeg(number))
    writer.add(4, [1.0, 3.0], b"")
    writer.add(5, [3.0, 4.0], b"")
    return writer.save(folder / "casia")


def test_pictures_come_with_their_person(tmp_path: Path) -> None:
    read = list(items(insightface(tmp_path)))
    assert [item.row.path for item in read] == ["train.rec#1", "train.rec#2", "train.rec#3"]
    assert [item.row.subject for item in read] == ["7", "7", "8"]
    assert {(item.row.source, item.row.split, item.row.landmarks) for item in read} == {("casia", "train", ALIGNED)}
    np.testing.assert_array_equal(read[2].read(), decoded(jpeg(3), "3"))


def test_a_folder_leads_to_its_train_rec(tmp_path: Path) -> None:
    path = insightface(tmp_path)
    RecordWriter(lines=["0\t0"]).save(path.parent, "val")
    assert find(path.parent) == path
    with pytest.raises(DataError, match=r"holds no train\.rec"):
        find(tmp_path)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"abc", id="padded"),
        pytest.param(MAGIC_BYTES, id="only-the-magic"),
        pytest.param(b"12345678" + MAGIC_BYTES + b"xy", id="two-parts"),
        pytest.param(MAGIC_BYTES + b"1234" + MAGIC_BYTES + MAGIC_BYTES + b"12345", id="five-parts"),
        pytest.param(b"12" + MAGIC_BYTES + b"34", id="magic-between-the-fours"),
    ],
)
def test_parts_are_put_together_with_the_magic_between(tmp_path: Path, payload: bytes) -> None:
    writer = RecordWriter()
    writer.add(1, 3.0, b"before")
    writer.add(2, [1.0, 2.0, 3.0], payload)
    writer.add(9, 4.0, b"after")
    file = RecordFile(writer.save(tmp_path))
    assert file.record(2) == ((1.0, 2.0, 3.0), payload)
    assert [file.record(number) for number in (1, 9)] == [((3.0,), b"before"), ((4.0,), b"after")]
    assert [file.labels(number) for number in (1, 2, 9)] == [(3.0,), (1.0, 2.0, 3.0), (4.0,)]


def test_without_ranges_every_record_is_a_picture(tmp_path: Path) -> None:
    writer = RecordWriter()
    for number in range(3):
        writer.add(number, float(number), jpeg(number))
    assert [item.row.subject for item in items(writer.save(tmp_path))] == ["0", "1", "2"]


def test_a_picture_that_is_no_crop_or_no_picture_is_told_when_it_is_read(tmp_path: Path) -> None:
    writer = RecordWriter()
    writer.add(1, 0.0, jpeg(0, side=96))
    writer.add(2, 0.0, b"no picture")
    first, second = items(writer.save(tmp_path))
    with pytest.raises(DataError, match=r"train\.rec#1: is 96 x 96, not an aligned 112 x 112 crop"):
        first.read()
    with pytest.raises(DataError, match=r"train\.rec#2: is no picture"):
        second.read()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda data: data[:-40], "damaged or cut off", id="cut-off"),
        pytest.param(lambda data: b"x" + data[1:], "damaged or cut off at byte 0", id="no-magic"),
        pytest.param(lambda data: data[:7] + bytes([data[7] | 3 << 5]) + data[8:], "out of order", id="parts"),
        pytest.param(lambda _: b"", "cannot be read", id="empty"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, change: object, told: str) -> None:
    writer = RecordWriter()
    writer.add(1, 0.0, jpeg(0))
    path = writer.save(tmp_path)
    assert callable(change)
    path.write_bytes(change(bytes(writer.data)))
    with pytest.raises(DataError, match=told):
        RecordFile(path).record(1)


@pytest.mark.parametrize(
    ("index", "told"),
    [
        pytest.param(None, "needs the .idx of the same name", id="absent"),
        pytest.param("", "is empty", id="empty"),
        pytest.param("1 0\n", "no list of numbers", id="blank"),
        pytest.param("一\t0\n", "no list of numbers", id="not-ascii"),
    ],
)
def test_an_index_that_cannot_be_used_is_named(tmp_path: Path, index: str | None, told: str) -> None:
    (tmp_path / "train.rec").write_bytes(b"1234")
    if index is not None:
        (tmp_path / "train.idx").write_text(index, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        RecordFile(tmp_path / "train.rec")


def test_a_number_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.rec#77: is not in the \.idx"):
        RecordFile(insightface(tmp_path)).record(77)
