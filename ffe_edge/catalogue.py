"""Models known by name: what each is, where it lies on this machine, and by what its released file is known."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ffe_edge.errors import ModelError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED_DIR: Final = Path(__file__).with_name("models")
CATALOGUE: Final = SHIPPED_DIR / "catalogue.toml"

PlainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Words = Annotated[str, Field(min_length=1, max_length=200)]


class _Table(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Release(_Table):
    """What was published, and by what it is known."""

    version: PlainName
    address: Annotated[str, Field(pattern=r"^https://[^\s/@]+/\S*\{file\}\S*$")]
    """With ``{file}`` and, where that stands in it, ``{version}``."""
    bytes: Annotated[int, Field(ge=1)]
    """Of the pinned file: the model's only one, or its ``bundle.json``."""
    sha256: Sha256
    """Of the same."""
    all_bytes: Annotated[int, Field(ge=1)] | None = None
    """Of all files that are fetched; None: of the pinned one alone."""

    def url(self, file: str) -> str:
        """Where one of its files is."""
        return self.address.replace("{version}", self.version).replace("{file}", file)


class Entry(_Table):
    """A model that has a name."""

    name: PlainName
    kind: Literal["detector", "expression"]
    what: Words
    terms: Words
    file: PlainName | None = None
    """Its only file; None: it is a bundle, a folder of its name."""
    precision: Words | None = None
    """Where the file does not say."""
    shipped: bool = False
    """It comes with the program."""
    recipes: tuple[Words, ...] = ()
    """What makes it."""
    release: Release | None = None

    @model_validator(mode="after")
    def _check(self) -> Entry:
        if self.shipped and (self.release is not None or self.file is None):
            raise ValueError("what comes with the program is one file and has no release")
        return self

    @property
    def path(self) -> Path:
        """Where it lies, or would lie, on this machine: its file, or the folder of its bundle."""
        return (SHIPPED_DIR if self.shipped else models_dir()) / (self.file or self.name)


_ENTRIES: Final[TypeAdapter[dict[str, Entry]]] = TypeAdapter(dict[str, Entry])


def models_dir() -> Path:
    """Where fetched models lie: ``$FFE_MODELS``, else the user's data folder."""
    if folder := os.environ.get("FFE_MODELS"):
        return Path(folder)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "ffe-edge" / "models"


def entry_of(name: str) -> Entry:
    """The model of this name.

    Raises:
        ModelError: there is none.
    """
    known = catalogue()
    if name not in known:
        raise ModelError(f"{name}: is no model of the catalogue ({', '.join(known)}); see `ffe-edge models list`")
    return known[name]


@cache
def catalogue() -> Mapping[str, Entry]:
    """All models by name, as the package brings them.

    Raises:
        ModelError: the package is damaged.
    """
    return read_catalogue(CATALOGUE)


def read_catalogue(path: Path) -> Mapping[str, Entry]:
    """A catalogue's file: TOML with a table for each model.

    Raises:
        ModelError: it cannot be read, or a key is unknown, missing or out of range; it is named.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return _ENTRIES.validate_python({name: _named(name, table) for name, table in tables.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ModelError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; install it again") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); install ffe-edge again") from error


def located(path: Path) -> Path:
    """The model that a path means: a file or folder, or else a name of the catalogue.

    Raises:
        ModelError: the name is known, and the model is not on this machine.
    """
    entry = catalogue().get(str(path))
    if entry is None or entry.kind != "expression" or path.exists():
        return path
    if not entry.path.exists():
        raise ModelError(f"{path}: is not on this machine; get it with `ffe-edge models fetch {path}`")
    return entry.path


def _named(name: str, table: object) -> object:
    return {**table, "name": name} if isinstance(table, dict) else table
