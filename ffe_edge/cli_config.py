"""`ffe-edge config`: a file to begin with, what is wrong with one, what holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final, Optional

import typer

from ffe_edge.errors import ConfigError

EXIT_MISTAKES: Final = 2

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
    from ffe_edge.settings_check import mistakes_in

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
    from ffe_edge.config import load_config
    from ffe_edge.config_text import shown
    from ffe_edge.settings_check import without_secrets

    values = without_secrets(load_config(config))
    typer.echo(json.dumps(values, ensure_ascii=False, indent=2) if json_output else shown(values), nl=json_output)


@config_app.command("schema")
def schema_of_settings() -> None:
    """Print the JSON Schema of the file, for editors."""
    from ffe_edge.config_text import schema

    typer.echo(json.dumps(schema(), ensure_ascii=False, indent=2))
