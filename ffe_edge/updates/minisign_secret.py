"""Secret keys in minisign's format: made, kept under a password, signed with. Never on the device.

Source: Frank Denis, minisign 0.11, "Secret key format"; libsodium, crypto_pwhash_scryptsalsa208sha256 (how its two
limits become scrypt's N, r and p); RFC 7914 (scrypt).
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ffe_edge.atomic_file import write_new
from ffe_edge.errors import ModelError
from ffe_edge.updates.minisign import (
    ED25519,
    KEY_ID_BYTES,
    MAX_COMMENT_LETTERS,
    MAX_TEXT_BYTES,
    UNTRUSTED,
    PublicKey,
    Signature,
    decoded,
    digest,
    missing,
)

SCRYPT: Final = b"Sc"
NO_KDF: Final = b"\0\0"
BLAKE2: Final = b"B2"
SALT_BYTES: Final = 32
SECRET_BYTES: Final = 64
"""Ed25519's seed, then its public key."""
CHECK_BYTES: Final = 32
HEAD_BYTES: Final = 6 + SALT_BYTES + 8 + 8
BODY_BYTES: Final = KEY_ID_BYTES + SECRET_BYTES + CHECK_BYTES
OPERATIONS: Final = 2**22
MEMORY_BYTES: Final = 2**27
"""Limits of the keys that are made here: N = 2^17, r = 8, p = 1."""
MAX_MEMORY_BYTES: Final = 2**30
"""minisign's own limit."""
SCRYPT_BYTES: Final = MAX_MEMORY_BYTES + 2**26
"""What OpenSSL may take of it all."""
OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class SecretKey:
    """What signs."""

    public: PublicKey
    seed: bytes = field(repr=False)

    @classmethod
    def new(cls) -> SecretKey:
        """A key of chance."""
        return _from_seed(secrets.token_bytes(KEY_ID_BYTES), secrets.token_bytes(32))

    def sign(self, data: bytes, trusted_comment: str) -> Signature:
        """A signature of a file's bytes.

        Raises:
            ModelError: the comment is no single line, or the package that signs is not installed.
        """
        if not trusted_comment.replace("\t", "").isprintable() or len(trusted_comment) > MAX_COMMENT_LETTERS:
            raise ModelError(f"a trusted comment is one line of at most {MAX_COMMENT_LETTERS} letters")
        raw = self._signed(digest(data))
        return Signature(self.public.key_id, raw, trusted_comment, self._signed(raw + trusted_comment.encode()))

    def _signed(self, data: bytes) -> bytes:
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
        except ImportError as error:
            raise missing() from error
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(data)


def comment_of(file: str) -> str:
    """The trusted comment that minisign itself writes."""
    return f"timestamp:{int(time.time())}\tfile:{file}\thashed"


def write_key(path: Path, key: SecretKey, password: str | None) -> Path:
    """Write a secret key that only its user reads, and beside it the public one; returns that one's path.

    Args:
        path: of the secret key; ``release.key`` gives ``release.pub``.
        key: to be written.
        password: under which it lies; None: under none.

    Raises:
        ModelError: one of them is there already, or cannot be written.
    """
    public = path.with_suffix(".pub")
    comment = f"{UNTRUSTED}minisign public key {key.public.name}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new(path, f"{UNTRUSTED}minisign secret key of ffe-edge\n{_sealed(key, password)}\n".encode())
        with public.open("x", encoding="utf-8") as file:
            file.write(f"{comment}{key.public.text}\n")
    except FileExistsError as error:
        raise ModelError(f"{error.filename}: is there already and is kept; give another name") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error.strerror}); give a folder that is yours") from error
    return public


def read_key(path: Path) -> bytes:
    """The bytes of a secret key's file, still under its password.

    Raises:
        ModelError: it cannot be read, others can read it, or it is none.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); `ffe-edge models keygen` makes a key") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_mode & OTHERS:
            raise ModelError(f"{path}: others can read this key; chmod 600 it, or make a new one")
        lines = file.read(MAX_TEXT_BYTES).decode("ascii", errors="replace").strip().splitlines()
    data = decoded(lines[-1], HEAD_BYTES + BODY_BYTES) if lines else None
    if data is None or data[:2] != ED25519 or data[2:4] not in (SCRYPT, NO_KDF) or data[4:6] != BLAKE2:
        raise ModelError(f"{path}: is no secret key of minisign; give the file that `ffe-edge models keygen` wrote")
    return data


def needs_password(data: bytes) -> bool:
    """Whether a key lies under a password."""
    return data[2:4] == SCRYPT


def unlocked(data: bytes, password: str | None) -> SecretKey:
    """The key.

    Args:
        data: of ``read_key``.
        password: of the key, where it has one.

    Raises:
        ModelError: the password is wrong, or the file is damaged.
    """
    salt, limits, body = data[6 : 6 + SALT_BYTES], data[6 + SALT_BYTES : HEAD_BYTES], data[HEAD_BYTES:]
    if needs_password(data):
        numbers = int.from_bytes(limits[:8], "little"), int.from_bytes(limits[8:], "little")
        body = _mixed(body, _stream(password or "", salt, *numbers))
    key_id, secret, check = body[:8], body[8:-CHECK_BYTES], body[-CHECK_BYTES:]
    key = _from_seed(key_id, secret[:32])
    wanted = _check(key_id, secret) if needs_password(data) else bytes(CHECK_BYTES)
    if not secrets.compare_digest(wanted, check) or key.public.raw != secret[32:]:
        raise ModelError("the password is wrong, or the key's file is damaged")
    return key


def _sealed(key: SecretKey, password: str | None) -> str:
    secret = key.seed + key.public.raw
    if password is None:  # minisign leaves the digest empty here
        salt, kdf, limits = bytes(SALT_BYTES), NO_KDF, (0, 0)
        body = key.public.key_id + secret + bytes(CHECK_BYTES)
    else:
        salt, kdf, limits = secrets.token_bytes(SALT_BYTES), SCRYPT, (OPERATIONS, MEMORY_BYTES)
        plain = key.public.key_id + secret + _check(key.public.key_id, secret)
        body = _mixed(plain, _stream(password, salt, *limits))
    numbers = b"".join(limit.to_bytes(8, "little") for limit in limits)
    return base64.b64encode(ED25519 + kdf + BLAKE2 + salt + numbers + body).decode("ascii")


def _stream(password: str, salt: bytes, operations: int, memory_bytes: int) -> bytes:
    """What a key is mixed with."""
    n, r, p = _scrypt_costs(operations, memory_bytes)
    if 128 * r * n > MAX_MEMORY_BYTES:
        raise ModelError("the key asks for more than 1 GiB of memory; it is damaged")
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=SCRYPT_BYTES, dklen=BODY_BYTES)


def _scrypt_costs(operations: int, memory_bytes: int) -> tuple[int, int, int]:
    """What libsodium's limits are as scrypt's N, r and p."""
    operations, r = max(operations, 32768), 8
    if operations < memory_bytes // 32:
        n, p = _power_of_two(operations // (4 * r)), 1
    else:
        n = _power_of_two(memory_bytes // (128 * r))
        p = max(1, min(operations // 4 // n, 0x3FFFFFFF) // r)
    return n, r, p


def _power_of_two(most: int) -> int:
    """The smallest power of two above half of a number, 2 at least."""
    n = 2
    while n <= most // 2 and n < 2**40:
        n *= 2
    return n


def _mixed(body: bytes, stream: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(body, stream, strict=True))


def _check(key_id: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(ED25519 + key_id + secret, digest_size=CHECK_BYTES).digest()


def _from_seed(key_id: bytes, seed: bytes) -> SecretKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    except ImportError as error:
        raise missing() from error
    raw = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return SecretKey(PublicKey(key_id, raw), seed)
