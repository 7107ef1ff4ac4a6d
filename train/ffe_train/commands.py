"""What `ffe-edge train …` does: settings in, files out, a few words for the reader on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ffe_edge.config import DetectorSettings
from ffe_edge.errors import ConfigError
from ffe_edge.faces import YuNet, find_yunet
from ffe_edge.types import FaceDetector
from ffe_train.commands_voices import teachers_of, voices_beside
from ffe_train.cropping import Item
from ffe_train.devices import Options
from ffe_train.import_weights import import_weights
from ffe_train.networks import network_spec
from ffe_train.prepare import prepare
from ffe_train.prepared import open_prepared
from ffe_train.pretrain import pretrain
from ffe_train.pretrain_loop import Epoch, Step
from ffe_train.progress import bar_shown
from ffe_train.recipes import Distil, Pretrain, Transfer, load_stage
from ffe_train.sources import KINDS, RENDERED, detect_kind, ferplus, open_pairs, open_source
from ffe_train.stage_folder import stage_named
from ffe_train.tasks import load_task

DETECTED_PX: Final = 640
"""Long side of the picture that faces are searched in: here time counts less than on a device."""

AnyRecipe = TypeVar("AnyRecipe", Pretrain, Transfer, Distil)


def prepare_set(
    source: str,
    out: Path,
    *,
    kind: str,
    detector_path: Path | None,
    skip_bad: bool,
    check_colours: bool,
    workers: int,
    options: Sequence[str],
    min_age: float | None,
    without: Path | None,
    console: Console,
) -> None:
    """Prepare one set and say what came of it."""
    path = None if source in RENDERED else Path(source)
    kind = source if path is None else detect_kind(path) if kind == "auto" else kind
    if kind not in KINDS:
        raise ConfigError(f"--kind {kind}: there is none; the kinds are {', '.join(KINDS)}")
    given = _options(options)
    items = open_source(kind, path, **given)
    result = prepare(
        items if min_age is None and without is None else _wanted(items, min_age, without),
        out,
        name=out.name,
        detector=_detector(detector_path, kind),
        progress=lambda things, words, total: _bar(things, words, total, console),
        skip_bad=skip_bad,
        workers=workers,
        check_colours=check_colours,
        pairs=open_pairs(kind, path, **given),
    )
    refused = ", ".join(f"{count} {reason}" for reason, count in result.refused.items()) or "none"
    pairs = f", {result.pairs} pairs" if result.pairs else ""
    console.print(f"{out}: {result.count} crops of {kind}{pairs}; refused: {refused}", highlight=False)


def import_public_weights(
    weights: Path, out: Path, *, architecture: str | None, flavour: str, licence: str, kind: str, console: Console
) -> None:
    """Turn public weights into a folder that recipes start from."""
    spec = None if architecture is None else network_spec(architecture, flavour=flavour)
    report = import_weights(weights, out, spec=spec, kind=kind, licence=licence)
    left = f"; left out: {', '.join(report.dropped)}" if report.dropped else ""
    console.print(
        f"{out}: {report.spec.architecture} from {report.kind}, {report.colour_order} turned to RGB, licence "
        f"{report.licence!r}, SHA-256 {report.sha256[:16]}…{left}",
        highlight=False,
    )


def pretrain_stage(
    recipe_path: Path,
    sets: Path,
    out: Path,
    *,
    labels: Path | None,
    seed: int | None,
    options: Options,
    console: Console,
) -> None:
    """Run one pretraining, or give back what it gave before."""
    recipe = recipe_of(recipe_path, Pretrain)
    if seed is not None:
        recipe = recipe.model_copy(update={"seed": seed, "name": f"{recipe.name}.{seed}"})
    voices = voices_beside(recipe_path, recipe)
    names = dict.fromkeys([*recipe.learned, *([recipe.pairs] if recipe.pairs else [])])
    with steps_shown(console) as on_step:
        result = pretrain(
            recipe,
            {name: open_prepared(sets / name) for name in names},
            out,
            task=load_task(labels),
            start=start_folder(recipe.network.start_from, out),
            teachers=teachers_of(recipe, out) if voices is None else (),
            voices=voices,
            options=replace(
                options,
                on_epoch=lambda epoch: _say_epoch(epoch, recipe.schedule.epochs, console),
                on_step=on_step,
            ),
        )
    console.print(f"{result.folder}: {figures_in_words(result.record['metrics'])}", highlight=False)


def recipe_of(path: Path, kind: type[AnyRecipe]) -> AnyRecipe:
    """The recipe of a stage of this kind.

    Raises:
        ConfigError: it cannot be read, or is of another kind; the command for that one is named.
    """
    recipe = load_stage(path)
    if not isinstance(recipe, kind):
        raise ConfigError(f'{path}: has stage = "{recipe.stage}"; run `ffe-edge train {recipe.stage}`')
    return recipe


def start_folder(name: str, out: Path) -> Path | None:
    """The folder of the weights that a recipe starts from: a stage beside it, or a path.

    Raises:
        ConfigError: it is neither.
    """
    return stage_named(name, out) if name else None


def figures_in_words(metrics: Mapping[str, Any]) -> str:
    """A stage's own figures in one line: counts whole, shares with three digits, a warning as it is."""
    told = [f"{name.replace('_', ' ')} {_digits(value)}" for name, value in metrics.items() if _is_figure(value)]
    return ", ".join([*told, *([metrics["warning"]] if "warning" in metrics else [])]) or "done"


def _is_figure(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _digits(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


@contextmanager
def steps_shown(console: Console) -> Iterator[Callable[[Step], None]]:
    """A bar over the steps of an epoch, on a terminal."""
    if not console.is_terminal:
        yield lambda _step: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("reading")

        def show(step: Step) -> None:
            words = f"epoch {step.epoch}, loss {step.loss:.3f}"
            progress.update(bar, description=words, total=step.steps, completed=step.step)

        yield show


def _say_epoch(epoch: Epoch, epochs: int, console: Console) -> None:
    metric = "" if epoch.metric is None else f", metric {epoch.metric:.3f}"
    console.print(
        f"  epoch {epoch.number}/{epochs}: loss {epoch.loss:.3f}{metric}, {epoch.images_per_second:.0f} images/s",
        highlight=False,
    )


def _wanted(items: Iterable[Item], min_age: float | None, without: Path | None) -> list[Item]:
    """Those old enough, and those who are not in the prepared set ``without``."""
    rows = () if without is None else open_prepared(without).rows
    kept_apart = {(row.source, row.subject) for row in rows}
    wanted = [
        item
        for item in items
        if (item.row.source, item.row.subject) not in kept_apart
        and (min_age is None or (item.row.age is not None and item.row.age >= min_age))
    ]
    if not wanted:
        raise ConfigError("nobody is left: --min-age and --without leave out all people of the source")
    return wanted


def _options(texts: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE as keywords; what a value means is the source's own affair."""
    given: dict[str, Any] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        name = key.replace("-", "_")
        if not sign or not key:
            raise ConfigError(f"--option {text}: is KEY=VALUE, as people=111")
        if name in given:
            raise ConfigError(f"--option {text}: {key} is given twice")
        given[name] = value
    return given


def _detector(path: Path | None, kind: str) -> FaceDetector | None:
    """YuNet where there is its file. FER's 48 px are hard for it, but a doubtful face is the only one there."""
    found = find_yunet(path)
    settings = DetectorSettings(long_side_px=DETECTED_PX)
    if kind == "ferplus":
        settings = settings.model_copy(update={"confidence": ferplus.CONFIDENCE})
    return None if found is None else YuNet(found, settings)


def _bar(things: Iterable[Any], words: str, total: int, console: Console) -> Iterator[Any]:
    """The things one by one; a bar on a terminal, a line at every tenth elsewhere."""
    with bar_shown(words, total, console) as advance:
        for thing in things:
            yield thing
            advance(1)
