"""`ffe-edge train robustness`: a model file on spoiled faces -> robustness.json and robustness.png."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ffe_edge.errors import ConfigError, DataError
from ffe_edge.spec import ModelSpec
from ffe_train.files import commit, write_atomically, write_json
from ffe_train.prepared import PreparedSet, open_prepared
from ffe_train.progress import bar_shown
from ffe_train.robust_conditions import Detectors
from ffe_train.robust_faces import FaceSet, crops_of, london_pictures, rendered_scenes
from ffe_train.robust_figure import robustness_figure
from ffe_train.robustness import Read, Readers, count, measure

logger = logging.getLogger(__name__)

VERSION: Final = 1
FILE: Final = "robustness.json"
PICTURE: Final = "robustness.png"
SETS: Final = ("london", "lfw", "ferplus", "rendered")
"""Prepared sets whose split ``test`` is measured, as far as they are there."""


@dataclass(frozen=True)
class Tested:
    """A model file that is ready to read faces."""

    path: Path
    spec: ModelSpec
    sha256: str
    read: Read

    def facts(self) -> dict[str, str]:
        """JSON-able: which model it is."""
        return {"name": self.spec.name, "file": self.path.name, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which faces are measured."""

    sets: Path
    """Folder of prepared sets."""
    london: Path | None
    """Folder of London's own files, whose pictures have a margin."""
    faces: int
    """At most so many of a prepared set."""
    people: int
    """So many people are rendered."""
    seed: int


def measure_robustness(
    model: Tested, other: Tested | None, wanted: Wanted, detectors: Detectors, *, out: Path, console: Console
) -> dict[str, Any]:
    """Measure and write; gives back what stands in ``robustness.json``.

    Raises:
        ConfigError: the two models tell other labels, or nothing is to be measured.
        DataError: a set or a picture cannot be read, or the folder cannot be written.
        ModelError: a model failed.
    """
    if other is not None and other.spec.labels != model.spec.labels:
        raise ConfigError(f"{other.path}: tells other labels than {model.path.name}: {', '.join(other.spec.labels)}")
    sets = faces_of(wanted, model.spec.labels, detectors, console)
    readers = Readers(model.read, other.read if other else None)
    with bar_shown("faces read", count(sets, detectors), console) as step:
        rows = measure(readers, sets, detectors, seed=wanted.seed, step=step)
    result: dict[str, Any] = {"version": VERSION, "model": model.facts(), "commit": commit(), "seed": wanted.seed}
    if other is not None:
        result["against"] = other.facts()
    result["landmarks"] = "detector" if detectors.landmarks else "renderer"
    result["conditions"] = rows
    name, beside = _called(model), _called(other) if other else None
    picture = robustness_figure(rows, sets, detectors, seed=wanted.seed, model=name, other=beside)
    write_atomically(out / PICTURE, picture)
    write_json(result, out / FILE)
    for line in in_words(rows):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return result


def faces_of(wanted: Wanted, labels: Sequence[str], detectors: Detectors, console: Console) -> list[FaceSet]:
    """All sets of faces that are there.

    Raises:
        ConfigError: there is none and no people are to be rendered, or London's pictures come without a detector.
        DataError: one cannot be read.
    """
    prepared = {name: open_prepared(wanted.sets / name) for name in SETS if (wanted.sets / name / "set.json").is_file()}
    if absent := [name for name in SETS if name not in prepared]:
        logger.warning("%s: has no prepared set %s; its faces are left out", wanted.sets, ", ".join(absent))
    found = [crops_of(one, labels, wanted.faces, wanted.seed) for one in prepared.values()]
    if wanted.london is not None:
        found.append(_london(wanted.london, prepared, labels, detectors))
    if wanted.people:
        with bar_shown("people rendered", wanted.people, console) as step:
            found.append(rendered_scenes(labels, wanted.people, wanted.seed, detectors.landmarks, step))
    if not found:
        raise ConfigError(
            f"{wanted.sets}: holds none of the sets {', '.join(SETS)}, and --people is 0: no face is left"
        )
    return found


def in_words(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each set: untouched, and under the condition that costs most."""
    for name in dict.fromkeys(row["set"] for row in rows):
        clean, *others = [row for row in rows if row["set"] == name and row["accuracy"] is not None]
        told = f"{name}: {clean['n']} faces of {clean['people']} people, untouched {_interval(clean)}"
        if others:
            worst = min(others, key=lambda row: float(row["difference"]))
            what = f"{worst['name']} {worst['strength']}".rstrip()
            told += f"; lowest under {what}: {_interval(worst)}, {worst['difference']:+.3f}"
        yield told


def _london(folder: Path, prepared: Mapping[str, PreparedSet], labels: Sequence[str], detectors: Detectors) -> FaceSet:
    if detectors.landmarks is None:
        raise ConfigError("--london needs YuNet to find the faces: give --detector, or run `ffe-edge models fetch`")
    if "london" not in prepared:
        raise DataError("--london needs the prepared set london, which says who is tested; prepare it first")
    return london_pictures(folder, prepared["london"], labels, detectors.landmarks)


def _called(model: Tested) -> str:
    return f"{model.spec.name} ({model.sha256[:8]})"


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['accuracy']:.3f} ({row['low']:.3f}-{row['high']:.3f})"
