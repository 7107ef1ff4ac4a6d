"""Signatures in minisign's format: Ed25519 over a file's BLAKE2b digest, and over that with a trusted comment.

Source: Frank Denis, minisign 0.11, "Signature format" and "Public key format"; RFC 8032 (Ed25519); RFC 7693 (BLAKE2b).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ffe_edge.engine.model_file import read_bytes
from ffe_edge.errors import ModelError

ED25519: Final = b"Ed"
"""Of a key; of a signature: over the file itself, which is not taken here."""
PREHASHED: Final = b"ED"
KEY_ID_BYTES: Final = 8
PUBLIC_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
UNTRUSTED: Final = "untrusted comment: "
TRUSTED: Final = "trusted comment: "
MAX_COMMENT_LETTERS: Final = 512
MAX_TEXT_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class PublicKey:
    """By whom a signature may be made."""

    key_id: bytes
    raw: bytes

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """The key in a ``.pub`` file, or its last line alone.

        Raises:
            ModelError: it is none.
        """
        lines = text.strip().splitlines() or [""]
        data = decoded(lines[-1], len(ED25519) + KEY_ID_BYTES + PUBLIC_BYTES)
        if data is None or not data.startswith(ED25519):
            raise ModelError("this is no public key of minisign; it begins with RW and has 56 letters")
        return cls(data[2:10], data[10:])

    @property
    def text(self) -> str:
        """As settings and the last line of a ``.pub`` file hold it."""
        return base64.b64encode(ED25519 + self.key_id + self.raw).decode("ascii")

    @property
    def name(self) -> str:
        """As minisign tells it: the id as a number of 16 hexadecimal digits."""
        return told_id(self.key_id)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a ``.minisig`` file says."""

    key_id: bytes
    raw: bytes
    trusted_comment: str
    overall: bytes
    """Over ``raw`` and the trusted comment."""

    @classmethod
    def from_text(cls, text: str) -> Signature:
        """The four lines of a ``.minisig`` file.

        Raises:
            ModelError: they are none, or of a kind that is not taken.
        """
        lines = text.strip().split("\n")
        if len(lines) != 4 or not lines[0].startswith(UNTRUSTED) or not lines[2].startswith(TRUSTED):
            raise ModelError("the signature is not one of minisign: four lines, as a .minisig file has them")
        first = decoded(lines[1], len(PREHASHED) + KEY_ID_BYTES + SIGNATURE_BYTES)
        overall = decoded(lines[3], SIGNATURE_BYTES)
        if first is None or overall is None:
            raise ModelError("the signature is damaged: copy the .minisig file again")
        if not first.startswith(PREHASHED):
            raise ModelError("the signature is of minisign's old kind (Ed); sign with minisign 0.11 and without -l")
        return cls(first[2:10], first[10:], lines[2].removeprefix(TRUSTED).rstrip("\r"), overall)

    def to_text(self, untrusted_comment: str) -> str:
        """As a ``.minisig`` file."""
        first = base64.b64encode(PREHASHED + self.key_id + self.raw).decode("ascii")
        overall = base64.b64encode(self.overall).decode("ascii")
        return f"{UNTRUSTED}{untrusted_comment}\n{first}\n{TRUSTED}{self.trusted_comment}\n{overall}\n"


def verify(data: bytes, signature: Signature, keys: Iterable[PublicKey]) -> PublicKey:
    """The key that signed these bytes.

    Raises:
        ModelError: none of the keys did, or the package that verifies is not installed.
    """
    known = {key.key_id: key for key in keys}
    key = known.get(signature.key_id)
    if key is None:
        raise ModelError(
            f"it is signed by key {told_id(signature.key_id)}, which model_updates.public_keys does not name"
        )
    comment = signature.trusted_comment.encode()
    for signed, raw in ((digest(data), signature.raw), (signature.raw + comment, signature.overall)):
        if not _is_by(key, signed, raw):
            raise ModelError(f"its signature by key {key.name} is wrong: it was changed after it was signed")
    return key


def digest(data: bytes) -> bytes:
    """What is signed of a file."""
    return hashlib.blake2b(data).digest()


def read_public_key(path: Path) -> PublicKey:
    """The key in a ``.pub`` file.

    Raises:
        ModelError: it cannot be read, or is none.
    """
    return PublicKey.from_text(read_bytes(path, MAX_TEXT_BYTES).decode("utf-8", errors="replace"))


def read_signature(path: Path) -> str:
    """The text of a ``.minisig`` file.

    Raises:
        ModelError: it cannot be read, or is none.
    """
    text = read_bytes(path, MAX_TEXT_BYTES).decode("utf-8", errors="replace")
    Signature.from_text(text)
    return text


def told_id(key_id: bytes) -> str:
    """A key's id as minisign tells it."""
    return f"{int.from_bytes(key_id, 'little'):016X}"


def decoded(line: str, length: int) -> bytes | None:
    """So many bytes in Base64; None where the line is anything else."""
    try:
        data = base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == length else None


def _is_by(key: PublicKey, signed: bytes, raw: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - only updates need it
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError as error:
        raise missing() from error
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(raw, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def missing() -> ModelError:
    """The error where cryptography is not installed."""
    return ModelError("cryptography is not installed, signed updates need it: pip install 'ffe-edge[updates]'")
