"""`ffe-edge dashboard`: the pages that a care home looks at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ffe_edge.cli_terminal import logged, need, stopping_on_signals

if TYPE_CHECKING:
    from ffe_edge.dashboard.settings import DashboardSettings


def dashboard(
    broker: Annotated[
        Optional[str],
        typer.Option("--broker", help="Where the devices tell: mqtt://host:1883 or mqtts://host:8883."),
    ] = None,
    database: Annotated[
        Optional[str],
        typer.Option(
            "--database",
            help="sqlite:////path/of/the/file, or postgresql://user@host/name for several homes "
            "[default: a SQLite file in the state folder].",
        ),
    ] = None,
    host: Annotated[
        Optional[str],
        typer.Option(
            "--host", help="Address to listen on; 0.0.0.0 shows the pages to the network [default: 127.0.0.1]."
        ),
    ] = None,
    port: Annotated[
        Optional[int], typer.Option("--port", min=0, max=65535, help="0 takes any free one [default: 8080].")
    ] = None,
    config: Annotated[
        Optional[Path], typer.Option("--config", help="TOML file with settings; flags win over it.")
    ] = None,
    backup: Annotated[
        Optional[Path],
        typer.Option("--backup", help="Only copy the SQLite database to this file, while the dashboard runs, and end."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
) -> None:
    """Show a care home what its devices tell: floor, residents, alerts, handover. Stops at Ctrl-C or SIGTERM.

    It knows nothing of cameras or models; it reads the topics of all nodes at the broker and keeps them in a database.
    The first start makes the user `admin` and prints a one-time password, once. What comes while it is stopped waits
    at the broker for up to a week: let mosquitto keep it with `persistence true` and `max_queued_messages 0`.

    Settings of FILE: `[broker]` url, username, password_file, ca_file …; `[database]` url or url_file; `[web]` host,
    port, names, secure_cookies; `[home]` name_ja, name_en, time_zone, language; `[retention]` events_days …;
    `[webhook]` url, secret_file, with_names.

    Examples: `ffe-edge dashboard --broker mqtt://10.0.0.2:1883 --host 0.0.0.0 --port 8080`,
    `ffe-edge dashboard --config dashboard.toml --backup copy.sqlite`
    """
    need("fastapi", "dashboard")
    from ffe_edge.dashboard.running import Dashboard
    from ffe_edge.dashboard.settings import load_settings

    overrides = {"broker": {"url": broker}, "database": {"url": database}, "web": {"host": host, "port": port}}
    settings = load_settings(config, overrides)
    if backup is not None:
        _back_up(settings, backup)
        return
    running = Dashboard(settings)
    with logged(verbose=verbose), stopping_on_signals(running.stop):
        running.start()
        typer.echo(f"Open {running.url}")
        if running.first_password is not None:
            typer.echo(f"First sign-in: user admin, one-time password {running.first_password}")
        running.wait()


def _back_up(settings: DashboardSettings, path: Path) -> None:
    from ffe_edge.dashboard.backup import back_up
    from ffe_edge.dashboard.settings import database_url

    size = back_up(database_url(settings.database), path)
    typer.echo(f"{path}: {size / 1e6:.1f} MB, checked. It holds names and consents: keep it where only you can read it")
