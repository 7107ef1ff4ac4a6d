"""Runs the jobs of a grid: here, a few at a time in processes of their own, or on a cluster as an array of tasks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ffe_edge.errors import ConfigError
from ffe_train.files import write_atomically
from ffe_train.grid import Job, recipe_json

Say = Callable[[str], None]
Scheduler = Literal["slurm", "age"]
LAST_WORDS: Final = 400


@dataclass(frozen=True)
class Place:
    """Where a grid's sets and results lie."""

    sets: Path
    """Folder of prepared sets."""
    out: Path
    """Folder of stages."""
    options: tuple[str, ...] = ()
    """More words for every job's command."""


def is_done(job: Job, place: Place) -> bool:
    """Whether the stage's record is there and is of this very recipe."""
    record = place.out / job.name / "stage.json"
    if not record.is_file():
        return False
    recipe = json.loads(record.read_text(encoding="utf-8")).get("recipe")
    return bool(recipe == json.loads(recipe_json(job)))


def command_of(job: Job, place: Place) -> list[str]:
    """What runs one job; its recipe is written beside the stages."""
    path = place.out / "recipes" / f"{job.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, recipe_json(job).encode())
    program = [sys.executable, "-m", "ffe_edge", "train", job.recipe.stage, str(path)]
    return [*program, "--sets", str(place.sets), "--out", str(place.out), *place.options]


def run_job(job: Job, place: Place) -> str | None:
    """Run one job; its output goes to a log beside its recipe. None when it went well, else its last words."""
    log = place.out / "recipes" / f"{job.name}.log"
    command = command_of(job, place)
    with log.open("ab") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    if code == 0:
        return None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
    return f"exit code {code}: {lines[-1][-LAST_WORDS:]}"


def run_here(jobs: Sequence[Job], place: Place, *, workers: int, say: Say) -> dict[str, str]:
    """Run what is not done yet, each job after those that it needs.

    Args:
        jobs: in an order that puts each after its needs.
        place: where sets and results lie.
        workers: processes at a time.
        say: told each job's beginning and end.

    Returns:
        Reasons by name of the jobs that failed, and of those that could not start for it. The others are done.
    """
    done = {job.name for job in jobs if is_done(job, place)}
    waiting = [job for job in jobs if job.name not in done]
    say(f"{len(jobs)} jobs, {len(done)} done already")
    failed: dict[str, str] = {}
    running: dict[Future[str | None], Job] = {}
    with ThreadPoolExecutor(workers) as pool:
        while waiting or running:
            waiting = _given_up(waiting, failed)
            for job in [job for job in waiting if done.issuperset(job.needs)][: workers - len(running)]:
                waiting.remove(job)
                running[pool.submit(run_job, job, place)] = job
                say(f"{job.name}: started")
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                job, reason = running.pop(future), future.result()
                if reason is None:
                    done.add(job.name)
                else:
                    failed[job.name] = reason
                say(f"{job.name}: {reason or 'done'} ({len(done)} of {len(jobs)})")
    return failed


def _given_up(waiting: list[Job], failed: dict[str, str]) -> list[Job]:
    """Those whose needs may still come; the others are failed too."""
    left = []
    for job in waiting:
        lost = [name for name in job.needs if name in failed]
        if lost:
            failed[job.name] = f"needs {lost[0]}, which failed"
        else:
            left.append(job)
    return left


def job_of_task(jobs: Sequence[Job], level: int, number: int) -> Job:
    """The job of a cluster's array task.

    Raises:
        ConfigError: the grid has no such level or task.
    """
    tasks = [job for job in jobs if job.level == level]
    if not 0 <= number < len(tasks):
        raise ConfigError(f"level {level} of this grid has the tasks 0 to {len(tasks) - 1}, not {number}")
    return tasks[number]


def array_script(jobs: Sequence[Job], command: Sequence[str], scheduler: Scheduler) -> str:
    """A shell script that submits the grid as one array of tasks a level, each after the one before it.

    Args:
        jobs: of the grid.
        command: ``ffe-edge train grid …``, to which the task's level and number are added.
        scheduler: ``slurm`` or ``age`` (Altair Grid Engine, UGE).
    """
    levels = sorted({job.level for job in jobs})
    lines = ["#!/usr/bin/env bash", "# Submits a grid of trainings; run it on the login node.", "set -euo pipefail", ""]
    before = ""
    words = " ".join(f"'{word}'" for word in command)
    for level in levels:
        count = sum(job.level == level for job in jobs)
        lines.append(_submission(scheduler, words, level, count, before))
        before = f"level{level}"
    return "\n".join(lines) + "\n"


def _submission(scheduler: Scheduler, words: str, level: int, count: int, before: str) -> str:
    if scheduler == "slurm":
        after = f' --dependency="afterok:${before}"' if before else ""
        task = f"{words} --level {level} --task \\$SLURM_ARRAY_TASK_ID"
        return f'level{level}=$(sbatch --parsable --gpus=1 --array=0-{count - 1}{after} --wrap="{task}")'
    after = f' -hold_jid "${before}"' if before else ""
    task = f"{words} --level {level} --task \\$((SGE_TASK_ID - 1))"
    return f'level{level}=$(qsub -terse -cwd -l gpu=1 -t 1-{count}{after} -b y bash -c "{task}" | cut -d. -f1)'
