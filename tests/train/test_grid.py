"""A grid becomes jobs in their order; what is done is not run again, what failed is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ffe_edge.errors import ConfigError, FfeError
from ffe_train.grid import Grid, Job, jobs_of, load_grid, recipe_json
from ffe_train.grid_run import gpu_of_slot, job_of_task, run_here, run_task, visible_gpus
from ffe_train.grid_script import Scheduler, array_script
from ffe_train.grid_state import Place, States
from ffe_train.recipes import load_stage

ROOT = Path(__file__).resolve().parents[2]
IDENTITY = {"learn": "identity", "data": ["faces"]}
EXPRESSION = {"learn": "expression", "data": ["young"]}


def grid_of(**changes: object) -> Grid:
    values = {
        "name": "toy",
        "preset": "tiny",
        "architectures": ["resnet18", "face-resnet18"],
        "seeds": [0, 1],
        "pretraining": {"scratch": [], "softmax": IDENTITY, "chain": [IDENTITY, EXPRESSION]},
        "targets": {"elderly": {"data": "elderly"}},
    }
    return Grid.model_validate({**values, **changes})


def named(jobs: tuple[Job, ...], start: str) -> list[str]:
    return sorted(job.name for job in jobs if job.name.startswith(start))


def test_every_cell_has_a_transfer_a_seed_and_shares_its_pretraining() -> None:
    jobs = jobs_of(grid_of())
    assert len(named(jobs, "elderly.")) == 3 * 2 * 2
    assert named(jobs, "softmax") == ["softmax.face-resnet18.0.1", "softmax.resnet18.0.1"]
    assert len(named(jobs_of(grid_of(pretrain_every_seed=True)), "softmax")) == 4


def test_a_chain_starts_from_the_stage_before_and_a_transfer_from_the_last() -> None:
    jobs = {job.name: job for job in jobs_of(grid_of())}
    assert jobs["chain.resnet18.0.2"].recipe.network.start_from == "chain.resnet18.0.1"
    transfer = jobs["elderly.chain.resnet18.1"]
    assert transfer.recipe.network.start_from == "chain.resnet18.0.2"
    assert (transfer.level, transfer.needs) == (2, ("chain.resnet18.0.1", "chain.resnet18.0.2"))
    assert jobs["elderly.scratch.resnet18.1"].recipe.network.start_from == ""


def test_jobs_come_after_those_that_they_need() -> None:
    seen: set[str] = set()
    for job in jobs_of(grid_of()):
        assert seen.issuperset(job.needs)
        seen.add(job.name)


def test_a_job_is_written_as_a_recipe_that_is_read_back(tmp_path: Path) -> None:
    for job in jobs_of(grid_of()):
        (tmp_path / "job.json").write_text(recipe_json(job), encoding="utf-8")
        assert load_stage(tmp_path / "job.json") == job.recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"pretraining": {"softmax": {**IDENTITY, "epoch": 3}}}, "epoch: unknown key", id="unknown-key"),
        pytest.param({"targets": {"elderly": {}}}, "target elderly: data: Field required", id="no-data"),
    ],
)
def test_a_bad_recipe_in_a_grid_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        jobs_of(grid_of(**changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("name = 'a'", "architectures", id="missing-key"),
        pytest.param("name = ", "not valid TOML", id="no-toml"),
        pytest.param("nane = 'a'", "grid.toml: ", id="unknown-key"),
    ],
)
def test_a_bad_grid_is_refused_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "grid.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_grid(tmp_path / "grid.toml")


def place_with(tmp_path: Path, program: str) -> Place:
    """A place whose jobs run a Python text instead of a training."""
    (tmp_path / "ffe_edge").mkdir()
    (tmp_path / "ffe_edge" / "__init__.py").touch()
    (tmp_path / "ffe_edge" / "__main__.py").write_text(program, encoding="utf-8")
    return Place(tmp_path / "sets", tmp_path / "out", device="cpu")


STAGE = """
import sys
sys.exit("out of memory" if "softmax.resnet18" in sys.argv[3] else 0)
"""


def test_a_failed_job_is_told_and_the_others_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_with(tmp_path, STAGE)
    monkeypatch.chdir(tmp_path)
    jobs = jobs_of(grid_of(seeds=[0], pretraining={"scratch": [], "softmax": IDENTITY}))
    said: list[str] = []
    failed = run_here(jobs, place, workers=2, say=said.append)
    assert failed == {
        "softmax.resnet18.0.1": "exit code 1: out of memory",
        "elderly.softmax.resnet18.0": "needs softmax.resnet18.0.1, which failed",
    }
    assert "elderly.softmax.face-resnet18.0: done (4 of 6)" in said
    states = States(jobs, place)
    (job,) = [job for job in jobs if job.name == "softmax.resnet18.0.1"]
    assert (states.of(job).kind, states.of(job).why) == ("failed", "exit code 1: out of memory")


@pytest.mark.parametrize("scheduler", ["slurm", "age"])
def test_a_cluster_gets_one_array_a_level_that_says_which_job_each_task_is(
    tmp_path: Path, scheduler: Scheduler
) -> None:
    command = [str(tmp_path / "a program"), "grid", "it's a grid.toml"]
    script = tmp_path / "submit.sh"
    script.write_text(array_script(jobs_of(grid_of()), command, scheduler), encoding="utf-8")
    submits = '#!/bin/bash\necho "$@" >> submitted\nSLURM_ARRAY_TASK_ID=3 SGE_TASK_ID=4 bash -s 1>&2\necho 4711.1-9\n'
    for name, text in (
        ("sbatch", submits),
        ("qsub", submits),
        ("a program", '#!/bin/bash\nprintf "%s|" "$@" >> run\n'),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    subprocess.run(["bash", str(script)], cwd=tmp_path, check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    told = (tmp_path / "submitted").read_text(encoding="utf-8").splitlines()
    assert ["4711" in line for line in told] == [False, True, True]
    assert "afterok" not in script.read_text(encoding="utf-8")
    ran = (tmp_path / "run").read_text(encoding="utf-8")
    assert ran == "".join(f"grid|it's a grid.toml|--level|{level}|--task|3|" for level in range(3))


def test_a_task_waits_for_what_it_needs(tmp_path: Path) -> None:
    jobs = jobs_of(grid_of(seeds=[0]))
    with pytest.raises(FfeError, match=r"needs (softmax|chain)\.\S+, which is missing; run that one first"):
        run_task(jobs, Place(tmp_path, tmp_path, device="cpu"), 1, 0)


@pytest.mark.parametrize(
    ("variable", "count", "gpus"),
    [
        pytest.param(None, 3, ("0", "1", "2"), id="all"),
        pytest.param("2,5", 2, ("2", "5"), id="those-that-are-visible"),
        pytest.param(None, 0, (), id="none"),
    ],
)
def test_jobs_share_out_the_gpus(variable: str | None, count: int, gpus: tuple[str, ...]) -> None:
    assert visible_gpus(variable, count) == gpus
    told = [gpu_of_slot(gpus, slot).get("CUDA_VISIBLE_DEVICES") for slot in range(4)]
    assert told == ([gpus[slot % len(gpus)] for slot in range(4)] if len(gpus) > 1 else [None] * 4)


def test_imported_weights_are_a_pretraining_with_a_cell_only_where_there_are_some() -> None:
    imagenet = {"start": {"resnet18": "imagenet-resnet18"}}
    jobs = jobs_of(grid_of(pretraining={"scratch": [], "imagenet": imagenet}, seeds=[0]))
    found = {job.name: job.recipe.network.start_from for job in jobs}
    assert found == {
        "elderly.scratch.resnet18.0": "",
        "elderly.scratch.face-resnet18.0": "",
        "elderly.imagenet.resnet18.0": "imagenet-resnet18",
    }


def test_a_task_of_the_array_is_a_job_of_its_level() -> None:
    jobs = jobs_of(grid_of())
    tasks = [job for job in jobs if job.level == 1]
    assert [job_of_task(jobs, 1, number) for number in range(len(tasks))] == tasks
    with pytest.raises(ConfigError, match="level 1 of this grid has the tasks 0 to"):
        job_of_task(jobs, 1, len(tasks))


@pytest.mark.parametrize("path", sorted((ROOT / "train" / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "architectures" in text:
        assert jobs_of(load_grid(path))
    elif text.find("\nstage = ") >= 0:
        assert load_stage(path).name == path.stem
