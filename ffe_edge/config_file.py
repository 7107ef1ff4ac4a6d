"""The file of settings: read, overridden by flags, and its mistakes told with their places."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ffe_edge.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CAMERA: Final = "camera"
_HEADER: Final = re.compile(r"^\s*\[\[?\s*([A-Za-z0-9_.\-]+)\s*\]?\]")
_KEY: Final = re.compile(r"^\s*([A-Za-z0-9_\-]+)\s*=")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One setting that cannot be used."""

    key: str
    """As ``camera.fps``, or ``camera[2].fps`` for the second of several."""
    reason: str
    line: int | None = None
    """Where it stands in the file, from 1; None where it cannot be told."""


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give --config an existing TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error


def override(values: dict[str, Any], flags: Mapping[str, Mapping[str, Any] | Any]) -> None:
    """Let flags win over what the file says; None is no flag."""
    for key, value in flags.items():
        if key == CAMERA and isinstance(value, Mapping):
            values[CAMERA] = _cameras(values.get(CAMERA, {}), value)
        elif isinstance(value, Mapping):
            section = values.setdefault(key, {})
            if isinstance(section, dict):
                section.update(_given(value))
        elif value is not None:
            values[key] = value


def _cameras(section: Any, flags: Mapping[str, Any]) -> Any:
    """The camera section under flags: a ``source`` replaces all cameras, several of them make as many."""
    others = _given({name: value for name, value in flags.items() if name != "source"})
    sources: str | Sequence[str] = flags.get("source") or ()
    if isinstance(sources, str):
        sources = (sources,)
    if not isinstance(section, (dict, list)):
        return section
    if not sources:
        tables = section if isinstance(section, list) else [section]
        changed = [{**table, **others} if isinstance(table, dict) else table for table in tables]
        return changed if isinstance(section, list) else changed[0]
    first = {**(section if isinstance(section, dict) else {}), **others}
    if len(sources) == 1:
        return {**first, "source": sources[0]}
    name = first.get("id", CAMERA)
    ids = [name, *(f"{name}-{number}" for number in range(2, len(sources) + 1))]
    return [{**first, "id": each, "source": source} for each, source in zip(ids, sources, strict=True)]


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def mistakes(error: ValidationError, values: Mapping[str, Any], text: str = "") -> list[Mistake]:
    """Everything that is wrong, in the order of the settings.

    Args:
        error: what pydantic says.
        values: what it was asked to take.
        text: the file, to tell the lines.
    """
    lines = _lines(text)
    told = []
    for fault in error.errors(include_url=False, include_input=False):
        place = _place(fault["loc"], values)
        unknown = fault["type"] == "extra_forbidden"
        reason = "unknown key; `ffe-edge config init` lists the keys" if unknown else fault["msg"]
        told.append(Mistake(place, reason.removeprefix("Value error, "), lines.get(place)))
    return told


def one_line(found: Sequence[Mistake], where: str) -> str:
    """The first mistake, and how many more there are."""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    key = f"{found[0].key}: " if found[0].key else ""
    return f"{where}: {key}{found[0].reason}{more}"


def _place(location: Sequence[int | str], values: Mapping[str, Any]) -> str:
    """``camera[2].fps`` where the file has several tables, ``camera.fps`` where it has one."""
    place = ""
    for part in location:
        if isinstance(part, str):
            place += f".{part}" if place else part
        elif not isinstance(values.get(place), Mapping):
            place += f"[{part + 1}]"
    return place


def _lines(text: str) -> dict[str, int]:
    """Line of each key and table that stands at the start of a line, which is nearly all."""
    found: dict[str, int] = {}
    section, counts = "", dict[str, int]()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = header[1]
            if line.lstrip().startswith("[["):
                counts[section] = counts.get(section, 0) + 1
                section = f"{section}[{counts[section]}]"
            found.setdefault(section, number)
        elif key := _KEY.match(line):
            found.setdefault(f"{section}.{key[1]}" if section else key[1], number)
    return found
