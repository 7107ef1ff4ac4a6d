"""`ffe-edge schema`: the contract on the wire for machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schema(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the documents.")] = Path("schemas"),
) -> None:
    """Write the AsyncAPI document of the topics and the JSON Schemas of the payloads.

    Example: `ffe-edge schema -o schemas`
    """
    from ffe_edge.schema import write_documents

    for path in write_documents(output):
        typer.echo(path)
