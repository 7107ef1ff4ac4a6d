"""Runs the jobs of a grid: here, a few at a time in processes of their own, or one as a task of a cluster's array."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final

import torch

from ffe_edge.errors import ConfigError, FfeError
from ffe_train.files import write_atomically, write_json
from ffe_train.grid import Job, recipe_json
from ffe_train.grid_state import Place, States

Say = Callable[[str], None]
LAST_WORDS: Final = 400
VISIBLE: Final = "CUDA_VISIBLE_DEVICES"


def command_of(job: Job, place: Place, *, fresh: bool = False) -> list[str]:
    """What runs one job; its recipe is written beside the stages."""
    path = place.beside(job, "json")
    write_atomically(path, recipe_json(job).encode())
    program = [sys.executable, "-m", "ffe_edge", "train", job.recipe.stage, str(path)]
    device = "--accelerator" if job.recipe.stage == "pretrain" else "--device"
    words = ["--sets", str(place.sets), "--out", str(place.out), "--threads", str(place.threads), device, place.device]
    labels = [] if place.labels is None else ["--labels", str(place.labels)]
    return [*program, *words, *labels, *(["--fresh"] if fresh else [])]


def run_job(job: Job, place: Place, *, fresh: bool = False, environment: Mapping[str, str] | None = None) -> str | None:
    """Run one job; its output goes to a log beside its recipe, and so does a note where it fails.

    Args:
        job: what to train.
        place: where and how.
        fresh: begin anew, whatever the job's folder holds.
        environment: variables over those of this process.

    Returns:
        None when it went well, else its last words.
    """
    log, note = place.beside(job, "log"), place.beside(job, "failed")
    command = command_of(job, place, fresh=fresh)
    note.unlink(missing_ok=True)
    variables = {**os.environ, **(environment or {})}
    with log.open("ab") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False, env=variables).returncode
    if code == 0:
        return None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
    reason = f"exit code {code}: {lines[-1][-LAST_WORDS:]}"
    write_json({"recipe": json.loads(recipe_json(job)), "reason": reason}, note)
    return reason


def run_here(jobs: Sequence[Job], place: Place, *, workers: int, say: Say) -> dict[str, str]:
    """Run what is not done yet, each job after those that it needs.

    Args:
        jobs: in an order that puts each after its needs.
        place: where sets and results lie.
        workers: processes at a time; with several GPUs each takes one, in turn.
        say: told each job's beginning and end.

    Returns:
        Reasons by name of the jobs that failed, and of those that could not start for it. The others are done.
    """
    states = States(jobs, place)
    waiting = [job for job in jobs if states.of(job).kind != "done"]
    say(f"{len(jobs)} jobs, {len(jobs) - len(waiting)} done already")
    done = {job.name for job in jobs}.difference(job.name for job in waiting)
    with ThreadPoolExecutor(workers) as pool:
        run = _Run(states, place, pool, workers, say, done, waiting)
        while run.begin():
            run.gather()
    return run.failed


class _Run:
    """A grid that is being run: who waits, who runs in which slot, who is done."""

    def __init__(
        self,
        states: States,
        place: Place,
        pool: ThreadPoolExecutor,
        workers: int,
        say: Say,
        done: set[str],
        waiting: list[Job],
    ) -> None:
        self.failed: dict[str, str] = {}
        self._states, self._place, self._pool, self._say = states, place, pool, say
        self._done, self._waiting, self._total = done, waiting, len(done) + len(waiting)
        self._free = list(range(workers))
        self._running: dict[Future[str | None], tuple[Job, int]] = {}
        count = 0 if place.device == "cpu" else torch.cuda.device_count()
        self._gpus = visible_gpus(os.environ.get(VISIBLE), count)

    def begin(self) -> bool:
        """Start what can be started; False where nothing runs."""
        self._waiting = _given_up(self._waiting, self.failed)
        for job in [job for job in self._waiting if self._done.issuperset(job.needs)][: len(self._free)]:
            self._waiting.remove(job)
            slot = self._free.pop(0)
            self._running[self._pool.submit(self._run, job, slot)] = job, slot
            self._say(f"{job.name}: started")
        return bool(self._running)

    def gather(self) -> None:
        """Wait for the next that ends, well or not."""
        for future in wait(self._running, return_when=FIRST_COMPLETED).done:
            job, slot = self._running.pop(future)
            self._free.append(slot)
            reason = future.result()
            if reason is None:
                self._done.add(job.name)
            else:
                self.failed[job.name] = reason
            self._say(f"{job.name}: {reason or 'done'} ({len(self._done)} of {self._total})")

    def _run(self, job: Job, slot: int) -> str | None:
        return _run_unless_done(job, self._states, self._place, gpu_of_slot(self._gpus, slot))


def _run_unless_done(job: Job, states: States, place: Place, environment: Mapping[str, str]) -> str | None:
    """Looks again: what it needs may have come out as it was when this job was done."""
    if states.of(job).kind == "done":
        return None
    return run_job(job, place, fresh=place.fresh and not states.goes_on(job), environment=environment)


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


def visible_gpus(variable: str | None, count: int) -> tuple[str, ...]:
    """Names of the GPUs that this process may use.

    Args:
        variable: CUDA_VISIBLE_DEVICES, None where it is not set.
        count: how many there are in truth.
    """
    names = [str(number) for number in range(count)] if variable is None else variable.split(",")
    return tuple(name.strip() for name in names[:count])


def gpu_of_slot(gpus: Sequence[str], slot: int) -> dict[str, str]:
    """Variables that give the job of a slot a GPU of its own, in turn; none where there is nothing to share out."""
    return {VISIBLE: gpus[slot % len(gpus)]} if len(gpus) > 1 else {}


def run_task(jobs: Sequence[Job], place: Place, level: int, number: int) -> None:
    """Run the job of a cluster's array task, unless it is done.

    Raises:
        ConfigError: the grid has no such level or task.
        FfeError: a stage that it needs is not done, or the job failed.
    """
    job, states = job_of_task(jobs, level, number), States(jobs, place)
    for need in (need for need in jobs if need.name in job.needs):
        if (state := states.of(need)).kind != "done":
            why = f" ({state.why})" if state.why else ""
            raise FfeError(f"{job.name}: needs {need.name}, which is {state.kind}{why}; run that one first")
    if reason := _run_unless_done(job, states, place, {}):
        raise FfeError(f"{job.name}: {reason}; its log is {place.beside(job, 'log')}")


def job_of_task(jobs: Sequence[Job], level: int, number: int) -> Job:
    """The job of a cluster's array task.

    Raises:
        ConfigError: the grid has no such level or task.
    """
    tasks = [job for job in jobs if job.level == level]
    if not 0 <= number < len(tasks):
        raise ConfigError(f"level {level} of this grid has the tasks 0 to {len(tasks) - 1}, not {number}")
    return tasks[number]
