"""What the commands of `ffe-edge provision` have in common: options, the folder, words at the end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Optional

import typer

from ffe_edge.cli_terminal import need

if TYPE_CHECKING:
    from ffe_edge.provision.folder import Folder
    from ffe_edge.provision.members import Bundle
    from ffe_edge.provision.register import Member

FOLDER: Final = Path("/etc/ffe-edge/provision")
LEAF_DAYS: Final = 397
AUTHORITY_DAYS: Final = 3650
DEPLOY: Final = "ffe-edge provision deploy --restart"

FolderOption = Annotated[
    Path, typer.Option("--folder", help="Of the authority. Its keys are all there is: keep a copy, and show it nobody.")
]
HostsOption = Annotated[
    list[str],
    typer.Option("--host", help="Name or address by which devices reach the broker; the first is told them."),
]
ToOption = Annotated[
    Optional[Path],
    typer.Option("--to", help="….tar or a new folder [default: ffe-SITE-NODE.tar or ffe-NAME.tar here]."),
]
AtOption = Annotated[
    Optional[Path],
    typer.Option("--at", help="One folder on the device for all files [default: where the installed services look]."),
]
DaysOption = Annotated[int, typer.Option("--days", min=1, max=3650, help="How long the certificate is good.")]
SiteArgument = Annotated[str, typer.Argument(help="Name of the home, [a-z0-9-].")]
NodeArgument = Annotated[str, typer.Argument(help="Name of the device, [a-z0-9-].")]
NameArgument = Annotated[str, typer.Argument(help="Name of the program or person, [a-z0-9-].")]
PasswordOption = Annotated[
    bool, typer.Option("--password", help="Make a password, too: for WebSocket and loopback listeners.")
]


def open_folder(path: Path) -> Folder:
    """The authority's folder.

    Raises:
        FfeError: what signs is not installed.
    """
    need("cryptography", "provision")
    from ffe_edge.provision.folder import Folder

    return Folder(path)


def bundle_of(to: Path | None, name: str, at: Path | None, days: int, *, password: bool = False) -> Bundle:
    """The bundle as the options want it."""
    from ffe_edge.provision.members import Bundle

    return Bundle((to or Path(name)).absolute(), timedelta(days=days), at, with_password=password)


def tell_bundle(member: Member, bundle: Bundle) -> None:
    """Say what there is now, and what is to be done with it."""
    typer.echo(f"{member.name}: {bundle.path}, good until {member.newest.ends:%Y-%m-%d}")
    typer.echo(f"take it there and delete it here: it holds the key. The broker knows of it after: {DEPLOY}")
