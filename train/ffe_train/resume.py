"""Going on where a stage stopped: a position and a record, and what they were made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ffe_edge.errors import DataError
from ffe_train.checkpoint import WEIGHTS, listed
from ffe_train.files import load_resume, read_json, save_resume

RECORD: Final = "stage.json"
RESUME: Final = "resume.ckpt"


def digest_of(made_of: Mapping[str, Any]) -> str:
    """sha256 of everything that decides a result."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def save_position(folder: Path, made_of: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write what a stage needs to go on, with what it is made of.

    Raises:
        DataError: the disk is full or the folder cannot be written; the position before is untouched.
    """
    save_resume({**state, "made_of": json.dumps(made_of)}, folder / RESUME)


def load_position(folder: Path, made_of: Mapping[str, Any]) -> dict[str, Any] | None:
    """The position to go on from, or None at a beginning.

    Raises:
        DataError: it is damaged, or was made of another recipe or other data.
    """
    path = folder / RESUME
    if not path.is_file():
        return None
    state = load_resume(path)
    check_same(path, json.loads(state.get("made_of", "{}")), made_of)
    return state


def finished(folder: Path, made_of: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of a finished stage, or None where there is something to do.

    Raises:
        DataError: the folder holds the result of another recipe or of other data.
    """
    path = folder / RECORD
    if (folder / RESUME).is_file() or not path.is_file() or not (folder / WEIGHTS).is_file():
        return None
    record = read_json(path)
    check_same(path, record.get("made_of", {}), made_of)
    return record


def check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """A result or a position may only be used by the recipe, data and start that it was made of.

    Raises:
        DataError: names what differs, and both values.
    """
    old, new = dict(_flat(before)), dict(_flat(now))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if names:
        told = [f"{name} was {_short(old.get(name))} and is {_short(new.get(name))}" for name in names]
        raise DataError(f"{path}: was made otherwise: {listed(told)}; give the stage another name, or --fresh")


def _flat(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested mappings by dotted names."""
    if not isinstance(value, Mapping) or not value:
        return [(name, value)]
    return [pair for key, inner in value.items() for pair in _flat(inner, f"{name}.{key}" if name else str(key))]


def _short(value: Any) -> str:
    text = "not there" if value is None else str(value)
    return text if len(text) <= 20 else f"{text[:12]}…"
