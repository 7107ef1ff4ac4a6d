"""The folder that `ffe-edge export` writes: one model for every runtime, with what proves it.

Nothing in ``bundle.json`` is trusted: names are plain names of files beside it, and what is read must have the digest
that stands there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ffe_edge.engine.model_file import MAX_BYTES, ModelFile, read_bytes
from ffe_edge.errors import ModelError

BUNDLE_FILE: Final = "bundle.json"
ENGINES: Final = "engines"
"""The folder of a bundle, or of the state, where engines of this machine lie."""
BUNDLE_VERSION: Final = 1
MAX_JSON_BYTES: Final = 2**20

PlainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FileRecord(BaseModel):
    """What a file of the bundle must be."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: Sha256
    bytes: Annotated[int, Field(ge=1, le=MAX_BYTES)]


class _Versioned(BaseModel):
    """All that is asked of a ``bundle.json`` of whatever version."""

    version: int


class _Document(BaseModel):
    """``bundle.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: int
    name: Annotated[str, Field(min_length=1, max_length=200)]
    precision: Literal["fp32", "fp16", "int8"]
    cpu: PlainName
    engine: PlainName | None = None
    reference: PlainName
    openvino: PlainName | None = None
    golden: PlainName | None = None
    files: Annotated[dict[PlainName, FileRecord], Field(max_length=100)]
    made: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check_names(self) -> _Document:
        for name in (self.cpu, self.engine, self.reference, self.openvino, self.golden):
            if name is not None and name not in self.files:
                raise ValueError(f"{name} is not among its files")
        return self


@dataclass(frozen=True, slots=True)
class Bundle:
    """An exported model in all its forms."""

    folder: Path
    name: str
    precision: str
    """What passed the gates."""
    cpu: Path
    """The crops graph that a CPU runtime loads."""
    engine: Path | None
    """The bare network that engines are built of."""
    reference: Path
    """The crops graph in FP32."""
    openvino: Path | None
    """The crops graph for OpenVINO, where that wants another than ``cpu``."""
    golden: Path | None
    files: Mapping[str, FileRecord]
    made: Mapping[str, Any]

    @property
    def used(self) -> tuple[Path, ...]:
        """The files that something loads, each once; what else it names is for reading."""
        named = (self.cpu, self.engine, self.reference, self.openvino, self.golden)
        return tuple(dict.fromkeys(path for path in named if path is not None))

    def size(self) -> int:
        """Bytes of ``bundle.json`` and the used files together.

        Raises:
            OSError: there is no ``bundle.json`` any more.
        """
        return (self.folder / BUNDLE_FILE).stat().st_size + sum(self.files[path.name].bytes for path in self.used)

    def sha256(self, path: Path) -> str:
        """The digest that a file of this bundle must have."""
        return self.files[path.name].sha256

    def read(self, path: Path) -> ModelFile:
        """A file of this bundle, its digest checked.

        Raises:
            ModelError: it cannot be read, or is another one.
        """
        data = read_bytes(path, MAX_BYTES)
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256(path):
            raise ModelError(f"{path}: is not the file that {BUNDLE_FILE} names (its SHA-256 differs); export it again")
        return ModelFile(path, data, found)


def is_bundle(path: Path) -> bool:
    """Whether a model's path means a bundle: a folder, or the bundle.json in it."""
    return path.name == BUNDLE_FILE or path.is_dir()


def read_bundle(path: Path) -> Bundle:
    """The bundle in a folder. Its files must be there; their digests are checked when they are read.

    Args:
        path: the folder, or its ``bundle.json``.

    Raises:
        ModelError: there is none, it is damaged or of another version, or lacks a file.
    """
    bundle = described_bundle(path)
    for used in (bundle.cpu, bundle.engine, bundle.openvino, bundle.golden):
        if used is not None and not used.is_file():
            raise ModelError(f"{used}: is not there, though {BUNDLE_FILE} names it; export or copy the bundle again")
    return bundle


def described_bundle(path: Path) -> Bundle:
    """What a ``bundle.json`` says; whether its files are there is not looked at.

    Args:
        path: the folder, or its ``bundle.json``.

    Raises:
        ModelError: there is none, or it is damaged or of another version.
    """
    folder = path.parent if path.name == BUNDLE_FILE else path
    document = _read_document(folder / BUNDLE_FILE)
    return Bundle(
        folder=folder,
        name=document.name,
        precision=document.precision,
        cpu=folder / document.cpu,
        engine=folder / document.engine if document.engine else None,
        reference=folder / document.reference,
        openvino=folder / document.openvino if document.openvino else None,
        golden=folder / document.golden if document.golden else None,
        files=document.files,
        made=document.made,
    )


def _read_document(path: Path) -> _Document:
    if path.parent.is_dir() and not path.is_file():
        raise ModelError(
            f"{path.parent}: cannot be read as a model, it has no {BUNDLE_FILE}; `ffe-edge export` makes one"
        )
    data = read_bytes(path, MAX_JSON_BYTES)
    try:
        version = _Versioned.model_validate_json(data).version
        if version != BUNDLE_VERSION:
            raise ModelError(f"{path}: has version {version}, this program reads {BUNDLE_VERSION}; export it again")
        return _Document.model_validate_json(data)
    except ValidationError as error:
        raise ModelError(f"{path}: is no bundle ({_reason(error)}); export it again") from error


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:80]
    return f"{where}: {first['msg']}"[:160] if where else first["msg"][:160]
