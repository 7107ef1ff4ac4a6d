"""Writes a bundle: everything beside its place first, then renamed into it, ``bundle.json`` last."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ffe_edge.atomic_file import sync_folder
from ffe_edge.engine.bundle import BUNDLE_FILE, BUNDLE_VERSION, read_bundle
from ffe_edge.errors import ModelError

STAGING: Final = ".new"
"""Folder inside the bundle where files wait until all are there."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Which of the files are used."""

    name: str
    precision: str
    """The smallest that passed the gates."""
    cpu: str
    """The crops graph for the CPU's runtimes."""
    engine: str
    """The bare network that engines are built of."""
    reference: str
    golden: str
    openvino: str | None = None
    """The crops graph for OpenVINO where it is another than ``cpu``."""


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """An empty folder for the new files; gone afterwards, whatever happens.

    Raises:
        ModelError: the disk is full or the folder cannot be written; what was there is untouched.
    """
    staging = folder / STAGING
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        yield staging
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot be written ({error.strerror or error}); what was there is untouched"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_file(path: Path, data: bytes) -> Path:
    """Write bytes and bring them to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return path


def put_in_place(staging: Path, serving: Serving, made: Mapping[str, Any]) -> Path:
    """Move what was staged into the bundle, take away files of an older export, and write ``bundle.json``.

    Returns:
        The bundle's folder.
    """
    folder = staging.parent
    names = sorted(path.name for path in staging.iterdir())
    for path in (folder / name for name in (*names, BUNDLE_FILE)):
        if path.is_dir():  # before any file is moved
            raise IsADirectoryError(errno.EISDIR, f"{path.name} is a folder")
    outdated = _named(folder) - {*names, BUNDLE_FILE}
    document = {
        "version": BUNDLE_VERSION,
        "name": serving.name,
        "precision": serving.precision,
        "cpu": serving.cpu,
        "engine": serving.engine,
        "reference": serving.reference,
        "openvino": serving.openvino,
        "golden": serving.golden,
        "files": {name: _record(staging / name) for name in names},
        "made": dict(made),
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_file(staging / BUNDLE_FILE, text.encode())
    for name in names:
        (staging / name).replace(folder / name)
    (staging / BUNDLE_FILE).replace(folder / BUNDLE_FILE)
    for name in outdated:
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)
    return folder


def _named(folder: Path) -> set[str]:
    """Files of the bundle that was there before; whatever else lies in the folder is somebody's own."""
    try:
        return set(read_bundle(folder).files)
    except ModelError:
        return set()


def _record(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
