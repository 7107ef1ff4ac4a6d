"""The residents on disk: one file, encrypted and sealed by AES-256-GCM, replaced whole.

Source: NIST SP 800-38D (GCM; 96-bit random nonces, far fewer writes than its bound of 2^32).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from ffe_edge.atomic_file import write_atomically
from ffe_edge.errors import StoreError
from ffe_edge.file_lock import took_within
from ffe_edge.residents import MAX_RESIDENTS, Resident

MAGIC: Final = b"ffe-edge residents 1\n"
NONCE_BYTES: Final = 12
MAX_BYTES: Final = 64 * 2**20
LOCK_SECONDS: Final = 5.0
STORE_FILE: Final = "residents.ffe"

Residents = tuple[Resident, ...]
_ADAPTER: Final = TypeAdapter(Residents)


class ResidentStore:
    """Reads and changes the file; daemon and command line may do so at the same time."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._cipher = _cipher(key)

    def load(self) -> Residents:
        """Everybody enrolled; nobody where there is no file.

        Raises:
            StoreError: the file cannot be read, is damaged, or was sealed with another key.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be read ({error.strerror})") from error
        return self._opened(data)

    def change(self, edit: Callable[[Residents], Residents]) -> Residents:
        """Replace what is there by what ``edit`` makes of it, with nobody else changing it meanwhile.

        Raises:
            StoreError: the file cannot be read or written, or there would be too many residents.
        """
        with self._locked():
            residents = edit(self.load())
            if len(residents) > MAX_RESIDENTS:
                raise StoreError(f"{self._path}: holds {MAX_RESIDENTS} residents at most; forget some first")
            write_atomically(self._path, self._sealed(residents))
        return residents

    def stamp(self) -> tuple[int, int]:
        """Differs from the last one when somebody has changed the file."""
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)

    def _sealed(self, residents: Residents) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return MAGIC + nonce + bytes(self._cipher.encrypt(nonce, _ADAPTER.dump_json(residents), MAGIC))

    def _opened(self, data: bytes) -> Residents:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        body = data[len(MAGIC) :]
        if not data.startswith(MAGIC) or len(data) > MAX_BYTES or len(body) < NONCE_BYTES:
            raise StoreError(f"{self._path}: is no residents' store of this program; move it away and enrol again")
        try:
            plain = self._cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], MAGIC)
            return _ADAPTER.validate_json(plain)
        except InvalidTag:
            reason = "is damaged or sealed with another key; give back the right key, or move it away and enrol again"
        except ValidationError:
            reason = "was written by another version; move it away and enrol again"
        raise StoreError(f"{self._path}: {reason}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self._path.with_name(f"{self._path.name}.lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreError(f"{lock}: cannot be used ({error.strerror}); its folder must be this user's") from error
        try:
            if not took_within(descriptor, LOCK_SECONDS, 0.02):
                raise StoreError(f"{self._path}: another program holds it; try again")
            yield
        finally:
            os.close(descriptor)


def _cipher(key: bytes) -> Any:
    """AES-GCM; the package is only needed where residents are."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    except ImportError as error:
        raise StoreError(
            "cryptography is not installed, residents need it: pip install 'ffe-edge[residents]'"
        ) from error
    return AESGCM(key)
