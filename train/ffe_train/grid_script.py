"""The shell script that submits a grid to a cluster: one array of tasks for each level of it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from ffe_train.grid import Job

Scheduler = Literal["slurm", "age"]
HEAD = """\
#!/usr/bin/env bash
# Submits a grid of trainings; run it on the login node.
# Every level waits for the end of the one before it, good or bad: a task itself refuses to start without what it needs.
set -euo pipefail
"""


def array_script(jobs: Sequence[Job], command: Sequence[str], scheduler: Scheduler) -> str:
    """A shell script that submits the grid as one array of tasks a level, each after the one before it.

    Args:
        jobs: of the grid.
        command: ``ffe-edge train grid …``, to which the task's level and number are added.
        scheduler: ``slurm`` or ``age`` (Altair Grid Engine, UGE).
    """
    counts = Counter(job.level for job in jobs)
    lines = [HEAD]
    before = ""
    for level in sorted(counts):
        lines += _level(scheduler, shlex.join(command), level, counts[level], before)
        before = f"level{level}"
    return "\n".join(lines)


def _level(scheduler: Scheduler, words: str, level: int, count: int, before: str) -> Iterator[str]:
    """The level's job as a here-document that no shell expands, and its submission."""
    task = '"$SLURM_ARRAY_TASK_ID"' if scheduler == "slurm" else '"$((SGE_TASK_ID - 1))"'
    yield f"job{level}() {{ cat <<'END_OF_JOB'"
    yield "#!/usr/bin/env bash"
    yield f"exec {words} --level {level} --task {task}"
    yield "END_OF_JOB"
    yield "}"
    yield f"level{level}=$(job{level} | {_submission(scheduler, level, count, before)})"
    yield f'echo "level {level}: job $level{level}, {count} tasks"'
    yield ""


def _submission(scheduler: Scheduler, level: int, count: int, before: str) -> str:
    name = f"ffe-grid-{level}"
    if scheduler == "slurm":
        after = f' --dependency="afterany:${before}"' if before else ""
        return f"sbatch --parsable --job-name={name} --gpus=1 --array=0-{count - 1}{after} | cut -d';' -f1"
    after = f' -hold_jid "${before}"' if before else ""
    return f"qsub -terse -N {name} -cwd -j y -S /bin/bash -l gpu=1 -t 1-{count}{after} | cut -d. -f1"
