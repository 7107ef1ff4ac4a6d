"""What is told of a model update: the wish on the topic, the manifest that is signed in it, the state that is answered.

The manifest travels as text: what was signed are the very bytes that are read, so nothing has to be written anew in one
canonical way before a signature can be checked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from ffe_edge.config_section import Id
from ffe_edge.engine.bundle import BUNDLE_FILE
from ffe_edge.engine.model_file import MAX_BYTES, read_bytes
from ffe_edge.errors import ModelError
from ffe_edge.messages import Label, Payload, Text, Time
from ffe_edge.updates.minisign import PublicKey, Signature, verify

VERSION: Final = 1
MAX_DESIRED_BYTES: Final = 8192
MAX_ALL_BYTES: Final = 2 * 2**30
MAX_COUNTER: Final = 2**53 - 1
"""The largest that every reader of JSON keeps exactly."""
FILE: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"

Phase = Literal["idle", "downloading", "verifying", "building", "probation", "active", "rolled-back", "refused"]
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Counter = Annotated[int, Field(ge=1, le=MAX_COUNTER)]
Url = Annotated[str, Field(max_length=1024, pattern=rf"^https?://[^\s@/?#]+(/[^\s@?#]*)?/{FILE}$")]


class Manifest(Payload):
    """A release of a model: what is signed."""

    version: Literal[1] = VERSION
    name: Label
    """Of the model: of its bundle, or of the spec in its file."""
    counter: Counter
    """Rises with every release of a home; a node takes none that is lower than one it has seen."""
    url: Url
    """Of the model's file, or of the ``bundle.json`` beside whose other files lie."""
    bytes: Annotated[int, Field(ge=1, le=MAX_BYTES)]
    """Of that file."""
    sha256: Sha256
    """Of the same."""
    all_bytes: Annotated[int, Field(ge=1, le=MAX_ALL_BYTES)]
    """Of everything that is fetched."""
    signature: Annotated[str, Field(max_length=1024)]
    """The text of the file's ``.minisig``."""
    not_after: Time
    """Later no node begins it any more."""
    site: Id | None = None
    """For which home; None: any."""
    node: Id | None = None
    """For which node of it; None: any."""

    @model_validator(mode="after")
    def _check_sizes(self) -> Manifest:
        if self.all_bytes < self.bytes or (not self.is_bundle and self.all_bytes != self.bytes):
            raise ValueError("all_bytes is the size of everything: no less than bytes, and the same for a single file")
        return self

    @property
    def file(self) -> str:
        """Name of the file, as it stands in the address."""
        return self.url.rpartition("/")[2]

    @property
    def is_bundle(self) -> bool:
        """Whether other files belong to it."""
        return self.file == BUNDLE_FILE

    def url_of(self, file: str) -> str:
        """Where one of its files is."""
        return f"{self.url.rpartition('/')[0]}/{file}"


class Desired(Payload):
    """The model that a node is to run: published retained, for one node or for all of a site."""

    version: Literal[1] = VERSION
    manifest: Annotated[str, Field(max_length=4096)]
    """JSON text of the manifest, byte for byte as it was signed."""
    signature: Annotated[str, Field(max_length=1024)]
    """The text of the manifest's ``.minisig``."""


class Release(Payload):
    """A model that has been told of, and where it stands."""

    name: Text
    counter: Counter
    sha256: Sha256
    """Of the file that the manifest pins."""


class ModelState(Payload):
    """How far a node is with its desired model, and which updated models it has."""

    phase: Phase
    reason: Text | None = None
    release: Release | None = None
    """What the phase is about."""
    current: Release | None = None
    """The updated model that serves, or stands by on probation; None: the model of the settings."""
    previous: Release | None = None
    """What a rollback goes back to; None: the model of the settings."""
    changed_at: Time | None = None
    """When it came to this phase; None where nothing was ever updated."""


_Told = TypeVar("_Told", bound=Payload)


class _Versioned(BaseModel):
    """All that is asked of a payload of whatever version."""

    version: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A wish whose signature is good."""

    manifest: Manifest
    payload: bytes
    """As it came."""

    @property
    def release(self) -> Release:
        """As the state tells it."""
        told = self.manifest
        return Release(name=told.name, counter=told.counter, sha256=told.sha256)


def opened(payload: bytes, keys: Sequence[PublicKey], *, site: str, node: str) -> Opened:
    """Read a wish: its signature first, then what it says.

    Args:
        payload: as it came.
        keys: whose signatures count.
        site: our home.
        node: our name.

    Raises:
        ModelError: it is none, is not signed by any of the keys, or is meant for others.
    """
    if len(payload) > MAX_DESIRED_BYTES:
        raise ModelError(f"desired: {len(payload)} bytes are more than {MAX_DESIRED_BYTES}")
    desired = _read(payload, Desired, "desired")
    text = desired.manifest.encode()
    verify(text, Signature.from_text(desired.signature), keys)
    manifest = _read(text, Manifest, "manifest")
    for what, wanted, ours in (("site", manifest.site, site), ("node", manifest.node, node)):
        if wanted not in (None, ours):
            raise ModelError(f"the release is for {what} {wanted}, this is {ours}")
    return Opened(manifest, payload)


def desired_from(path: Path) -> bytes:
    """The payload for a signed manifest: the file, and its ``.minisig`` beside it.

    Raises:
        ModelError: one of them cannot be read, is none, or is too long.
    """
    text = _text(path, 4096)
    manifest_of(path)
    signature = _text(path.with_name(f"{path.name}.minisig"), 1024)
    Signature.from_text(signature)
    payload = Desired(manifest=text, signature=signature).model_dump_json().encode()
    if len(payload) > MAX_DESIRED_BYTES:
        raise ModelError(f"{path}: makes a message of {len(payload)} bytes, more than {MAX_DESIRED_BYTES}")
    return payload


def manifest_of(path: Path) -> Manifest:
    """The manifest in a file, whoever signed it.

    Raises:
        ModelError: it cannot be read, or is none.
    """
    return _read(_text(path, 4096).encode(), Manifest, str(path))


def as_text(manifest: Manifest) -> str:
    """As it stands in a file, for people to read before they sign it."""
    values = manifest.model_dump(mode="json", exclude_none=True)
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def _text(path: Path, max_bytes: int) -> str:
    try:
        return read_bytes(path, max_bytes).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: is no text; give the files of `ffe-edge models sign`") from error


def _read(payload: bytes, kind: type[_Told], what: str) -> _Told:
    try:
        version = _Versioned.model_validate_json(payload).version
        if version != VERSION:
            raise ModelError(f"{what}: has version {version}, this program reads {VERSION}; update ffe-edge first")
        return kind.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:60]
        raise ModelError(f"{what}: {f'{where}: ' if where else ''}{first['msg']}"[:200]) from None
