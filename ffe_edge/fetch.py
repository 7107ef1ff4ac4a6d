"""Models of the catalogue are fetched: from their release, from a stick, from a server of one's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ffe_edge.atomic_file import sync_folder
from ffe_edge.catalogue import Entry
from ffe_edge.engine.bundle import BUNDLE_FILE, Bundle, described_bundle
from ffe_edge.engine.model import load_model
from ffe_edge.errors import ModelError
from ffe_edge.fetch_file import OnBytes, Pin, Way, bring
from ffe_edge.fetch_source import is_address

GUIDE: Final = "docs/models.md"
SHA256: Final = re.compile(r"[0-9a-f]{64}")


def fetch(
    entry: Entry,
    source: str | None = None,
    *,
    sha256: str | None = None,
    ca_file: Path | None = None,
    on_bytes: OnBytes = lambda _more: None,
) -> Path:
    """Get a model, check it, and put it where it is looked for.

    Args:
        entry: of the catalogue.
        source: instead of its release: a file, a bundle's folder, or the https:// address of either.
        sha256: of the model's file or its ``bundle.json``, where nothing has been released that pins it.
        ca_file: certificates (PEM) that are trusted instead of the system's.
        on_bytes: told of the progress.

    Returns:
        The file or the bundle's folder; what comes with the program is there already.

    Raises:
        ModelError: it has no release and no source is given, cannot be had or written, or is another file.
    """
    way = Way(ca_file, on_bytes)
    if entry.shipped:
        return entry.path
    pin = _pin(entry, source, sha256)
    if entry.file is not None:
        return bring(_where(entry, entry.file, source), entry.path, pin, way)
    return _bring_bundle(entry, source, pin, way)


def _pin(entry: Entry, source: str | None, sha256: str | None) -> Pin:
    if entry.release is not None:
        if sha256 is not None and sha256 != entry.release.sha256:
            raise ModelError(f"{entry.name}: its SHA-256 is pinned, {entry.release.sha256}; take --sha256 away")
        return Pin(entry.release.sha256, entry.release.bytes)
    if source is None:
        raise ModelError(f"{entry.name}: no file of it has been released; {how_to_make(entry)}")
    if sha256 is None or not SHA256.fullmatch(sha256):
        raise ModelError(
            f"{entry.name}: no release pins it, so --from needs --sha256 with 64 hexadecimal digits, which"
            " `ffe-edge models pack FOLDER` prints where it was made"
        )
    return Pin(sha256)


def how_to_make(entry: Entry) -> str:
    """What to do instead of fetching a model that has not been released."""
    made = f"its recipe is {' and '.join(entry.recipes)} ({GUIDE} says how to make it); " if entry.recipes else ""
    return f"{made}one that is made already comes with --from FOLDER --sha256 DIGEST"


def _where(entry: Entry, file: str, source: str | None) -> str:
    """The file's place: in the release, or at the source, which is a folder if the model is a bundle."""
    if source is None:
        return entry.release.url(file) if entry.release else ""
    if is_address(source):
        return f"{source.rstrip('/')}/{file}" if entry.file is None or source.endswith("/") else source
    return str(Path(source) / file) if entry.file is None or Path(source).is_dir() else source


def _bring_bundle(entry: Entry, source: str | None, pin: Pin, way: Way) -> Path:
    """Beside its place, looked at there, then put into it; where it lies already only what is missing or damaged."""
    if pin.is_of(entry.path / BUNDLE_FILE):
        _bring_files(entry, source, described_bundle(entry.path), way)
        load_model(entry.path, backend="onnxruntime")
        return entry.path
    staging = entry.path.with_name(f".{entry.name}.new")
    bring(_where(entry, BUNDLE_FILE, source), staging / BUNDLE_FILE, pin, way)
    with _gone_if_refused(staging):
        bundle = described_bundle(staging)
        if bundle.name != entry.name:
            raise ModelError(f"{source}: holds {bundle.name}, not {entry.name}; nothing was changed")
    _bring_files(entry, source, bundle, way)
    with _gone_if_refused(staging):
        load_model(staging, backend="onnxruntime")
    return _put(staging, entry.path, {BUNDLE_FILE, *(path.name for path in bundle.used)})


@contextmanager
def _gone_if_refused(folder: Path) -> Iterator[None]:
    try:
        yield
    except ModelError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _bring_files(entry: Entry, source: str | None, bundle: Bundle, way: Way) -> None:
    for path in bundle.used:
        record = bundle.files[path.name]
        bring(_where(entry, path.name, source), path, Pin(record.sha256, record.bytes), way)


def _put(staging: Path, folder: Path, names: set[str]) -> Path:
    """Let the new folder be in the old one's place; if that fails the old one is back."""
    old = folder.with_name(f".{folder.name}.old")
    try:
        for path in staging.iterdir():
            if path.name not in names:
                path.unlink()
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        try:
            staging.rename(folder)
        except OSError:
            old.rename(folder)
            raise
        sync_folder(folder.parent)
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot be written ({error.strerror}); set FFE_MODELS to a folder of yours"
        ) from error
    shutil.rmtree(old, ignore_errors=True)
    return folder
