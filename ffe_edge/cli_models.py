"""`ffe-edge models`: what is needed to see and to read faces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Optional

import typer

from ffe_edge import cli_update

YUNET: Final = "yunet"

models_app = typer.Typer(
    no_args_is_help=True,
    help="Models that have a name: which there are, fetch, look into, verify. Models for devices that are far away: "
    "sign, publish, roll back.",
)
for command in (cli_update.keygen, cli_update.sign, cli_update.publish, cli_update.rollback, cli_update.state):
    models_app.command()(command)

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@models_app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """Print the catalogue: name, what it is, size, precision, terms, where it lies or how it is had."""
    from ffe_edge.catalogue import catalogue
    from ffe_edge.installed import as_text, row_of

    found = [row_of(entry) for entry in catalogue().values()]
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else "\n\n".join(map(as_text, found)))


@models_app.command("show")
def show_model(
    model: Annotated[
        str, typer.Argument(help="A name of the catalogue, an ONNX file, or a bundle's folder.")
    ] = "ffe-small",
    as_json: JsonOption = False,
) -> None:
    """Print what a model says of itself: labels, network, digest, size, precision, results, data, recipe, terms."""
    from ffe_edge.installed import as_text, facts

    found = facts(model)
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else as_text(found))


@models_app.command("fetch")
def fetch_model(
    name: Annotated[str, typer.Argument(help="A name that `ffe-edge models list` tells.")] = YUNET,
    source: Annotated[
        Optional[str],
        typer.Option(
            "--from", help="A file or folder, or an https:// address, instead of the release; as strictly checked."
        ),
    ] = None,
    sha256: Annotated[
        Optional[str], typer.Option("--sha256", help="What it must be, where no release pins it.")
    ] = None,
    ca_file: Annotated[
        Optional[Path], typer.Option("--ca", help="Certificates (PEM) to trust instead of the system's.")
    ] = None,
) -> None:
    """Get a model from its release, by default the face detector YuNet; its size and SHA-256 are pinned.

    Goes on where an earlier try was cut. Nothing but the pinned file is ever stored, and nothing comes without TLS.

    Example: `ffe-edge models fetch ffe-r18 --from /media/stick/ffe-r18`
    """
    from ffe_edge.catalogue import entry_of
    from ffe_edge.fetch import fetch

    entry = entry_of(name)
    with _progress() as on_bytes:
        path = fetch(entry, source, sha256=sha256, ca_file=ca_file, on_bytes=on_bytes)
    typer.echo(f"{path} ({entry.terms})")


@models_app.command("verify")
def verify_models(
    names: Annotated[Optional[list[str]], typer.Argument(help="[default: all that are on this machine]")] = None,
) -> None:
    """Hold models against what was published, and have each answer once. Exit code 1 when one is damaged or absent."""
    from ffe_edge.catalogue import catalogue, entry_of
    from ffe_edge.installed import verify

    here = [entry for entry in catalogue().values() if entry.path.exists()]
    found = [verify(entry) for entry in (map(entry_of, names) if names else here)]
    for verdict in found:
        typer.echo(f"{verdict.name}\t{'ok' if verdict.is_good else 'BAD'}\t{verdict.told}")
    raise typer.Exit(0 if all(verdict.is_good for verdict in found) else 1)


@models_app.command("pack")
def pack_model(
    folder: Annotated[Path, typer.Argument(help="A bundle of `ffe-edge export`.")],
    version: Annotated[str, typer.Option("--version", help="Of the release.")],
    address: Annotated[str, typer.Option("--address", help="Of its files, with {file} and perhaps {version}.")],
) -> None:
    """Look a bundle over and print its lines of the catalogue: what to publish, and by what it is known."""
    from ffe_edge.release import release_lines

    typer.echo(release_lines(folder, version, address))


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """A line on stderr while bytes come, where a person looks on."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (DownloadColumn(), TransferSpeedColumn(), BarColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda more: progress.advance(task, more)
