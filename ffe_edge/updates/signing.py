"""Making a release: the model is looked over, then its file and the manifest are signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from ffe_edge.engine.bundle import BUNDLE_FILE, is_bundle, read_bundle
from ffe_edge.engine.model import load_model
from ffe_edge.engine.model_file import digest_of, read_bytes
from ffe_edge.errors import ModelError
from ffe_edge.updates.manifest import Manifest, as_text
from ffe_edge.updates.minisign import read_signature
from ffe_edge.updates.minisign_secret import SecretKey, comment_of

SIGNATURE: Final = ".minisig"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a release says beside what its files say."""

    url: str
    """Of the model's file or of ``bundle.json``; of its folder, with a slash at the end."""
    counter: int
    not_after: datetime
    site: str | None = None
    node: str | None = None


def make_release(model: Path, terms: Terms, output: Path, key: SecretKey | None) -> Manifest:
    """Write the manifest of a model, and its signature where there is a key for it.

    Args:
        model: an exported ONNX, or the folder of a bundle.
        terms: of the release.
        output: the manifest to be; its signature lies beside it.
        key: signs file and manifest; None: the file's ``.minisig`` is there already, and the manifest is signed later.

    Raises:
        ModelError: the model cannot be loaded or fails its golden check, the terms are out of range, or nothing can be
            written.
    """
    spec = load_model(model, backend="onnxruntime").spec
    pinned, name, all_bytes = model, spec.name, 0
    if is_bundle(model):
        bundle = read_bundle(model)
        for path in bundle.used:
            bundle.read(path)
        pinned, name, all_bytes = bundle.folder / BUNDLE_FILE, bundle.name, bundle.size()
    size = pinned.stat().st_size
    values = {
        "name": name, "counter": terms.counter, "bytes": size, "all_bytes": all_bytes or size,
        "url": f"{terms.url}{pinned.name}" if terms.url.endswith("/") else terms.url, "sha256": digest_of(pinned),
        "signature": _signature_of(pinned, key), "not_after": terms.not_after, "site": terms.site, "node": terms.node,
    }  # fmt: skip
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "release"
        raise ModelError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
    if manifest.file != pinned.name:
        raise ModelError(f"{terms.url}: must end with {pinned.name}, or with a slash: so the file is called")
    write_text(output, as_text(manifest))
    if key is not None:
        sign_file(output, key)
    return manifest


def sign_file(path: Path, key: SecretKey) -> Path:
    """Write the signature of a file beside it; returns its path.

    Raises:
        ModelError: the file cannot be read, or the signature not written.
    """
    signature = key.sign(read_bytes(path), comment_of(path.name))
    target = signature_path(path)
    write_text(target, signature.to_text(f"signature by key {key.public.name}"))
    return target


def signature_path(path: Path) -> Path:
    """``release.json`` -> ``release.json.minisig``."""
    return path.with_name(f"{path.name}{SIGNATURE}")


def write_text(path: Path, text: str) -> None:
    """Write a small file that everybody may read.

    Raises:
        ModelError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error.strerror}); give a folder that is yours") from error


def _signature_of(pinned: Path, key: SecretKey | None) -> str:
    if key is not None:
        sign_file(pinned, key)
    elif not signature_path(pinned).is_file():
        raise ModelError(f"{pinned}: is not signed; give --key, or sign it first: minisign -S -m {pinned}")
    return read_signature(signature_path(pinned))
