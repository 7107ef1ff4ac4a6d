"""Finds pictures, pixels, embeddings and landmarks in bytes, however they may have got there.

Bytes are searched as they are, decoded where they look like Base64 or hexadecimal digits, and as numbers in text.
Pixels and crops are found by runs of 31 bytes or more: each known row is cut into blocks of 16 bytes, of which such a
run holds a whole one, and every position of the bytes searched is compared with all blocks at once, by a hash. Numbers
of embeddings are found by eight consecutive ones, to 0.002, as floats of any width and byte order or as text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final, final

import cv2
import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

BLOCK: Final = 16
VALUES: Final = 8
STEP: Final = 0.002
"""Numbers of embeddings that differ by less count as the same."""
LEAST_DISTINCT: Final = 6
"""A block or row of numbers with fewer different values says nothing: an even wall, zeros, spaces."""
LANDMARK_PX, LANDMARK_SHARE = 2.0, 0.01
"""Landmarks that lie as near as this are the same, in pixels and in shares of the picture."""
MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
FLOATS: Final = ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8")

SIGNATURES: Final = {
    "JPEG": rb"\xff\xd8\xff[\xdb\xc0\xe0-\xef\xfe]",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WebP": rb"RIFF.{4}WEBP",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM.{4}\x00{4}.\x00{3}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00{3}",
    "TIFF": rb"II\*\x00.{3}\x00|MM\x00\*\x00",
    "AVIF or HEIC": rb"ftyp(avif|avis|heic|heix|hevc|mif1|msf1)",
    "JPEG 2000": rb"\x00\x00\x00\x0cjP  \r\n",
    "NPY": rb"\x93NUMPY",
    "video": rb"\x1aE\xdf\xa3|ftyp(isom|mp4[12]|qt  )|RIFF.{4}AVI ",
}
PATTERNS: Final = {name: re.compile(pattern, re.DOTALL) for name, pattern in SIGNATURES.items()}
BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{40,}")
HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2}){20,}")
NUMBER: Final = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@final
class Leaks:
    """What must be found nowhere."""

    def __init__(self) -> None:
        self._windows: list[Hashes] = []
        self._landmarks: list[Floats] = []
        self._index: dict[str, Index] = {}
        self._hashes: list[Hashes] = []

    @property
    def counts(self) -> tuple[int, int, int]:
        """Blocks of pixels, rows of numbers and faces that are searched for."""
        blocks, windows = self._built()
        return len(blocks), len(windows), len(self._landmarks) // 4

    def add_pixels(self, image: npt.NDArray[np.uint8]) -> None:
        """(H, W, 3) BGR; also as RGB and grey."""
        for form in (image, image[..., ::-1], cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)):
            self._add_rows(form)

    def add_floats(self, image: npt.NDArray[np.uint8]) -> None:
        """The same as float32 of usual scales, rows of pixels and planes of colours."""
        for scale, shift in ((1.0, 0.0), (255.0, 0.0), (127.5, 127.5), (128.0, 127.5)):
            values = ((image.astype(np.float32) - np.float32(shift)) / np.float32(scale)).astype(np.float32)
            for form in (values, values[..., ::-1], values.transpose(2, 0, 1)):
                self._add_rows(form)

    def add_embedding(self, values: npt.NDArray[np.floating]) -> None:
        """(D,)."""
        hashes, is_telling = number_hashes(values.astype(np.float64))
        self._windows.append(hashes[is_telling])
        self._index.clear()

    def add_landmarks(self, landmarks: npt.NDArray[np.floating], width_px: int, height_px: int) -> None:
        """(5, 2) in pixels."""
        points = landmarks.astype(np.float64)
        self._landmarks += [points.ravel(), points.T.ravel()]
        points = points / (width_px, height_px)
        self._landmarks += [points.ravel(), points.T.ravel()]

    def found(self, data: bytes) -> list[str]:
        """What there is of it in the data, in words."""
        return sorted({what for form in forms(data) for what in self._found(*form)})

    def _found(self, form: str, data: bytes) -> Iterator[str]:
        yield from (f"{name} in {form}" for name, pattern in PATTERNS.items() if pattern.search(data))
        blocks, windows = self._built()
        if blocks.holds_any(block_hashes(np.frombuffer(data, np.uint8))):
            yield f"pixels in {form}"
        for kind in FLOATS:
            size = int(kind[2])
            for start in range(size):
                values = np.frombuffer(data[start : start + (len(data) - start) // size * size], kind)
                with np.errstate(all="ignore"):
                    if windows.holds_any(number_hashes(values.astype(np.float64))[0]):
                        yield f"embedding as {kind} in {form}"
        if form != "numbers":
            yield from self._found_in_text(form, data)

    def _found_in_text(self, form: str, data: bytes) -> Iterator[str]:
        values = np.array([float(number) for number in NUMBER.findall(data)], np.float64)
        if self._built()[1].holds_any(number_hashes(values)[0]):
            yield f"embedding as text in {form}"
        for landmarks in self._landmarks:
            near = LANDMARK_PX if landmarks.max() > 1.5 else LANDMARK_SHARE
            if holds_in_order(values, landmarks, near):
                yield f"landmarks as text in {form}"

    def _add_rows(self, image: npt.NDArray[np.generic]) -> None:
        rows = np.ascontiguousarray(image).reshape(len(image), -1).view(np.uint8)
        width = rows.shape[1] // BLOCK * BLOCK
        blocks = np.ascontiguousarray(rows[:, :width]).reshape(-1, BLOCK)
        ordered = np.sort(blocks, axis=1)
        distinct = 1 + (np.diff(ordered, axis=1) != 0).sum(axis=1)
        words = np.ascontiguousarray(blocks[distinct >= LEAST_DISTINCT]).view("<u8")
        self._hashes.append(mixed(words[:, 0], words[:, 1]))
        self._index.clear()

    def _built(self) -> tuple[Index, Index]:
        if not self._index:
            self._index = {"blocks": Index(self._hashes), "windows": Index(self._windows)}
        return self._index["blocks"], self._index["windows"]


@final
class Index:
    """Hashes, of which many can be looked up at once: a table of bits sorts out nearly all, a search the rest."""

    BITS: Final = 24

    def __init__(self, hashes: list[Hashes]) -> None:
        self._hashes = np.unique(np.concatenate([*hashes, np.empty(0, np.uint64)]))
        self._table = np.zeros(1 << self.BITS, bool)
        self._table[self._hashes >> np.uint64(64 - self.BITS)] = True

    def __len__(self) -> int:
        return len(self._hashes)

    def holds_any(self, hashes: Hashes) -> bool:
        possible = hashes[self._table[hashes >> np.uint64(64 - self.BITS)]]
        places = np.minimum(np.searchsorted(self._hashes, possible), len(self._hashes) - 1)
        return bool(len(self._hashes) and (self._hashes[places] == possible).any())


def mixed(first: Hashes, second: Hashes) -> Hashes:
    """One hash of two; overflow is meant."""
    return np.asarray((first * MULTIPLIER ^ (first >> np.uint64(29))) * MULTIPLIER + second, np.uint64) * MULTIPLIER


def block_hashes(data: Bytes) -> Hashes:
    """Of the 16 bytes at each position."""
    count = len(data) - BLOCK + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    words = np.zeros(len(data), np.uint64)
    for start in range(8):
        aligned = np.frombuffer(data[start : start + (len(data) - start) // 8 * 8].tobytes(), "<u8")
        words[start::8][: len(aligned)] = aligned
    return mixed(words[:count], words[8 : 8 + count])


def number_hashes(values: Floats) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """Of the eight numbers from each position on; and which of them are numbers that say something."""
    count = len(values) - VALUES + 1
    if count <= 0:
        return np.empty(0, np.uint64), np.empty(0, bool)
    is_small = np.abs(values) < 4
    levels = np.rint(np.where(is_small, values, 9.0) / STEP).astype(np.int64)
    hashes = np.zeros(count, np.uint64)
    for offset in range(VALUES):
        hashes = mixed(hashes, levels[offset : offset + count].view(np.uint64))
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(levels, VALUES), axis=1) if count < 1e5 else None
    if windows is None:
        return hashes, np.ones(count, bool)
    return hashes, 1 + (np.diff(windows, axis=1) != 0).sum(axis=1) >= LEAST_DISTINCT


def holds_in_order(values: Floats, wanted: Floats, near: float) -> bool:
    """Whether the wanted numbers follow one another among the values."""
    count = len(values) - len(wanted) + 1
    if count <= 0:
        return False
    places = np.arange(count)
    for offset, number in enumerate(wanted):
        places = places[np.abs(values[places + offset] - number) < near]
    return len(places) > 0


def forms(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The data itself, and what it may be the text of."""
    yield "bytes", data
    runs = [run.replace(b"-", b"+").replace(b"_", b"/") for run in BASE64.findall(data)]
    for start in range(4):
        parts = (run[start : start + (len(run) - start) // 4 * 4] for run in runs)
        yield "Base64", bytes(BLOCK).join(map(base64.b64decode, parts))
    yield "hexadecimal", bytes(BLOCK).join(map(binascii.unhexlify, HEX.findall(data)))
    whole = (int(number) for number in NUMBER.findall(data) if number.isdigit() and len(number) < 4)
    yield "numbers", bytes(value for value in whole if value < 256)
