"""`ffe-edge provision rotate` and `revoke`: a new certificate beside the old one, and the end of one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Optional

import typer

from ffe_edge.cli_provision_options import (
    AUTHORITY_DAYS,
    DEPLOY,
    FOLDER,
    LEAF_DAYS,
    AtOption,
    DaysOption,
    FolderOption,
    NameArgument,
    NodeArgument,
    PasswordOption,
    SiteArgument,
    ToOption,
    bundle_of,
    open_folder,
    tell_bundle,
)

rotate_app = typer.Typer(no_args_is_help=True, help="Renew a key and its certificate before it ends, or after a loss.")
revoke_app = typer.Typer(no_args_is_help=True, help="Take certificates back. It holds from `deploy --restart` on.")

OldOption = Annotated[bool, typer.Option("--old", help="All but the newest certificate: after a rotation.")]


@rotate_app.command("node")
def rotate_node(
    site: SiteArgument,
    name: NodeArgument,
    to: ToOption = None,
    at: AtOption = None,
    days: DaysOption = LEAF_DAYS,
    folder: FolderOption = FOLDER,
) -> None:
    """Make a device a new key and certificate. The old one stays good: `revoke node --old` once the new one is there.

    Example: `ffe-edge provision rotate node kiso edge-01`
    """
    from ffe_edge.provision.members import Members
    from ffe_edge.provision.names import node_name

    bundle = bundle_of(to, f"ffe-{site}-{name}.tar", at, days)
    tell_bundle(Members(open_folder(folder)).renew(node_name(site, name), bundle), bundle)


@rotate_app.command("client")
def rotate_client(
    name: NameArgument,
    password: PasswordOption = False,
    to: ToOption = None,
    at: AtOption = None,
    days: DaysOption = LEAF_DAYS,
    folder: FolderOption = FOLDER,
) -> None:
    """Make a program a new key and certificate, and a new password where asked for. Its role stays.

    Example: `ffe-edge provision rotate client floor`
    """
    from ffe_edge.provision.members import Members
    from ffe_edge.provision.names import checked_id

    bundle = bundle_of(to, f"ffe-{name}.tar", at, days, password=password)
    tell_bundle(Members(open_folder(folder)).renew(checked_id(name, "client"), bundle), bundle)


@rotate_app.command("broker")
def rotate_broker(
    host: Annotated[
        Optional[list[str]], typer.Option("--host", help="In the place of those that it has [default: the same].")
    ] = None,
    days: DaysOption = LEAF_DAYS,
    folder: FolderOption = FOLDER,
) -> None:
    """Make the broker a new key and certificate, by the newest authority that everybody knows already.

    Example: `ffe-edge provision rotate broker`
    """
    from ffe_edge.provision.authority import Authorities
    from ffe_edge.provision.names import checked_host

    hosts = [checked_host(one) for one in host or ()]
    broker = Authorities(open_folder(folder)).renew_broker(timedelta(days=days), hosts).broker
    typer.echo(f"the broker's certificate, by authority {broker.authority}, is good until {broker.ends:%Y-%m-%d}")
    typer.echo(f"now: {DEPLOY}")


@rotate_app.command("authority")
def rotate_authority(
    end_old: Annotated[
        bool, typer.Option("--end-old", help="Make none; trust the newest only, once nobody needs the old one.")
    ] = False,
    days: Annotated[int, typer.Option("--days", min=1, max=36500, help="How long it signs.")] = AUTHORITY_DAYS,
    folder: FolderOption = FOLDER,
) -> None:
    """Begin a new authority. Both are trusted until the old one ends, so that devices can follow one by one.

    First this and `deploy --restart`; then `rotate node` or `rotate client` for each; then `rotate broker`; then
    `revoke … --old` for each; then this with `--end-old`.

    Example: `ffe-edge provision rotate authority`
    """
    from ffe_edge.provision.authority import Authorities

    authorities = Authorities(open_folder(folder))
    if end_old:
        ended = authorities.end_old_authorities()
        typer.echo(f"{ended} ended; now: {DEPLOY}" if ended else "no old one was trusted")
        return
    new = authorities.renew_authority(timedelta(days=days)).authorities[-1]
    typer.echo(f"authority {new.number} signs from now on, until {new.ends:%Y-%m-%d}; the old one is still trusted")
    typer.echo(f"now: {DEPLOY}")


@revoke_app.command("node")
def revoke_node(site: SiteArgument, name: NodeArgument, old: OldOption = False, folder: FolderOption = FOLDER) -> None:
    """Take a device's certificates back, and its access rules out; `--old` leaves it the newest one.

    Example: `ffe-edge provision revoke node kiso edge-01`
    """
    from ffe_edge.provision.names import node_name

    _revoke(node_name(site, name), old, folder)


@revoke_app.command("client")
def revoke_client(name: NameArgument, old: OldOption = False, folder: FolderOption = FOLDER) -> None:
    """Take a program's certificates and password back, and its access rules out; `--old` leaves it the newest.

    Example: `ffe-edge provision revoke client floor`
    """
    from ffe_edge.provision.names import checked_id

    _revoke(checked_id(name, "client"), old, folder)


def _revoke(name: str, old: bool, folder: Path) -> None:
    from ffe_edge.provision.members import Members

    count = Members(open_folder(folder)).revoke(name, only_old=old)
    typer.echo(f"{name}: {count} certificates revoked; now: {DEPLOY}" if count else f"{name}: nothing left to revoke")
