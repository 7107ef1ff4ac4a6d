"""`ffe-edge resident`: enrol people who agreed, list them, forget them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Optional

import typer

from ffe_edge.errors import ConfigError

if TYPE_CHECKING:
    from ffe_edge.config import CameraSettings, Config
    from ffe_edge.residents import Agreement
    from ffe_edge.types import ImageArray

LOOK_EVERY_SECONDS: Final = 0.4
LOOK_FOR_SECONDS: Final = 60.0

resident_app = typer.Typer(
    no_args_is_help=True,
    help="Residents who agreed to be known. Kept encrypted; a number of chance is all that leaves this machine.",
)

ConfigOption = Annotated[Optional[Path], typer.Option("--config", help="TOML file with settings.")]
ModelOption = Annotated[Optional[Path], typer.Option("--model", help="The model that serves [default: as configured].")]
DetectorOption = Annotated[Optional[Path], typer.Option("--detector", help="YuNet's ONNX [default: as configured].")]


@resident_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="As carers know the person; it stays in the encrypted store.")],
    source: Annotated[
        str,
        typer.Option(
            "--from", help="Folder of pictures that show this person alone, or a camera's id of the settings."
        ),
    ],
    consent: Annotated[str, typer.Option("--consent", help="Who gave it, when and how; recorded with the resident.")],
    config: ConfigOption = None,
    model: ModelOption = None,
    detector: DetectorOption = None,
) -> None:
    """Enrol somebody who agreed. The pictures are looked at and not kept.

    Example: `ffe-edge resident add "Hanako Sato" --from photos/ --consent "herself, 2026-11-24, signed form 12"`
    """
    from ffe_edge.residents_enrol import agreed

    agreement = agreed(name, consent)
    typer.echo(_enrolled(_settings(config, model, detector), agreement, source))


@resident_app.command("list")
def list_residents(config: ConfigOption = None, model: ModelOption = None) -> None:
    """Print who is enrolled: id, name, since when, by whose consent, and whether the model can recognise them."""
    from ffe_edge.engine.model import open_source
    from ffe_edge.errors import ModelError
    from ffe_edge.people import open_store, store_path
    from ffe_edge.residents_match import embedding_space, identity_threshold

    settings = _settings(config, model, None)
    residents = open_store(settings).load() if store_path(settings).exists() else ()
    found = open_source(settings.model.path)
    try:
        identity_threshold(found.spec)
    except ModelError as error:
        typer.echo(str(error), err=True)
    space = embedding_space(found.spec, found.file.sha256)
    for resident in residents:
        current = "" if resident.model == space else "\tenrolled with another model: enrol again"
        since = f"{resident.enrolled_at:%Y-%m-%d}"
        typer.echo(f"{resident.id}\t{resident.name}\t{since}\t{resident.consent}{current}")
    typer.echo(f"{len(residents)} residents", err=True)


@resident_app.command("forget")
def forget(
    who: Annotated[str, typer.Argument(help="Id or name.")],
    config: ConfigOption = None,
) -> None:
    """Delete a resident: name, consent, embeddings, baseline. A running daemon follows in a moment."""
    from ffe_edge.people import open_store
    from ffe_edge.residents_enrol import forgotten

    store = open_store(_settings(config, None, None))
    store.change(lambda residents: forgotten(residents, who))
    typer.echo("forgotten")


def _settings(config: Path | None, model: Path | None, detector: Path | None) -> Config:
    from ffe_edge.config import load_config

    return load_config(config, {"model": {"path": model}, "detector": {"path": detector}})


def _enrolled(settings: Config, agreement: Agreement, source: str) -> str:
    """Look, enrol, and say who it is now."""
    from ffe_edge.engine.model import load_model
    from ffe_edge.faces import load_detector
    from ffe_edge.people import open_store
    from ffe_edge.residents_enrol import Looks, enrolled
    from ffe_edge.residents_match import embedding_space, identity_threshold

    loaded = load_model(settings.model.path, settings.model.threads, "onnxruntime")
    threshold = identity_threshold(loaded.spec)
    store = open_store(settings, create=True)
    looks = Looks(load_detector(settings.detector), loaded.run, loaded.spec.size_px)
    looks.take(_images(settings, source))
    embeddings = looks.embeddings(threshold=threshold)
    space = embedding_space(loaded.spec, loaded.sha256)
    residents = store.change(
        lambda known: enrolled(
            known,
            agreement=agreement,
            model=space,
            embeddings=embeddings,
            threshold=threshold,
            now=datetime.now(timezone.utc),
        )
    )
    return f"{residents[-1].id} enrolled from {len(looks)} pictures"


def _images(settings: Config, source: str) -> Iterator[ImageArray]:
    """Pictures of the folder, or of the camera of this id, one at a time."""
    from ffe_edge.camera import open_source

    camera = _camera(settings, source)
    frames = open_source(camera)
    begin = last = None
    try:
        for frame in frames:
            begin = frame.seconds if begin is None else begin
            if last is None or frame.seconds - last >= LOOK_EVERY_SECONDS:
                last = frame.seconds
                yield frame.image
            if frame.seconds - begin > LOOK_FOR_SECONDS:
                return
    finally:
        frames.close()


def _camera(settings: Config, source: str) -> CameraSettings:
    """The camera to open.

    Raises:
        ConfigError: neither a folder nor a camera's id, or privacy or a pause keeps it from looking.
    """
    from ffe_edge.people import open_switch

    if Path(source).exists():
        return settings.camera.model_copy(update={"source": source, "fps": 1.0, "realtime": False})
    found = next((camera for camera in settings.cameras if camera.id == source), None)
    if found is None:
        ids = ", ".join(camera.id for camera in settings.cameras)
        raise ConfigError(f"--from: {source!r} is no folder of pictures and no camera; cameras are {ids}")
    if reasons := open_switch(settings).reasons(found.id):
        raise ConfigError(f"--from: {found.id} may not look, asked for by {', '.join(reasons)}; end that first")
    return found
