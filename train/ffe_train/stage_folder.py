"""The folder of a stage that trains many networks: whose it is, and whether it is finished."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ffe_train.checkpoint import WEIGHTS, weights_digest
from ffe_train.files import read_json, write_json
from ffe_train.prepared import PreparedSet
from ffe_train.recipes import Transfer
from ffe_train.resume import RECORD, check_same, digest_of
from ffe_train.tasks import Task

PARTS: Final = "parts"
PREDICTIONS: Final = "predictions.csv"
NOTE: Final = "made_of.json"


def made(
    recipe: Transfer, target: PreparedSet, task: Task, start: Path | None, more: Mapping[str, Any] | None
) -> dict[str, Any]:
    """All that decides what the folds' networks say."""
    return {
        "recipe": {name: value for name, value in recipe.model_dump(mode="json").items() if name != "ship"},
        "data": {"name": target.name, "digest": target.digest},
        "labels": list(task.labels),
        "start": weights_digest(start) if start else "",
        **(more or {}),
    }


def claim(folder: Path, made_of: Mapping[str, Any], fresh: bool) -> None:
    """Make the folder of a stage's parts this stage's own.

    Raises:
        DataError: it holds the parts of another recipe, set or start, and ``fresh`` is not said; what differs is named.
    """
    note = folder / PARTS / NOTE
    if fresh and folder.is_dir():
        shutil.rmtree(folder / PARTS, ignore_errors=True)
        for name in (RECORD, PREDICTIONS, WEIGHTS):
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
