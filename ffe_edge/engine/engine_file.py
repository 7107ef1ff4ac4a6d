"""Engines on the disk: written whole, found by their key, read only where they fit and were built here.

Nothing in this module deserialises one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ffe_edge.engine import sealed_file
from ffe_edge.engine.engine_key import EngineKey, Machine, machine_misfits, misfits
from ffe_edge.errors import ModelError

SUFFIX: Final = ".engine"
_AGAIN: Final = "build it again with `ffe-edge export --rebuild`"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineFile:
    """An engine that lies on the disk."""

    path: Path
    key: EngineKey
    sha256: str
    size_bytes: int
    seconds: float
    """How long the build took."""


def write_engine(
    folder: Path, stem: str, key: EngineKey, data: bytes, *, seconds: float = 0.0, state_dir: Path | None = None
) -> EngineFile:
    """Write an engine that was built just now, and its sidecar; an old one stays until the new one is whole.

    Args:
        folder: the engine cache, ``engines`` in a bundle.
        stem: of the ONNX's name.
        key: what it was built of and for.
        data: the serialised engine.
        seconds: how long the build took.
        state_dir: where this installation's secret lies; None for systemd's or the user's.

    Raises:
        ModelError: the disk is full or the folder is not writable; what was there is untouched.
    """
    path = folder / f"{stem}-{key.digest}{SUFFIX}"
    facts = key.to_json() | {"seconds": round(seconds, 3)}
    sidecar = sealed_file.write_sealed(path, data, facts, state_dir)
    return EngineFile(path, key, sidecar.sha256, sidecar.size_bytes, seconds)


def read_engine(path: Path, key: EngineKey, *, state_dir: Path | None = None) -> bytes:
    """The bytes of an engine that may be deserialised here.

    Raises:
        ModelError: it is of another GPU, runtime, ONNX or shape, damaged, no regular file, or was not built here.
    """
    sidecar = sealed_file.read_sidecar(path)
    if reasons := misfits(_key(sidecar, path), key):
        raise ModelError(f"{path}: does not fit, {'; '.join(reasons)}; {_AGAIN}")
    return sealed_file.read_sealed(path, sidecar, state_dir)


def newest_engine(folder: Path, onnx_sha256: str, machine: Machine, dla_core: int | None = None) -> EngineFile | None:
    """The newest engine of this ONNX for this machine, whatever its batches: give ``read_engine`` its key."""
    fitting = (engine for engine in _engines(folder) if not machine_misfits(engine.key.machine, machine))
    wanted = onnx_sha256, dla_core
    return next((engine for engine in fitting if (engine.key.onnx_sha256, engine.key.dla_core) == wanted), None)


def describe(path: Path, here: Machine, *, state_dir: Path | None = None) -> dict[str, Any]:
    """What an engine is and whether this machine would load it, for a reader; nothing is deserialised.

    Args:
        path: the engine.
        here: this machine, from ``this_machine``.
        state_dir: where this installation's secret lies.

    Returns:
        ``path``, ``key`` (flat), ``sha256``, ``size_bytes``, ``seconds``, ``fits`` and ``why_not`` (a list of reasons).

    Raises:
        ModelError: there is no engine, or its sidecar is missing or none.
    """
    sidecar = sealed_file.read_sidecar(path)
    key = _key(sidecar, path)
    why_not = machine_misfits(key.machine, here)
    try:
        sealed_file.read_sealed(path, sidecar, state_dir)
    except ModelError as error:
        why_not.append(str(error).removeprefix(f"{path}: "))
    return {
        "path": str(path),
        "key": key.to_json(),
        "sha256": sidecar.sha256,
        "size_bytes": sidecar.size_bytes,
        "seconds": float(sidecar.facts["seconds"]),
        "fits": not why_not,
        "why_not": why_not,
    }


def write_timing_cache(folder: Path, machine: Machine, data: bytes, *, state_dir: Path | None = None) -> Path:
    """Keep what a build measured, so that the next one on this machine need not measure it again.

    Raises:
        ModelError: it cannot be written.
    """
    path = folder / "timing.cache"
    sealed_file.write_sealed(path, data, _facts(machine), state_dir)
    return path


def read_timing_cache(folder: Path, machine: Machine, *, state_dir: Path | None = None) -> bytes:
    """What earlier builds on this machine measured; empty where there is none that is ours and fits.

    Raises:
        ModelError: there is one, but it is damaged or from elsewhere.
    """
    path = folder / "timing.cache"
    if not sealed_file.sidecar_path(path).exists():
        return b""
    sidecar = sealed_file.read_sidecar(path)
    if dict(sidecar.facts) != _facts(machine):
        return b""
    return sealed_file.read_sealed(path, sidecar, state_dir)


def _facts(machine: Machine) -> dict[str, Any]:
    return {name: getattr(machine, name) for name in Machine.__slots__}


def _key(sidecar: sealed_file.Sidecar, path: Path) -> EngineKey:
    facts: Mapping[str, Any] = {name: value for name, value in sidecar.facts.items() if name != "seconds"}
    try:
        float(sidecar.facts["seconds"])
        return EngineKey.from_json(facts)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path}: its sidecar holds no key of an engine ({error}); {_AGAIN}") from error


def _engines(folder: Path) -> Iterator[EngineFile]:
    """What the sidecars say, the newest first; those that say nothing are passed over."""
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=_modified, reverse=True):
        try:
            sidecar = sealed_file.read_sidecar(path)
            key = _key(sidecar, path)
        except ModelError as error:
            logger.debug("%s", error)
            continue
        yield EngineFile(path, key, sidecar.sha256, sidecar.size_bytes, float(sidecar.facts["seconds"]))


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0
