"""`ffe-edge models`: what is needed to see and to read faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

models_app = typer.Typer(
    no_args_is_help=True, help="Models on this machine: fetch the face detector, look into a model."
)


@models_app.command("fetch")
def fetch_models(
    source: Annotated[
        Optional[str], typer.Option("--from", help="A path or URL instead of upstream; the SHA-256 is held the same.")
    ] = None,
) -> None:
    """Get the YuNet face detector (Apache-2.0, 0.3 MB) from its upstream repository; its SHA-256 is pinned."""
    from ffe_edge.fetch import YUNET, fetch

    typer.echo(f"{fetch(YUNET, source)} ({YUNET.licence})")


@models_app.command("show")
def show_model(model: Annotated[Optional[Path], typer.Argument(help="[default: the shipped model]")] = None) -> None:
    """Print the spec that a model file carries: labels, input, results, data, recipe."""
    from ffe_edge.engine.model import load_spec

    typer.echo(load_spec(model).to_json())
