"""What is on this machine of the models that have a name: told, looked into, verified."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ffe_edge.catalogue import Entry, catalogue, located
from ffe_edge.engine.bundle import BUNDLE_FILE, is_bundle, read_bundle
from ffe_edge.engine.model import load_model, open_source
from ffe_edge.engine.model_file import digest_of
from ffe_edge.errors import ModelError
from ffe_edge.fetch import how_to_make
from ffe_edge.fetch_file import Pin

MADE_BY: Final = ("architecture", "preset", "flavour")
"""Keys of a recipe's network that say which one it is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying a model has found."""

    name: str
    is_good: bool
    told: str


def row_of(entry: Entry) -> dict[str, Any]:
    """A line of the catalogue: name, what it is, size, precision, terms, where it lies or how it is had."""
    release, is_here = entry.release, entry.path.exists()
    row: dict[str, Any] = {"name": entry.name, "kind": entry.kind, "what": entry.what}
    row |= {"bytes": None, "precision": entry.precision, "terms": entry.terms, "path": None, "state": "here"}
    if is_here:
        row |= {"path": str(entry.path), **_size(entry)}
    elif release is not None:
        row |= {"bytes": release.all_bytes or release.bytes}
        row["state"] = f"not fetched yet: `ffe-edge models fetch {entry.name}`"
    else:
        row["state"] = f"not released: {how_to_make(entry)}"
    return row


def facts(wanted: str) -> dict[str, Any]:
    """Everything that is known of a model: a name of the catalogue, a file or a bundle's folder.

    Raises:
        ModelError: there is none, or it is no model of ours.
    """
    entry = catalogue().get(wanted)
    if entry is None or Path(wanted).exists():
        return _of_file(located(Path(wanted)))
    if not entry.path.exists():
        return row_of(entry)
    if entry.kind == "detector":
        return {**row_of(entry), "sha256": digest_of(entry.path)}
    return {**row_of(entry), **_of_file(entry.path)}


def verify(entry: Entry) -> Verdict:
    """Hold a model against what was published, and have it answer once."""
    try:
        return Verdict(entry.name, True, _verified(entry))
    except ModelError as error:
        return Verdict(entry.name, False, str(error))


def _size(entry: Entry) -> dict[str, Any]:
    """Bytes and precision of what is here; a damaged file says so in its place."""
    try:
        if entry.kind == "detector":
            return {"bytes": entry.path.stat().st_size}
        source = open_source(entry.path)
    except ModelError as error:
        return {"state": f"damaged: {error}"}
    except OSError as error:
        return {"state": f"damaged: {error.strerror}"}
    size = source.bundle.size() if source.bundle else len(source.file.data)
    return {"bytes": size, "precision": source.bundle.precision if source.bundle else source.spec.precision}


def _of_file(path: Path) -> dict[str, Any]:
    source = open_source(path)
    spec = asdict(source.spec)
    size = source.bundle.size() if source.bundle else len(source.file.data)
    return {
        "name": source.spec.name,
        "path": str(path),
        "bytes": size,
        "sha256": source.file.sha256,
        "architecture": _architecture(source.spec.recipe),
        **{key: value for key, value in spec.items() if key != "name" and value not in ((), {}, "")},
        **({"made": dict(source.bundle.made)} if source.bundle else {}),
    }


def _architecture(recipe: str) -> str | None:
    """As the recipe in the spec names it."""
    try:
        network = json.loads(recipe)["network"]
        return " ".join(str(network[key]) for key in MADE_BY if key in network) or None
    except (KeyError, TypeError, ValueError):
        return None


def _verified(entry: Entry) -> str:
    if not entry.path.exists():
        raise ModelError(row_of(entry)["state"])
    if entry.release is not None:
        _check_pin(entry)
    if entry.kind == "detector":
        return "is the pinned file"
    model = load_model(entry.path, backend="onnxruntime")
    if not is_bundle(entry.path):
        return f"loads; SHA-256 {model.sha256}"
    bundle = read_bundle(entry.path)
    for path in bundle.used:
        bundle.read(path)
    released = f"release {entry.release.version}" if entry.release else "no release to compare it with"
    return f"whole, {len(bundle.used)} files, gives its golden answers; {released}"


def _check_pin(entry: Entry) -> None:
    path = entry.path if entry.file else entry.path / BUNDLE_FILE
    release = entry.release
    if release is not None and not Pin(release.sha256, release.bytes).is_of(path):
        raise ModelError(f"{path}: is not the released file; `ffe-edge models fetch {entry.name}` brings it again")


def as_text(values: Mapping[str, Any]) -> str:
    """A line for each value that there is."""
    return "\n".join(f"{key:<14}{_shown(key, value)}" for key, value in values.items() if value is not None)


def _shown(key: str, value: object) -> str:
    if key == "bytes" and isinstance(value, int):
        return f"{value:,} ({value / 1e6:.1f} MB)"
    if isinstance(value, (list, tuple)) and all(isinstance(part, (str, float, int)) for part in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
