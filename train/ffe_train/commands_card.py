"""`ffe-edge train card`: files of a run -> the model card and its pictures beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ffe_edge.errors import DataError
from ffe_train.card import CardFacts, model_card
from ffe_train.card_pictures import calibration_figure
from ffe_train.card_tables import Json, measured
from ffe_train.commands_measure import FAILURES, FIGURES
from ffe_train.files import read_json, write_atomically
from ffe_train.resume import RECORD
from ffe_train.small_png import small_png

ROBUSTNESS, ROBUSTNESS_PICTURE = "robustness.json", "robustness.png"
CLIPS = "clips.json"
BASELINE = "baseline.json"
MOST_BYTES: Final = 400_000
"""Of the picture of robustness."""


def write_card(stage: Path, figures: Path, out: Path, *, export: Path | None, console: Console) -> None:
    """Write a card and its pictures.

    Args:
        stage: folder of the training.
        figures: folder of ``measure`` and, where they were run, ``robustness``, ``events.py --json`` and
            ``baseline.py --json`` of ``benchmarks/``.
        out: the page; pictures lie beside it, named after the model.
        export: the bundle's folder or its ``report.json``, for figures of INT8.
        console: told what was written.

    Raises:
        DataError: a file is absent, or tells of another model than the others.
    """
    record = _read(stage / RECORD, "give the folder of a finished stage")
    found = _read(figures / FIGURES, "`ffe-edge train measure` writes it")
    robustness = read_json(figures / ROBUSTNESS) if (figures / ROBUSTNESS).is_file() else None
    clips = read_json(figures / CLIPS) if (figures / CLIPS).is_file() else None
    baseline = read_json(figures / BASELINE) if (figures / BASELINE).is_file() else None
    report = None if export is None else read_json(export / "report.json" if export.is_dir() else export)
    _check_same(record, found, {ROBUSTNESS: robustness, CLIPS: clips, BASELINE: baseline}, figures)
    names = {}
    for name, picture in _pictures(found, figures, robustness):
        path = out.with_name(f"{found['model']['name']}-{name}.png")
        write_atomically(path, picture)
        names[name] = path.name
    write_atomically(out, model_card(CardFacts(record, found, robustness, clips, baseline, report, names)).encode())
    beside = f", beside it {', '.join(names.values())}" if names else ""
    console.print(f"{out}{beside}", highlight=False, markup=False, soft_wrap=True)


def _read(path: Path, what_to_do: str) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path}: is not there; {what_to_do}")
    return read_json(path)


def _check_same(record: Json, found: Json, others: Mapping[str, Json | None], figures: Path) -> None:
    """Figures of one model under the recipe of another would be a lie."""
    model = found["model"]
    try:
        recipe = json.loads(model["recipe"] or "{}")
    except json.JSONDecodeError:
        recipe = model["recipe"]
    if (recipe, model["commit"]) != (record.get("recipe", {}), record.get("commit", "")):
        raise DataError(
            f"{figures / FIGURES}: is of {model['file']}, which is not of this stage; measure the stage's export"
        )
    for name, other in others.items():
        if other is not None and other["model"]["sha256"] != model["sha256"]:
            raise DataError(f"{figures / name}: is of another model file than {FIGURES}; measure the same one")


def _pictures(found: Json, figures: Path, robustness: Json | None) -> Iterator[tuple[str, bytes]]:
    sets = {
        n: one for n, one in measured(found["sets"]).items() if n != "ferplus" or "ferplus-paper" not in found["sets"]
    }
    if sets:
        yield "calibration", calibration_figure(sets)
    if robustness is not None and (figures / ROBUSTNESS_PICTURE).is_file():
        yield "robustness", small_png((figures / ROBUSTNESS_PICTURE).read_bytes(), MOST_BYTES)
    if (figures / FAILURES).is_file():
        yield "failures", (figures / FAILURES).read_bytes()
