"""What is wrong in a file of settings, place by place, without opening a camera."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ffe_edge.camera import open_source
from ffe_edge.catalogue import located
from ffe_edge.config import CameraSettings, Config
from ffe_edge.config_file import Mistake, mistakes, read_toml
from ffe_edge.errors import ModelError, SourceError
from ffe_edge.redaction import redacted

FILES: Final = (
    ("broker", "password_file"),
    ("broker", "ca_file"),
    ("broker", "certificate_file"),
    ("broker", "key_file"),
    ("detector", "path"),
    ("model", "path"),
    ("model_updates", "ca_file"),
)
"""Settings that name a file which must be there."""


def mistakes_in(path: Path) -> Iterator[Mistake]:
    """Everything that is wrong in a file of settings.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    values = read_toml(path)
    text = path.read_text(encoding="utf-8")
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        yield from mistakes(error, values, text)
        return
    yield from _missing_files(config)
    yield from _bad_sources(config, isinstance(values.get("camera"), list))


def without_secrets(config: Config) -> dict[str, Any]:
    """The settings as plain values, URLs without their credentials."""
    values = config.model_dump(mode="json", by_alias=True)
    for camera in values["camera"]:
        camera["source"] = redacted(camera["source"])
    return values


def _missing_files(config: Config) -> Iterator[Mistake]:
    for section, key in FILES:
        path: Path | None = getattr(getattr(config, section), key)
        if path is not None and (reason := _not_there(path, is_model=section == "model")):
            yield Mistake(f"{section}.{key}", reason)


def _not_there(path: Path, *, is_model: bool) -> str:
    try:
        found = located(path) if is_model else path
    except ModelError as error:
        return str(error)
    return "" if found.exists() else f"{path} is not there"


def _bad_sources(config: Config, are_several: bool) -> Iterator[Mistake]:
    for number, camera in enumerate(config.cameras, 1):
        if reason := _cannot_open(camera):
            yield Mistake(f"camera[{number}].source" if are_several else "camera.source", reason)


def _cannot_open(camera: CameraSettings) -> str:
    """Why there is no such source; a camera is not opened for that."""
    try:
        open_source(camera).close()
    except SourceError as error:
        return str(error)
    return ""
