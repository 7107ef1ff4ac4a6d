"""The folder of a stage: whose it is, where its weights come from, and whether it is finished."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, Final, Literal

from ffe_edge.errors import ConfigError
from ffe_train.checkpoint import IMPORTED, WEIGHTS, read_stored, weights_digest
from ffe_train.files import read_json, write_json
from ffe_train.people import NOBODY, PEOPLE, People, read_people
from ffe_train.prepared import PreparedSet
from ffe_train.recipes import Transfer
from ffe_train.resume import RECORD, RESUME, check_same, digest_of
from ffe_train.tasks import Task
from ffe_train.voices import Voices

PARTS: Final = "parts"
PREDICTIONS: Final = "predictions.csv"
NOTE: Final = "made_of.json"
TUNING: Final = "tuning.ckpt"
"""Position of an unfinished quantization-aware tuning."""
NOT_MADE_OF: Final = ("ship", "allow_seen_people")
"""Keys of a transfer's recipe that change nothing in what its folds' networks say."""

Kind = Literal["pretrain", "transfer", "aware", "import", "weights"]
TOLD: Final[dict[str, str]] = {
    "pretrain": "a pretraining",
    "transfer": "a transfer",
    "aware": "a quantization-aware tuning",
    "import": "imported weights",
    "weights": "weights that no stage here has made",
}


@dataclass(frozen=True)
class Origin:
    """Where the weights that a stage starts from come from; all is empty where it starts from none."""

    name: str = ""
    """Of the stage, or of the file that was imported."""
    sha256: str = ""
    licence: str = ""
    """Terms of all that went into them, as they were named at the import."""
    sets: tuple[str, ...] = ()
    """Prepared sets that were learned, the first stage's first."""
    people: People = NOBODY

    def taught_by(self, other: Origin | Voices) -> Origin:
        """What others know counts too: their licences, sets and people."""
        named = [*self.licence.split("; "), *other.licence.split("; ")]
        licence = "; ".join(dict.fromkeys(one for one in named if one))
        sets = tuple(dict.fromkeys([*self.sets, *other.sets]))
        return replace(self, licence=licence, sets=sets, people=self.people | other.people)

    @property
    def start(self) -> dict[str, str]:
        """For records and metadata."""
        return {"name": self.name, "sha256": self.sha256}

    def about(self, sets: Sequence[str], people: People) -> dict[str, Any]:
        """Metadata of weights that learned these sets and people from here on."""
        learned = list(dict.fromkeys([*self.sets, *sets]))
        return {"licence": self.licence, "start": self.start, "sets": learned, "people_sha256": people.sha256}


def origin_of(start: Path | None, taught_by: Sequence[Path] = ()) -> Origin:
    """Where a stage begins.

    Args:
        start: folder of the weights, None: from scratch.
        taught_by: folders of other weights whose knowledge comes in; their licences, sets and people count too.

    Raises:
        ModelError: weights are absent or damaged.
        DataError: the file of the people is not that of the weights.
    """
    own = _origin(start) if start else Origin()
    return reduce(Origin.taught_by, map(_origin, taught_by), own)


def _origin(folder: Path) -> Origin:
    about = read_stored(folder).about
    name = about.get("stage") or about.get("name") or about.get("source", {}).get("name") or folder.name
    people = read_people(folder, about.get("people_sha256"))
    return Origin(name, weights_digest(folder), about.get("licence", ""), tuple(about.get("sets", ())), people)


def stage_named(name: str, out: Path) -> Path:
    """The folder of a stage among others in ``out``, or of weights elsewhere.

    Raises:
        ConfigError: it is neither.
    """
    for folder in (out / name, Path(name)):
        if (folder / WEIGHTS).is_file():
            return folder
    raise ConfigError(f"{name}: no such stage in {out} and no folder of weights; train or import it")


def kind_of(folder: Path) -> Kind | None:
    """What lies in a folder, None where there is nothing of these."""
    if (folder / IMPORTED).is_file():
        return "import"
    if (folder / RECORD).is_file():
        stage = read_json(folder / RECORD).get("recipe", {}).get("stage")
        return stage if stage in {"transfer", "aware"} else "pretrain"
    if (folder / TUNING).is_file():
        return "aware"
    if (folder / RESUME).is_file():
        return "pretrain"
    if (folder / PARTS).is_dir():
        return "transfer"
    return "weights" if (folder / WEIGHTS).is_file() else None


def check_own(folder: Path, kind: Literal["pretrain", "transfer", "aware"], starts: Sequence[Path | None]) -> None:
    """A stage may write into a new folder, or into one of its own kind, and not into what it starts from.

    Raises:
        ConfigError: it would; both are named.
    """
    found = kind_of(folder)
    if found not in {None, kind}:
        raise ConfigError(
            f"{folder}: holds {TOLD[str(found)]}, and the stage {folder.name} is {TOLD[kind]}; give it another name, "
            "or move the folder away"
        )
    if any(start.resolve() == folder.resolve() for start in starts if start):
        raise ConfigError(f"{folder}: the stage {folder.name} starts from its own folder; give it another name")


def made(
    recipe: Transfer, target: PreparedSet, task: Task, start: Path | None, more: Mapping[str, Any] | None
) -> dict[str, Any]:
    """All that decides what the folds' networks say."""
    return {
        "recipe": {name: value for name, value in recipe.model_dump(mode="json").items() if name not in NOT_MADE_OF},
        "data": {"name": target.name, "digest": target.digest},
        "labels": list(task.labels),
        "start": weights_digest(start) if start else "",
        **(more or {}),
    }


def claim(folder: Path, made_of: Mapping[str, Any], fresh: bool) -> None:
    """Make the folder of a stage's parts this stage's own; ``check_own`` comes before.

    Raises:
        DataError: it holds the parts of another recipe, set or start, and ``fresh`` is not said; what differs is named.
    """
    note = folder / PARTS / NOTE
    if fresh and folder.is_dir():
        shutil.rmtree(folder / PARTS, ignore_errors=True)
        for name in (RECORD, PREDICTIONS, WEIGHTS, PEOPLE):
            (folder / name).unlink(missing_ok=True)
    if note.is_file():
        check_same(folder, read_json(note), made_of)
    write_json(made_of, note)


def finished(folder: Path, recipe: Transfer, made_of: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of this very stage, where it is finished."""
    if not (folder / RECORD).is_file():
        return None
    record = read_json(folder / RECORD)
    is_same = record.get("recipe") == recipe.model_dump(mode="json") and record.get("digest") == digest_of(made_of)
    return record if is_same else None
