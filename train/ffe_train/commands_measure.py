"""`ffe-edge train measure`: a model file on held-out faces -> figures.json, predictions and the worst mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ffe_edge.align import CROP_PX
from ffe_edge.config import EventSettings
from ffe_edge.errors import ConfigError, ModelError
from ffe_edge.jsonable import jsonable
from ffe_edge.spec import ModelSpec
from ffe_edge.types import Runner
from ffe_train.failures import CREDITS, Failure, contact_sheet, set_of, worst
from ffe_train.files import commit, write_atomically, write_json
from ffe_train.measured import HeldOut, answers, held_out_sets
from ffe_train.measured_figures import against, figures_of_set
from ffe_train.measured_reach import reach
from ffe_train.measured_twins import without_twins
from ffe_train.model_facts import model_facts
from ffe_train.predictions import Predictions, write_predictions
from ffe_train.progress import bar_shown

VERSION: Final = 1
FIGURES: Final = "figures.json"
FAILURES: Final = "failures.png"
MOST_FAILURES: Final = 6
"""Of each source on the picture."""


@dataclass(frozen=True)
class Loaded:
    """A model file that is ready to run."""

    path: Path
    spec: ModelSpec
    run: Runner


def measure_model(
    ours: Loaded, other: Loaded | None, *, sets: Path, names: Sequence[str], out: Path, resamples: int, console: Console
) -> dict[str, Any]:
    """Measure a model and write what was found.

    Args:
        ours: the model.
        other: one that it is compared with on the same faces.
        sets: folder of prepared sets.
        names: which of these; none: all with labelled faces in the split ``test``.
        out: folder of ``figures.json``, whose content is given back, ``predictions-SET.csv`` and ``failures.png``.
        resamples: of the bootstrap.
        console: told how far it is and what was found.

    Raises:
        ConfigError: the two models tell other labels.
        DataError: a set cannot be used, or the folder cannot be written.
        ModelError: a model does not take prepared crops.
    """
    _check(ours, other)
    found: dict[str, Any] = {}
    failures: dict[str, list[Failure]] = {source: [] for source in CREDITS}
    for held in held_out_sets(sets, names, ours.spec.labels):
        predictions = _answers(ours, held, console)
        found[held.name] = _figures(held, predictions, other, sets, resamples, console)
        write_predictions(predictions, out / f"predictions-{held.name}.csv")
        failures[set_of(held.faces.rows[0].source)] = worst(held, predictions, MOST_FAILURES)
        console.print(_line(held.name, found[held.name]), highlight=False, markup=False, soft_wrap=True)
    result = {**_about(ours, other), "resamples": resamples, "sets": found, "reach": reach(found)}
    write_json(result, out / FIGURES)
    _write_failures(failures, out / FAILURES)
    for line in verdicts_in_words(result["reach"]):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return result


def verdicts_in_words(verdicts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line a target that was measured."""
    for one in verdicts:
        if one["reached"] is not None:
            told = "reached" if one["sure"] else "reached, but its interval goes beyond" if one["reached"] else "MISSED"
            interval = f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
            yield f"{one['set']}: {one['figure']} {interval}, wanted {one['sense']} {one['target']:g}: {told}"


def _about(ours: Loaded, other: Loaded | None) -> dict[str, Any]:
    against_it = None if other is None else jsonable(model_facts(other.path, other.spec))
    return {
        "version": VERSION,
        "model": jsonable(model_facts(ours.path, ours.spec)),
        "against": against_it,
        "backend": ours.run.backend,
        "commit": commit(),
    }


def _check(ours: Loaded, other: Loaded | None) -> None:
    for model in (ours, other):
        if model is not None and model.spec.size_px != CROP_PX:
            raise ModelError(f"{model.path}: takes crops of {model.spec.size_px} px, prepared sets hold {CROP_PX}")
    if other is not None and other.spec.labels != ours.spec.labels:
        raise ConfigError(f"{other.path}: tells other labels than {ours.path.name}: {', '.join(other.spec.labels)}")


def _answers(model: Loaded, held: HeldOut, console: Console) -> Predictions:
    with bar_shown(f"{held.name}, {model.path.name}", len(held), console) as advance:
        return answers(model.run, held, advance)


def _figures(
    held: HeldOut, predictions: Predictions, other: Loaded | None, sets: Path, resamples: int, console: Console
) -> dict[str, Any]:
    threshold = EventSettings().min_probability
    figures = figures_of_set(predictions, threshold=threshold, resamples=resamples)
    figures["learned_twins"] = without_twins(held, predictions, sets, resamples)
    if other is None:
        return {**figures, "against": None}
    return {**figures, "against": against(predictions, _answers(other, held, console), resamples=resamples)}


def _write_failures(failures: Mapping[str, list[Failure]], path: Path) -> None:
    picture = contact_sheet({source: some for source, some in failures.items() if source in CREDITS})
    if picture is None:
        path.unlink(missing_ok=True)
    else:
        write_atomically(path, picture)


def _line(name: str, figures: Mapping[str, Any]) -> str:
    if figures["too_few"]:
        return f"{name}: {figures['images']} images of too few people for figures"
    people = "" if figures["subjects"] is None else f" of {figures['subjects']} people"
    accuracy, f1, ece = (figures[key] for key in ("accuracy", "macro_f1", "ece"))
    told = f"accuracy {_interval(accuracy)}, macro F1 {_interval(f1)}, ECE {ece['value']:.3f}"
    return f"{name}: {figures['images']} images{people}, {told}"


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"
