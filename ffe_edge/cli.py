"""The command line: the one place where settings are read and errors become one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Optional

import typer
from rich.console import Console

from ffe_edge import __version__
from ffe_edge.cli_bench import bench
from ffe_edge.cli_config import config_app
from ffe_edge.cli_dashboard import dashboard
from ffe_edge.cli_export import engine_app, export
from ffe_edge.cli_models import models_app
from ffe_edge.cli_provision import provision_app
from ffe_edge.cli_resident import resident_app
from ffe_edge.cli_schema import schema
from ffe_edge.cli_terminal import ending_at_once, logged, progress_line, quiet_opencv, stopping_on_signals
from ffe_edge.cli_train import train_app
from ffe_edge.errors import FfeError

if TYPE_CHECKING:
    from ffe_edge.config import Config

EXIT_ERROR: Final = 2
EPILOG: Final = "Begin with `ffe-edge demo`. A camera: `ffe-edge run --source /dev/video0 --broker mqtt://host:1883`."

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=True,
    help="Reads facial expressions of elderly people at the edge and tells them over MQTT. "
    "No picture leaves this machine.",
    epilog=EPILOG,
)
app.add_typer(models_app, name="models")
app.add_typer(config_app, name="config")
app.add_typer(resident_app, name="resident")
app.add_typer(provision_app, name="provision")
app.add_typer(train_app, name="train")
app.add_typer(engine_app, name="engine")
app.command()(export)
app.command()(bench)
app.command()(dashboard)
app.command()(schema)

ConfigOption = Annotated[Optional[Path], typer.Option("--config", help="TOML file with settings; flags win over it.")]
SourceOption = Annotated[
    Optional[str],
    typer.Option(
        "--source",
        help="Video file, folder of images, rtsp://…, /dev/video0 or its index, csi://0; demo: is a rendered person.",
    ),
]
SourcesOption = Annotated[
    Optional[list[str]],
    typer.Option(
        "--source",
        help="Video file, folder of images, rtsp://…, /dev/video0 or its index, csi://0; demo: is a rendered person. "
        "Once for each camera.",
    ),
]
ModelOption = Annotated[
    Optional[Path],
    typer.Option("--model", help="Folder of `ffe-edge export`, an ONNX model, or a name [default: the shipped one]."),
]
DetectorOption = Annotated[
    Optional[Path],
    typer.Option("--detector", help="YuNet's ONNX [default: the fetched one, else OpenCV's Haar cascade]."),
]
BrokerOption = Annotated[Optional[str], typer.Option("--broker", help="mqtt://host:1883 or mqtts://host:8883.")]
SiteOption = Annotated[Optional[str], typer.Option("--site", help="Name of the home, [a-z0-9-].")]
NodeOption = Annotated[Optional[str], typer.Option("--node", help="Name of this device, [a-z0-9-].")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]


def main() -> None:
    """Run a command; an error of the outside world becomes one line on stderr and exit code 2."""
    quiet_opencv()
    with ending_at_once():
        try:
            app()
        except FfeError as error:
            Console(stderr=True, soft_wrap=True).print(f"error: {error}", style="red", markup=False, highlight=False)
            sys.exit(EXIT_ERROR)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ffe-edge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def run(
    source: SourcesOption = None,
    model: ModelOption = None,
    broker: BrokerOption = None,
    config: ConfigOption = None,
    site: SiteOption = None,
    node: NodeOption = None,
    detector: DetectorOption = None,
    print_events: Annotated[bool, typer.Option("--print", help="Print events as NDJSON; needs no broker.")] = False,
    realtime: Annotated[Optional[bool], typer.Option(help="Play a file at its own speed.")] = None,
    log_format: Annotated[Optional[str], typer.Option("--log-format", help="`text` or `json`.")] = None,
    verbose: VerboseOption = False,
) -> None:
    """Watch a camera or a file and tell emotion events.

    A file ends with exit code 0 after its last event is delivered. SIGTERM or Ctrl-C stops a camera cleanly; events
    that the broker does not have yet are kept on disk and sent at the next start. SIGHUP reads the settings again.

    Example: `ffe-edge run --source rtsp://10.0.0.7/live --broker mqtt://10.0.0.2:1883 --site kiso --node edge-01`
    """

    def load() -> Config:
        return _settings(
            config,
            source=source,
            model=model,
            broker=broker,
            site=site,
            node=node,
            detector=detector,
            realtime=realtime,
            log_format=log_format,
        )

    settings = load()
    from ffe_edge.service import Service

    with logged(verbose=verbose, form=settings.service.log_format) as console:
        service = Service(settings, on_event=_print_event if print_events else None, load=load)
        with (
            stopping_on_signals(service.stop, service.reload),
            progress_line(service, console) as tick,
        ):
            service.run(tick)


@app.command()
def demo(
    source: SourceOption = None,
    seconds: Annotated[Optional[float], typer.Option(min=1, help="End after this long [default: at Ctrl-C].")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page on 127.0.0.1; 0 takes a free one.")] = 8080,
    browser: Annotated[bool, typer.Option(help="Open the dashboard in a browser.")] = True,
    broker: BrokerOption = None,
    detector: DetectorOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """See it work: the dashboard in the browser, a rendered elderly person before a camera, the whole line between.

    Three simulated residents live there, too, an hour of theirs in a minute, with thirty days behind them; with
    `--broker` they do not, so that nobody else takes them for real ones. The link that is printed signs in, once. All
    is gone at the end. With no mosquitto installed a small broker in pure Python is started, for trying only. Exit code
    0 when events of the camera arrived in the dashboard, 1 when none did.

    Example: `ffe-edge demo --source video.mp4 --seconds 60`
    """
    from ffe_edge.demo import run_demo

    settings = _settings(config, source=source or "demo:", model=model, broker=broker, detector=detector, realtime=True)
    with logged(verbose=verbose) as console, ExitStack() as signals:
        arrived = run_demo(
            settings,
            port=port,
            seconds=seconds,
            open_browser=browser,
            show=_shower(console),
            guard=lambda stop: signals.enter_context(stopping_on_signals(stop)),
        )
    raise typer.Exit(0 if arrived else 1)


@app.command()
def doctor(
    config: ConfigOption = None,
    source: SourceOption = None,
    broker: BrokerOption = None,
    detector: DetectorOption = None,
    model: ModelOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what this machine has and lacks, with a remedy for each. Exit code 1 when something needed is missing."""
    from ffe_edge.doctor import as_json, as_table, examine, exit_code

    findings = examine(_settings(config, source=source, model=model, broker=broker, detector=detector))
    if json_output:
        typer.echo(as_json(findings))
    else:
        Console().print(as_table(findings))
    raise typer.Exit(exit_code(findings))


def _settings(
    config: Path | None,
    *,
    source: str | list[str] | None = None,
    model: Path | None = None,
    broker: str | None = None,
    site: str | None = None,
    node: str | None = None,
    detector: Path | None = None,
    realtime: bool | None = None,
    log_format: str | None = None,
) -> Config:
    from ffe_edge.config import load_config

    overrides: dict[str, Any] = {
        "site": site,
        "node": node,
        "camera": {"source": source, "realtime": realtime},
        "model": {"path": model},
        "broker": {"url": broker},
        "detector": {"path": detector},
        "service": {"log_format": log_format},
    }
    return load_config(config, overrides)


def _print_event(payload: bytes) -> None:
    sys.stdout.write(payload.decode() + "\n")
    sys.stdout.flush()


def _shower(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(text, highlight=False, soft_wrap=True)
