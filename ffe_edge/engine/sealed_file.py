"""Files that only this installation can have written: each with a sidecar that its secret seals.

An engine or a timing cache goes straight into NVIDIA's native code, and deserialising an engine can run code. So such a
file is read only where its sidecar's HMAC was made with a secret that never leaves this installation. The secret lies
in the state folder, not beside the engines: a bundle is copied about with its folder, and could bring its own secret.

Source: RFC 2104, HMAC: Keyed-Hashing for Message Authentication, 1997.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ffe_edge.atomic_file import sync_folder, temporary_beside
from ffe_edge.config import default_state_dir
from ffe_edge.errors import ModelError

MAX_BYTES: Final = 1 << 30
"""A larger file is no engine of ours."""
MAX_SIDECAR_BYTES: Final = 1 << 16
SECRET_BYTES: Final = 32
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What stands beside a file; only ``seal`` says whether it can be believed."""

    facts: Mapping[str, Any]
    sha256: str
    size_bytes: int
    seal: str

    def sealed(self, secret: bytes) -> bytes:
        """The HMAC that this sidecar has if this installation wrote it."""
        said = {"version": VERSION, "facts": self.facts, "sha256": self.sha256, "size_bytes": self.size_bytes}
        return hmac.digest(secret, json.dumps(said, sort_keys=True).encode(), "sha256")


def sidecar_path(path: Path) -> Path:
    """``network-1234.engine`` -> ``network-1234.engine.json``."""
    return path.with_name(f"{path.name}.json")


def write_sealed(path: Path, data: bytes, facts: Mapping[str, Any], state_dir: Path | None = None) -> Sidecar:
    """Write a file and its sidecar, both whole or not at all.

    Both lie on the disk before either takes its name: a disk that fills up leaves the old pair as it was, and a crash
    between the two renames leaves a pair that does not fit, which is refused.

    Raises:
        ModelError: the folder or the secret cannot be written.
    """
    secret = _secret(state_dir, create=True)
    unsealed = Sidecar(facts, hashlib.sha256(data).hexdigest(), len(data), "")
    sidecar = Sidecar(unsealed.facts, unsealed.sha256, unsealed.size_bytes, unsealed.sealed(secret).hex())
    text = json.dumps({"version": VERSION, **_fields(sidecar)}, sort_keys=True, indent=1)
    pairs = [(temporary_beside(target), target) for target in (path, sidecar_path(path))]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for (temporary, _), content in zip(pairs, (data, text.encode()), strict=True):
            _write(temporary, content)
        for temporary, target in pairs:
            temporary.replace(target)
        sync_folder(path.parent)
    except OSError as error:
        told = f"{path}: not written ({error.strerror}), what was there before is untouched"
        raise ModelError(f"{told}; make {2 * len(data) >> 20} MiB free in its folder and try again") from error
    finally:
        for temporary, _ in pairs:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    return sidecar


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar of a file, which may hold anything but is one in form.

    Raises:
        ModelError: it is missing or no sidecar.
    """
    where = sidecar_path(path)
    data = _read(where, MAX_SIDECAR_BYTES)
    try:
        return _sidecar(json.loads(data))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{where}: is no sidecar of an engine; delete it and build the engine again") from error


def _sidecar(values: Mapping[str, Any]) -> Sidecar:
    facts, texts = values["facts"], (values["sha256"], values["seal"])
    numbers = values["version"], values["size_bytes"]
    if numbers[0] != VERSION or {type(number) for number in numbers} != {int} or not all(map(_is_digest, texts)):
        raise ValueError("an entry is of the wrong type")
    if not all(isinstance(fact, (str, int, float, type(None))) for fact in facts.values()):
        raise ValueError("facts are texts and numbers")
    return Sidecar(facts, values["sha256"], values["size_bytes"], values["seal"])


def is_sealed_here(sidecar: Sidecar, state_dir: Path | None = None) -> bool:
    """Whether this installation wrote the sidecar.

    Raises:
        ModelError: the secret is there but cannot be used.
    """
    folder = state_dir or default_state_dir()
    if not (folder / "engine-secret").exists():
        return False
    return hmac.compare_digest(sidecar.sealed(_secret(folder, create=False)), bytes.fromhex(sidecar.seal))


def read_sealed(path: Path, sidecar: Sidecar, state_dir: Path | None = None) -> bytes:
    """The file's bytes, the very ones that were checked.

    Raises:
        ModelError: no regular file, built elsewhere, damaged.
    """
    if not is_sealed_here(sidecar, state_dir):
        raise ModelError(f"{path}: was not built by this installation and will not be loaded; build it here again")
    data = _read(path, MAX_BYTES)
    if len(data) != sidecar.size_bytes or hashlib.sha256(data).hexdigest() != sidecar.sha256:
        told = f"{len(data)} bytes" if len(data) != sidecar.size_bytes else "other bytes"
        raise ModelError(f"{path}: is damaged ({told} than were written); build it again")
    return data


def _fields(sidecar: Sidecar) -> dict[str, Any]:
    names = ("facts", "sha256", "size_bytes", "seal")
    return {name: getattr(sidecar, name) for name in names}


def _is_digest(text: object) -> bool:
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")


def _read(path: Path, limit: int) -> bytes:
    """A regular file, no link, no pipe that would hang, no larger than the limit."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); build the engine again") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ModelError(f"{path}: is no regular file; delete it and build the engine again")
        if found.st_size > limit:
            raise ModelError(f"{path}: is larger than {limit >> 10} KiB, no engine of this program is; delete it")
        return file.read(limit + 1)


def _write(path: Path, data: bytes, mode: int = 0o644) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _secret(state_dir: Path | None, *, create: bool) -> bytes:
    """This installation's secret, made at the first use: 32 random bytes that only its user reads."""
    path = (state_dir or default_state_dir()) / "engine-secret"
    try:
        if create and not path.exists():
            _create_secret(path)
        found = path.lstat()
    except OSError as error:
        raise ModelError(f"{path}: cannot be used ({error.strerror}); its folder must be this user's") from error
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ModelError(f"{path}: others can read or change it; delete it and build the engines again")
    secret = _read(path, SECRET_BYTES)
    if len(secret) != SECRET_BYTES:
        raise ModelError(f"{path}: is no secret of {SECRET_BYTES} bytes; delete it and build the engines again")
    return secret


def _create_secret(path: Path) -> None:
    """Two programs that start at once end up with the same one: the first link wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = temporary_beside(path)
    _write(temporary, secrets.token_bytes(SECRET_BYTES), 0o600)
    try:
        with suppress(FileExistsError):
            os.link(temporary, path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
