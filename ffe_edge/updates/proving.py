"""A release comes down, and is proven before anything else touches it: digests, signatures, spec, golden outputs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ffe_edge.atomic_file import sync_folder
from ffe_edge.engine.bundle import BUNDLE_FILE, Bundle, described_bundle
from ffe_edge.engine.model import Model, load_model
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.errors import ModelError, PinError, StoreError
from ffe_edge.fetch_file import Pin, Way, bring
from ffe_edge.spec import ModelSpec
from ffe_edge.updates.manifest import Manifest
from ffe_edge.updates.minisign import PublicKey, Signature, verify


@dataclass(frozen=True, slots=True)
class Served:
    """What a new model must have in common with the one that serves, so that lines and consumers go on."""

    labels: tuple[str, ...]
    size_px: int

    @classmethod
    def of(cls, spec: ModelSpec) -> Served:
        """That of a model."""
        return cls(spec.labels, spec.size_px)

    def check(self, spec: ModelSpec) -> None:
        """Refuse a model that could not take over between two frames.

        Raises:
            ModelError: it has other labels, or takes other crops.
        """
        if spec.labels != self.labels:
            raise ModelError(
                f"{spec.name}: has the labels {', '.join(spec.labels)[:120]}, not those of the model that serves;"
                " settings and consumers know those: install it by hand, with model.path"
            )
        if spec.size_px != self.size_px:
            raise ModelError(
                f"{spec.name}: takes crops of {spec.size_px} px, not of {self.size_px}; install it by hand"
            )


def bring_down(manifest: Manifest, staging: Path, keys: Sequence[PublicKey], way: Way) -> None:
    """Get all files of a release, going on where an earlier try was cut.

    Raises:
        PinError: the server has other files than those that were signed.
        ModelError: they cannot be had now; another try may go better.
    """
    target = staging / manifest.file
    bring(manifest.url, target, Pin(manifest.sha256, manifest.bytes), way)
    try:
        check_signature(target, manifest, keys)
        bundle = _bundle(staging, manifest) if manifest.is_bundle else None
    except ModelError as error:
        raise PinError(str(error)) from error
    if bundle is None:
        return
    for path in bundle.used:
        record = bundle.files[path.name]
        bring(manifest.url_of(path.name), path, Pin(record.sha256, record.bytes), way)


def check_signature(path: Path, manifest: Manifest, keys: Sequence[PublicKey]) -> None:
    """Hold the pinned file against the signature that was made over it.

    Raises:
        ModelError: it is not what was signed.
    """
    file = ModelFile.read(path)
    if file.sha256 != manifest.sha256:
        raise PinError(f"{path}: has SHA-256 {file.sha256}, not {manifest.sha256}")
    verify(file.data, Signature.from_text(manifest.signature), keys)


def prove(folder: Path, manifest: Manifest, served: Served, keys: Sequence[PublicKey], threads: int = 1) -> Model:
    """Hold every file against its digest, open the model, and have it answer its golden inputs on this machine.

    Args:
        folder: where the release lies.
        manifest: of the release.
        served: what it must have in common with the model that serves.
        keys: whose signatures count.
        threads: of the runtime.

    Raises:
        ModelError: any of it is wrong.
    """
    check_signature(folder / manifest.file, manifest, keys)
    if manifest.is_bundle:
        bundle = _bundle(folder, manifest)
        for path in bundle.used:
            bundle.read(path)
    model = load_model(folder if manifest.is_bundle else folder / manifest.file, threads, backend="onnxruntime")
    if not manifest.is_bundle and model.spec.name != manifest.name:
        raise ModelError(f"the file holds the model {model.spec.name}, not {manifest.name}, as the manifest says")
    served.check(model.spec)
    return model


def move(staging: Path, home: Path) -> None:
    """Give a proven release its place; what lay there is gone.

    Raises:
        StoreError: it cannot be moved.
    """
    try:
        home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(home, ignore_errors=True)
        staging.rename(home)
        sync_folder(home.parent)
    except OSError as error:
        raise StoreError(f"{home}: cannot be written ({error.strerror}); free some space") from error


def _bundle(folder: Path, manifest: Manifest) -> Bundle:
    bundle = described_bundle(folder)
    if bundle.name != manifest.name:
        raise ModelError(f"{BUNDLE_FILE} holds the model {bundle.name}, not {manifest.name}, as the manifest says")
    if bundle.size() != manifest.all_bytes:
        raise ModelError(f"{BUNDLE_FILE} names {bundle.size()} bytes, the manifest {manifest.all_bytes}; sign it anew")
    return bundle
