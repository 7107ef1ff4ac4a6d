"""`ffe-edge provision`: certificates and access rules of the broker."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Optional

import typer
from rich.console import Console

from ffe_edge.cli_provision_options import (
    AUTHORITY_DAYS,
    FOLDER,
    LEAF_DAYS,
    AtOption,
    DaysOption,
    FolderOption,
    HostsOption,
    NameArgument,
    NodeArgument,
    PasswordOption,
    SiteArgument,
    ToOption,
    bundle_of,
    open_folder,
    tell_bundle,
)
from ffe_edge.cli_provision_renewal import revoke_app, rotate_app

EXIT_ENDING: Final = 1
BROKER: Final = Path("/etc/mosquitto/ffe-edge")

provision_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Who may speak at the broker: an authority of your own, certificates for devices and programs, access rules.",
    epilog="Begin with `init`, then `node` or `client` for each, then `deploy --restart`. Guide: docs/broker.md.",
)
provision_app.add_typer(rotate_app, name="rotate")
provision_app.add_typer(revoke_app, name="revoke")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@provision_app.command("init")
def init(
    host: HostsOption,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the broker's TLS listener.")] = 8883,
    days: Annotated[
        int, typer.Option("--days", min=1, max=36500, help="How long the authority signs.")
    ] = AUTHORITY_DAYS,
    broker_days: Annotated[int, typer.Option("--broker-days", min=1, help="Of the broker's certificate.")] = LEAF_DAYS,
    root_topic: Annotated[str, typer.Option("--root-topic", help="As broker.root_topic of the devices.")] = "ffe/v1",
    discovery_prefix: Annotated[
        str, typer.Option("--discovery-prefix", help="As home_assistant.discovery_prefix of the devices.")
    ] = "homeassistant",
    folder: FolderOption = FOLDER,
) -> None:
    """Make an authority, and a certificate for the broker. Nothing that is there is overwritten.

    Example: `ffe-edge provision init --host broker.lan --host 192.168.1.10`
    """
    from ffe_edge.provision.authority import Authorities
    from ffe_edge.provision.names import checked_host, checked_topic

    register = Authorities(open_folder(folder)).begin(
        [checked_host(one) for one in host],
        timedelta(days=days),
        timedelta(days=broker_days),
        port=port,
        root_topic=checked_topic(root_topic, "--root-topic"),
        discovery_prefix=checked_topic(discovery_prefix, "--discovery-prefix"),
    )
    typer.echo(f"{folder}: an authority until {register.authorities[-1].ends:%Y-%m-%d}; keep a copy of this folder")
    typer.echo(f"the broker's certificate is good until {register.broker.ends:%Y-%m-%d}")


@provision_app.command("node")
def node(
    site: SiteArgument,
    name: NodeArgument,
    to: ToOption = None,
    at: AtOption = None,
    days: DaysOption = LEAF_DAYS,
    folder: FolderOption = FOLDER,
) -> None:
    """Make a key and a certificate for a device: what is to be taken there, with its part of ffe.toml.

    The key is in the bundle only. Take it there, then delete it here.

    Example: `ffe-edge provision node kiso edge-01`
    """
    from ffe_edge.provision.members import Members
    from ffe_edge.provision.names import node_name

    bundle = bundle_of(to, f"ffe-{site}-{name}.tar", at, days)
    tell_bundle(Members(open_folder(folder)).admit(node_name(site, name), "node", (site,), bundle), bundle)


@provision_app.command("client")
def client(
    name: NameArgument,
    role: Annotated[str, typer.Option("--role", help="dashboard, reader, home-assistant, bridge or admin.")],
    site: Annotated[
        Optional[list[str]], typer.Option("--site", help="Whose topics; once for each, + for all of the broker.")
    ] = None,
    password: PasswordOption = False,
    to: ToOption = None,
    at: AtOption = None,
    days: DaysOption = LEAF_DAYS,
    folder: FolderOption = FOLDER,
) -> None:
    """Make a key and a certificate for a program or a person. Each needs its own: two with one throw each other out.

    A *dashboard* reads all of its sites and gives commands; a *reader* reads what nodes tell; *home-assistant* reads
    discovery, too, and presses its buttons; a *bridge* carries a home to another broker; an *admin* may do everything.

    Example: `ffe-edge provision client floor --role dashboard --site kiso`
    """
    from ffe_edge.provision.members import Members
    from ffe_edge.provision.names import checked_id, checked_role, checked_sites

    checked_id(name, "client")
    kind = checked_role(role)
    sites = checked_sites(tuple(site or ()), kind)
    bundle = bundle_of(to, f"ffe-{name}.tar", at, days, password=password)
    tell_bundle(Members(open_folder(folder)).admit(name, kind, sites, bundle), bundle)


@provision_app.command("list")
def list_certificates(json_output: JsonOption = False, folder: FolderOption = FOLDER) -> None:
    """Print every certificate: whose, until when, whether it is revoked or there is a newer one."""
    from ffe_edge.provision.report import as_json, as_table, rows
    from ffe_edge.provision.signing import now_utc

    found = rows(open_folder(folder).load(), now_utc())
    if json_output:
        typer.echo(as_json(found))
    else:
        Console().print(as_table(found))


@provision_app.command("check")
def check(
    days: Annotated[int, typer.Option("--days", min=0, help="Look so far ahead.")] = 30,
    json_output: JsonOption = False,
    folder: FolderOption = FOLDER,
) -> None:
    """Exit code 1 when something in use ends within so many days, or has ended. For a timer, say.

    Example: `ffe-edge provision check --days 30`
    """
    from ffe_edge.provision.report import as_json, as_table, ending, rows
    from ffe_edge.provision.signing import now_utc

    found = ending(rows(open_folder(folder).load(), now_utc()), days)
    if json_output:
        typer.echo(as_json(found))
    elif found:
        Console().print(as_table(found))
        typer.echo("`ffe-edge provision rotate` renews them", err=True)
    else:
        typer.echo(f"nothing ends within {days} days")
    raise typer.Exit(EXIT_ENDING if found else 0)


@provision_app.command("deploy")
def deploy(
    to: Annotated[Path, typer.Option("--to", help="Where mosquitto.conf looks for it.")] = BROKER,
    user: Annotated[str, typer.Option("--user", help="Whom mosquitto runs as, by name or number.")] = "mosquitto",
    restart: Annotated[bool, typer.Option("--restart", help="Restart the broker by systemd, if it needs it.")] = False,
    unit: Annotated[str, typer.Option("--unit", help="The broker's systemd unit.")] = "mosquitto",
    folder: FolderOption = FOLDER,
) -> None:
    """Write what the broker reads: trust, revocations, its certificate, access rules, passwords. As root.

    The broker reads it when it starts. SIGHUP (`systemctl reload`) is not enough: mosquitto then drops what should wait
    for a client that is away. A restart loses nothing, and cuts off who is revoked at once.

    Example: `sudo ffe-edge provision deploy --restart`
    """
    from ffe_edge.provision import broker_files, broker_service
    from ffe_edge.provision.signing import now_utc

    changed = broker_files.deploy(open_folder(folder), now_utc(), to, user)
    typer.echo(f"{to}: {', '.join(changed)} written" if changed else f"{to}: nothing has changed")
    if not broker_service.is_marked(to):
        return
    if restart:
        broker_service.restart(to, unit)
        typer.echo(f"{unit} restarted")
    else:
        typer.echo(f"the broker has not read it yet: systemctl restart {unit}", err=True)
