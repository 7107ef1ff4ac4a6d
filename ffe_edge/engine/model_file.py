"""A model file on disk, read once: its bytes, its digest, and the spec that stands in them."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ffe_edge.errors import ModelError
from ffe_edge.spec import SPEC_KEY, ModelSpec

MAX_BYTES: Final = 512 * 2**20
"""A larger file is no model of ours."""
PIECE_BYTES: Final = 2**16

# Fields of ONNX's protobuf messages, and how protobuf writes a value.
# Source: onnx.proto of ONNX 1.16; Protocol Buffers, Encoding (wire types).
METADATA_PROPS: Final = 14
KEY: Final = 1
VALUE: Final = 2
VARINT: Final = 0
FIXED: Final = {1: 8, 5: 4}
BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class ModelFile:
    """An ONNX file as it was read: what was checked is what is loaded."""

    path: Path
    data: bytes
    sha256: str

    @classmethod
    def read(cls, path: Path) -> ModelFile:
        """The file at this path.

        Raises:
            ModelError: it cannot be read, or is too large.
        """
        data = read_bytes(path)
        return cls(path, data, hashlib.sha256(data).hexdigest())

    def spec(self) -> ModelSpec:
        """The spec that the file carries, found without any runtime.

        Raises:
            ModelError: it is no ONNX file, or has no spec that this program reads.
        """
        text = _metadata(self.data, self.path).get(SPEC_KEY)
        if text is None:
            raise ModelError(f"{self.path}: carries no model spec ({SPEC_KEY}); export it with `ffe-edge export`")
        return ModelSpec.from_json(text, str(self.path))


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """All of a file of ours.

    Raises:
        ModelError: it cannot be read, or is larger than any such file of ours.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise ModelError(f"{path}: cannot be read (no plain file); give --model an exported ONNX file")
        if found.st_size > max_bytes:
            raise ModelError(f"{path}: is larger than {max_bytes >> 20} MiB, no such file of this program is")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); give --model an exported ONNX file") from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces, which leaves no hole of its size in the memory.

    Raises:
        ModelError: it cannot be read.
    """
    digest, piece = hashlib.sha256(), bytearray(PIECE_BYTES)
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(piece):
                digest.update(memoryview(piece)[:count])
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); give --model an exported ONNX file") from error
    return digest.hexdigest()


def _metadata(data: bytes, path: Path) -> dict[str, str]:
    """``metadata_props`` of an ONNX ModelProto; the graph is stepped over."""
    try:
        entries = (dict(_fields(entry)) for number, entry in _fields(memoryview(data)) if number == METADATA_PROPS)
        return {str(entry[KEY], "utf-8"): str(entry[VALUE], "utf-8") for entry in entries}
    except (IndexError, KeyError, UnicodeDecodeError, ValueError) as error:
        raise ModelError(f"{path}: is no ONNX model, or only a part of one; export or copy it again") from error


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and value of the fields that hold bytes.

    Raises:
        ValueError: this is no protobuf message.
        IndexError: it ends too soon.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            _, at = _varint(message, at)
        elif kind in FIXED:
            at += FIXED[kind]
        elif kind == BYTES:
            size, start = _varint(message, at)
            at = start + size
            yield number, message[start:at]
        else:
            raise ValueError(f"wire type {kind}")
        if at > len(message):
            raise IndexError("the message ends too soon")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that starts there, and where the next field does."""
    value = 0
    for place in range(10):
        byte = message[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("a number of more than 64 bits")
