"""The folder of the authority on disk: keys and certificates, and the register by which they count.

The register is written last: what no register names was never given out. One program at a time changes anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ffe_edge.atomic_file import write_atomically
from ffe_edge.errors import StoreError
from ffe_edge.file_lock import took_within
from ffe_edge.provision.register import Register, parse_register

LOCK_SECONDS: Final = 10.0
REGISTER: Final = "register.json"
OTHERS: Final = 0o077


class Folder:
    """Reads and writes what the authority keeps."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_made(self) -> bool:
        """Whether there is an authority."""
        return (self.path / REGISTER).exists()

    def load(self) -> Register:
        """The register.

        Raises:
            StoreError: there is none, it is damaged, or others can look into the folder.
        """
        self._check_private()
        if not self.is_made:
            raise StoreError(
                f"{self.path}: no authority is there; make one with `ffe-edge provision init`, or say --folder"
            )
        return parse_register(self.read(REGISTER).decode(errors="replace"), str(self.path / REGISTER))

    def save(self, register: Register) -> None:
        """Replace the register.

        Raises:
            StoreError: it cannot be written; the old one holds.
        """
        self.write(REGISTER, register.model_dump_json(indent=1).encode() + b"\n")

    def read(self, name: str) -> bytes:
        """A file of the folder.

        Raises:
            StoreError: it cannot be read.
        """
        path = self.path / name
        try:
            return path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror}); give back a copy of the folder") from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file that only its user reads, whole or not at all.

        Raises:
            StoreError: it cannot be written.
        """
        write_atomically(self.path / name, data)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes anything meanwhile.

        Raises:
            StoreError: somebody else does, for too long, or the folder cannot be used.
        """
        descriptor = self._open_lock()
        try:
            if not took_within(descriptor, LOCK_SECONDS, 0.05):
                raise StoreError(f"{self.path}: another run of `ffe-edge provision` holds it; wait for its end")
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self) -> int:
        lock = self.path / "lock"
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check_private()
            return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be used ({error.strerror}); run as the user whose it is, or give --folder another"
            ) from error

    def _check_private(self) -> None:
        if self.path.is_dir() and self.path.stat().st_mode & OTHERS:
            raise StoreError(
                f"{self.path}: others can look into this folder, and keys are to lie there; chmod 700 it if it holds "
                "nothing else, or give --folder another"
            )
