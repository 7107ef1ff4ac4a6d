"""What lies in the folders of a grid's jobs: the results of this very grid, those of something else, or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ffe_edge.errors import DataError, FfeError
from ffe_train import resume, stage_folder
from ffe_train.checkpoint import weights_digest
from ffe_train.commands import start_folder
from ffe_train.files import load_resume, read_json
from ffe_train.grid import Job, recipe_json
from ffe_train.prepared import PreparedSet, open_prepared
from ffe_train.recipes import Pretrain, Transfer
from ffe_train.resume import RECORD, RESUME, check_same
from ffe_train.stage_folder import NOTE, PARTS, PREDICTIONS, made
from ffe_train.target_set import asked_for
from ffe_train.tasks import load_task


@dataclass(frozen=True)
class Place:
    """Where a grid's sets and results lie, and how its jobs run."""

    sets: Path
    """Folder of prepared sets."""
    out: Path
    """Folder of stages."""
    labels: Path | None = None
    """Of another task than the nine expressions."""
    device: str = "auto"
    threads: int = 1
    fresh: bool = False
    """Where a folder holds something else, begin anew."""

    def beside(self, job: Job, ending: str) -> Path:
        """The job's recipe, log or note of failure."""
        return self.out / "recipes" / f"{job.name}.{ending}"


@dataclass(frozen=True)
class State:
    """Of one job."""

    kind: Literal["done", "stale", "failed", "missing"]
    """``stale``: results lie there, but not of this recipe, these sets or this start."""
    why: str = ""


class States:
    """Looks into the folders of a grid's jobs; the sets are read once."""

    def __init__(self, jobs: Sequence[Job], place: Place) -> None:
        self._jobs, self._place = {job.name: job for job in jobs}, place
        self._task = load_task(place.labels)
        self._digests: dict[str, dict[str, str]] = {}
        self._targets: dict[tuple[str, tuple[str, ...]], PreparedSet] = {}

    def of(self, job: Job) -> State:
        """What lies in the job's folder now.

        A job is done where its record tells of the job's recipe, of the sets as they are, and of the weights that it
        starts from as they are; and where all that it needs is done.
        """
        lost = self._lost_need(job)
        if not (self._folder(job) / RECORD).is_file():
            return _failure(job, self._place) or State("missing", lost)
        try:
            self._check_finished(job)
        except FfeError as error:
            return State("stale", str(error))
        return State("stale", lost) if lost else State("done")

    def all(self) -> dict[str, State]:
        """Of every job by its name."""
        return {name: self.of(job) for name, job in self._jobs.items()}

    def goes_on(self, job: Job) -> bool:
        """Whether the folder holds an unfinished training of this very job, which ``--fresh`` would throw away."""
        folder, recipe = self._folder(job), job.recipe
        try:
            made_of = self._made_of(job)
            if isinstance(recipe, Transfer):
                held = {} if stage_folder.finished(folder, recipe, made_of) else read_json(folder / PARTS / NOTE)
            else:
                held = json.loads(load_resume(folder / RESUME).get("made_of", "{}"))
            check_same(folder, held, made_of)
        except FfeError:
            return False
        return True

    def _lost_need(self, job: Job) -> str:
        for name in job.needs:
            if (kind := self.of(self._jobs[name]).kind) != "done":
                return f"needs {name}, which {'has failed' if kind == 'failed' else f'is {kind}'}"
        return ""

    def _check_finished(self, job: Job) -> None:
        folder, recipe, made_of = self._folder(job), job.recipe, self._made_of(job)
        if isinstance(recipe, Transfer):
            is_whole = (folder / PREDICTIONS).is_file()
            record = stage_folder.finished(folder, recipe, made_of) if is_whole else None
        else:
            record = resume.finished(folder, made_of)
        if record is None and isinstance(recipe, Transfer):
            check_same(folder, read_json(folder / PARTS / NOTE), made_of)
        if record is None:
            raise DataError(f"{folder}: holds another training, or one that is not finished")

    def _made_of(self, job: Job) -> dict[str, Any]:
        recipe = job.recipe
        start = start_folder(recipe.network.start_from, self._place.out)
        if isinstance(recipe, Transfer):
            return made(recipe, self._target(recipe), self._task.only(recipe.labels), start, None)
        return {
            "recipe": recipe.model_dump(mode="json"),
            "data": {name: digest for name in recipe.data for digest in self._digest(name).values()},
            **self._judged_by(recipe),
            "start": weights_digest(start) if start else "",
        }

    def _judged_by(self, recipe: Pretrain) -> dict[str, Any]:
        if recipe.learn == "expression":
            return {"labels": ", ".join(self._task.only(recipe.labels).labels)}
        return {"pairs": self._digest(recipe.pairs) if recipe.pairs else {}}

    def _digest(self, name: str) -> dict[str, str]:
        """The set's digest by the name that it has itself."""
        if name not in self._digests:
            found = open_prepared(self._place.sets / name)
            self._digests[name] = {found.name: found.digest}
        return self._digests[name]

    def _target(self, recipe: Transfer) -> PreparedSet:
        key = recipe.data, recipe.labels
        if key not in self._targets:
            target = open_prepared(self._place.sets / recipe.data)
            self._targets[key] = asked_for(target, self._task, self._task.only(recipe.labels))
        return self._targets[key]

    def _folder(self, job: Job) -> Path:
        return self._place.out / job.name


def _failure(job: Job, place: Place) -> State | None:
    """What the job's last run said, where it failed with this very recipe."""
    note = place.beside(job, "failed")
    if not note.is_file():
        return None
    try:
        told = read_json(note)
    except DataError:
        return None
    return State("failed", str(told.get("reason"))) if told.get("recipe") == json.loads(recipe_json(job)) else None
