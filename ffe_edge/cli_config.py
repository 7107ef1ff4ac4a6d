"""`ffe-edge config`: a file to begin with, what is wrong with one, what holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Optional

import typer
from pydantic import ValidationError

from ffe_edge.catalogue import located
from ffe_edge.config import CameraSettings, Config, load_config
from ffe_edge.config_file import Mistake, mistakes, read_toml
from ffe_edge.errors import ConfigError, ModelError, SourceError
from ffe_edge.redaction import redacted

EXIT_MISTAKES: Final = 2
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

config_app = typer.Typer(no_args_is_help=True, help="Settings: a file to begin with, what is wrong, what holds.")

FileOption = Annotated[Optional[Path], typer.Option("--config", help="TOML file with settings.")]


@config_app.command("init")
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("ffe.toml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a file in which every key stands as a comment with its default.

    Example: `ffe-edge config init /etc/ffe-edge/ffe.toml`
    """
    from ffe_edge.config_text import template

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError as error:
        raise ConfigError(f"{path}: is there already; give another name, or --force to write over it") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); give a folder that is yours") from error
    typer.echo(f"{path} written; change it, then `ffe-edge config check --config {path}`")


@config_app.command("check")
def check(config: Annotated[Path, typer.Option("--config", help="TOML file with settings.")]) -> None:
    """Name every mistake with its place: keys, values, files that are missing. No camera is opened.

    Exit code 0 when there is none, else 2.
    """
    found = list(mistakes_in(config))
    for mistake in found:
        line = f":{mistake.line}" if mistake.line else ""
        typer.echo(f"{config}{line}: {mistake.key}: {mistake.reason}", err=True)
    if found:
        raise typer.Exit(EXIT_MISTAKES)
    typer.echo(f"{config}: in order")


@config_app.command("show")
def show(
    config: FileOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print the settings that hold, those of the file over the defaults, without credentials."""
    from ffe_edge.config_text import shown

    values = without_secrets(load_config(config))
    typer.echo(json.dumps(values, ensure_ascii=False, indent=2) if json_output else shown(values), nl=json_output)


@config_app.command("schema")
def schema_of_settings() -> None:
    """Print the JSON Schema of the file, for editors."""
    from ffe_edge.config_text import schema

    typer.echo(json.dumps(schema(), ensure_ascii=False, indent=2))


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
    from ffe_edge.camera import open_source

    try:
        open_source(camera).close()
    except SourceError as error:
        return str(error)
    return ""
