"""`ffe-edge models keygen, sign, publish, rollback, state`: models for devices that are far away."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Optional

import typer

if TYPE_CHECKING:
    from ffe_edge.config import Config
    from ffe_edge.updates.minisign_secret import SecretKey

DAYS: Final = 30

ConfigOption = Annotated[Optional[Path], typer.Option("--config", help="TOML file with the settings.")]
SiteOption = Annotated[Optional[str], typer.Option("--site", help="Name of the home.")]
NodeOption = Annotated[Optional[str], typer.Option("--node", help="Name of one device of it.")]
PasswordOption = Annotated[
    Optional[Path],
    typer.Option("--password-file", help="File whose first line is the key's password [default: it is asked for]."),
]


def keygen(
    path: Annotated[Path, typer.Argument(help="The secret key to be; the public one gets the ending .pub.")],
    password_file: PasswordOption = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Whoever has the file can sign: for a machine that signs alone.")
    ] = False,
) -> None:
    """Make a key that signs models for your devices, in minisign's format: the program minisign can use it, too.

    Keep the secret key off the devices and off the broker, and a copy of it in a safe. The line that is printed goes
    into the settings of every device, under model_updates.public_keys.

    Example: `ffe-edge models keygen release.key`
    """
    from ffe_edge.updates.minisign_secret import SecretKey, write_key

    password = None if no_password else _new_password(password_file)
    key = SecretKey.new()
    public = write_key(path, key, password)
    typer.echo(f"{path} signs; keep it secret. {public} is for the devices:\n")
    typer.echo(f'[model_updates]\nenabled = true\npublic_keys = ["{key.public.text}"]')


def sign(
    model: Annotated[Path, typer.Argument(help="An exported ONNX, or the folder of `ffe-edge export`.")],
    url: Annotated[
        str,
        typer.Option("--url", help="Where devices will find it: of the file, or of its folder with a / at the end."),
    ],
    counter: Annotated[
        int, typer.Option("--counter", min=1, help="Higher than that of any release before: devices never go back.")
    ],
    key: Annotated[
        Optional[Path],
        typer.Option("--key", help="The secret key; without it minisign signs, before this (the file) and after it."),
    ] = None,
    password_file: PasswordOption = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="No device begins it later than this.")] = DAYS,
    site: SiteOption = None,
    node: NodeOption = None,
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="The manifest [default: NAME-COUNTER.json].")
    ] = None,
) -> None:
    """Make a release of a model: look it over, write its manifest, sign both. Nothing is sent anywhere.

    The manifest says where the model is, how large it is, its SHA-256, the counter, and until when and for whom it is
    meant: with --site or --node no other device takes it, whoever publishes it there. Put the model's files to their
    address, then `ffe-edge models publish`.

    Example: `ffe-edge models sign runs/ffe-r18 --url https://models.example/ffe-r18-7/ --counter 7 --key release.key`
    """
    from ffe_edge.updates.signing import Terms, make_release, signature_path

    not_after = datetime.now(timezone.utc) + timedelta(days=days)
    secret = _unlocked(key, password_file) if key else None
    target = output or Path(f"{model.stem}-{counter}.json")
    manifest = make_release(model, Terms(url, counter, not_after, site, node), target, secret)
    typer.echo(f"{target}: {manifest.name}, release {counter}, {manifest.all_bytes} bytes, until {not_after:%Y-%m-%d}")
    if secret is None:
        typer.echo(f"now sign it: minisign -S -m {target}")
    typer.echo(f"with {signature_path(target)}: ffe-edge models publish {target} --broker mqtt://… --site …")


def publish(
    manifest: Annotated[
        Optional[Path], typer.Argument(help="That `ffe-edge models sign` wrote, its .minisig beside it.")
    ] = None,
    broker: Annotated[Optional[str], typer.Option("--broker", help="mqtt://host:1883 or mqtts://host:8883.")] = None,
    site: SiteOption = None,
    node: NodeOption = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take back what is published there instead.")] = False,
    public_key: Annotated[
        Optional[Path], typer.Option("--public-key", help="release.pub: hold the signature against it first.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Tell devices which model to run: one with --node, all of a home without it. It stays until another is told.

    A device's own wish wins over that of the home. User name, password file and certificates of the broker come from
    [broker] of --config. Watch `<site>/<node>/model/state`: active, refused or rolled-back, with the reason.

    Example: `ffe-edge models publish ffe-r18-7.json --broker mqtts://10.0.0.2:8883 --site kiso --node edge-01`
    """
    from ffe_edge.updates.inbox import own_topic, site_topic
    from ffe_edge.updates.publishing import publish_retained

    if (manifest is None) != clear:
        raise typer.BadParameter("give a manifest to publish, or --clear")
    if site is None:
        raise typer.BadParameter("--site is needed: a wish is for a home, or for one device of it")
    settings = _settings(config, broker=broker, site=site, node=node)
    topic = own_topic(settings) if node else site_topic(settings)
    payload = _checked_wish(manifest, site, node, public_key) if manifest else b""
    publish_retained(settings.broker, topic, payload)
    typer.echo(f"{topic} {'cleared' if clear else 'published'}")


def rollback(config: ConfigOption = None, site: SiteOption = None, node: NodeOption = None) -> None:
    """Go back to the model before the last update, on this device; that update is not taken again.

    Asks the daemon where it runs, else changes what it begins with. From afar the MQTT command `rollback` does the
    same. Run it as the daemon's user, with the daemon's settings.

    Example: `ffe-edge models rollback --config /etc/ffe-edge/ffe.toml`
    """
    from ffe_edge.updates.device import roll_back

    typer.echo(roll_back(_settings(config, site=site, node=node)))


def state(config: ConfigOption = None, site: SiteOption = None, node: NodeOption = None) -> None:
    """Print how far this device is with its desired model, as JSON: what its topic model/state tells, and what failed.

    Example: `ffe-edge models state --config /etc/ffe-edge/ffe.toml`
    """
    from ffe_edge.updates.device import state_of

    typer.echo(json.dumps(state_of(_settings(config, site=site, node=node)), ensure_ascii=False, indent=2))


def _checked_wish(manifest: Path, site: str, node: str | None, public_key: Path | None) -> bytes:
    """The payload, once it is what devices there could take."""
    from ffe_edge.errors import ModelError
    from ffe_edge.updates.manifest import desired_from, manifest_of, opened
    from ffe_edge.updates.minisign import read_public_key

    payload, told = desired_from(manifest), manifest_of(manifest)
    for what, wanted, given in (("site", told.site, site), ("node", told.node, node)):
        if wanted not in (None, given):
            raise ModelError(
                f"{manifest}: is signed for {what} {wanted}, not for {given or 'all'}; nobody there takes it"
            )
    if public_key:
        opened(payload, [read_public_key(public_key)], site=site, node=told.node or "any")
    return payload


def _settings(
    config: Path | None, *, broker: str | None = None, site: str | None = None, node: str | None = None
) -> Config:
    from ffe_edge.config import load_config

    overrides: dict[str, Any] = {"site": site, "node": node, "broker": {"url": broker}}
    return load_config(config, overrides)


def _new_password(file: Path | None) -> str:
    if file is None:
        text: str = typer.prompt("Password of the new key", hide_input=True, confirmation_prompt=True)
        return text
    return _first_line(file)


def _unlocked(path: Path, password_file: Path | None) -> SecretKey:
    from ffe_edge.updates.minisign_secret import needs_password, read_key, unlocked

    data, password = read_key(path), None
    if needs_password(data):
        password = _first_line(password_file) if password_file else typer.prompt("Password of the key", hide_input=True)
    return unlocked(data, password)


def _first_line(path: Path) -> str:
    from ffe_edge.errors import ModelError

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: the password cannot be read ({error}); give a file with one line") from error
    if not lines or not lines[0]:
        raise ModelError(f"{path}: holds no password; its first line is the password, or use --no-password")
    return lines[0]
