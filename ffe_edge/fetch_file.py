"""One file is brought here whole, or not at all: held to its size and its SHA-256, and gone on with after a cut."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from ffe_edge.atomic_file import sync_folder
from ffe_edge.engine.model_file import MAX_BYTES, digest_of
from ffe_edge.errors import ModelError, PinError
from ffe_edge.fetch_source import Opened, opened

PIECE_BYTES: Final = 2**18
SPARE_BYTES: Final = 64 * 2**20
"""Left free on the disk, where events wait, too."""

OnBytes = Callable[[int], None]
"""Told how many bytes more are here."""


@dataclass(frozen=True, slots=True)
class Pin:
    """By what a file is known."""

    sha256: str
    bytes: int | None = None
    """None: only the SHA-256 is known."""

    def is_of(self, path: Path) -> bool:
        """Whether the file is there and is this one.

        Raises:
            ModelError: it is there and cannot be read.
        """
        if not path.is_file() or (self.bytes is not None and path.stat().st_size != self.bytes):
            return False
        return digest_of(path) == self.sha256


@dataclass(frozen=True, slots=True)
class Way:
    """How files come here."""

    ca_file: Path | None = None
    """Certificates that are trusted instead of the system's."""
    on_bytes: OnBytes = lambda _more: None
    allow_http: bool = False
    """Also without TLS, where something else proves the files."""


def bring(where: str, target: Path, pin: Pin, way: Way) -> Path:
    """Get a file, unless it lies there already; until it is whole and the right one, the target is untouched.

    Args:
        where: a path, or an address that begins with ``https://``; with ``http://``, where the way allows it.
        target: the file to be.
        pin: what it must be.
        way: how it comes.

    Raises:
        ModelError: it cannot be had or written, was cut, or is another file.
    """
    if pin.is_of(target):
        return target
    part = target.with_name(f".{target.name}.{pin.sha256[:16]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            _lock(file, target)
            try:
                _fill(file, where, pin, way)
            except ModelError:
                if not file.tell():
                    part.unlink()
                raise
            file.flush()
            os.fsync(file.fileno())
            _check(part, where, pin)
            part.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ModelError(
            f"{target}: cannot be written ({error.strerror}); free some space, or set FFE_MODELS to a folder of yours"
        ) from error
    return target


def _lock(file: IO[bytes], target: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ModelError(f"{target}: is being fetched by another program; wait for that one") from error


def _fill(file: IO[bytes], where: str, pin: Pin, way: Way) -> None:
    """Append what is missing; a part that is as long as the file is left to the digest."""
    got = file.tell()
    if got and got == pin.bytes:
        return
    with opened(where, got, way.ca_file, allow_http=way.allow_http) as source:
        if source.start not in (0, got):
            raise ModelError(f"{where}: sends another part than was asked for; give a copy with --from")
        if pin.bytes is not None and source.size not in (None, pin.bytes):
            raise PinError(f"{where}: has {source.size} bytes, not the pinned {pin.bytes}; nothing was stored")
        _check_room(Path(file.name).parent, (pin.bytes or source.size or 0) - source.start)
        file.truncate(source.start)
        file.seek(source.start)
        got = _copy(file, source, where, pin.bytes or MAX_BYTES, way.on_bytes)
    wanted = pin.bytes or source.size or got
    if got < wanted:
        raise ModelError(f"{where}: was cut after {got} of {wanted} bytes; run it again, it goes on from there")


def _copy(file: IO[bytes], source: Opened, where: str, most: int, on_bytes: OnBytes) -> int:
    got = source.start
    while piece := source.read(PIECE_BYTES):
        got += len(piece)
        if got > most:
            file.truncate(0)
            file.seek(0)
            raise PinError(f"{where}: has more than {most} bytes; nothing was stored")
        file.write(piece)
        on_bytes(len(piece))
    return got


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted + SPARE_BYTES:
        raise ModelError(
            f"{folder}: {free >> 20} MiB are free, {(wanted + SPARE_BYTES) >> 20} are needed; free some space, or set"
            " FFE_MODELS to a folder on another disk"
        )


def _check(part: Path, where: str, pin: Pin) -> None:
    found = digest_of(part)
    if found != pin.sha256:
        part.unlink()
        raise PinError(f"{where}: has SHA-256 {found}, not the pinned {pin.sha256}; nothing was stored")
