"""Files that are fetched once, each held to its pinned SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ffe_edge.errors import ModelError
from ffe_edge.faces import YUNET_FILE, models_dir

MAX_BYTES: Final = 64 * 2**20
TIMEOUT_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Download:
    """A file somewhere else, and how it is known."""

    name: str
    url: str
    sha256: str
    licence: str


YUNET: Final = Download(
    YUNET_FILE,
    "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/0047ac2/onnx/" + YUNET_FILE,
    "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31",
    "Apache-2.0",
)


def fetch(download: Download, source: str | None = None) -> Path:
    """Get a file, check it, and put it where it is looked for.

    Args:
        download: what to get.
        source: a path or another URL instead of the upstream one; the SHA-256 is the same.

    Raises:
        ModelError: it cannot be had, or it is another file than the pinned one.
    """
    where = source or download.url
    data = _read(where)
    digest = hashlib.sha256(data).hexdigest()
    if digest != download.sha256:
        raise ModelError(f"{where}: has SHA-256 {digest}, not the pinned {download.sha256}; nothing was stored")
    return _store(models_dir() / download.name, data)


def _read(where: str) -> bytes:
    try:
        if urlsplit(where).scheme in ("http", "https"):
            with urllib.request.urlopen(where, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - scheme checked
                return bytes(answer.read(MAX_BYTES))
        return Path(where).read_bytes()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ModelError(
            f"{where}: cannot be fetched ({reason}); copy {YUNET_FILE} here by hand and give it with --from PATH"
        ) from error


def _store(path: Path, data: bytes) -> Path:
    temporary = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be written ({error.strerror}); set FFE_MODELS to a folder of yours"
        ) from error
    return path
