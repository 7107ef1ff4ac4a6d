"""A grid becomes jobs in their order; what is done is not run again, what failed is told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ffe_edge.errors import ConfigError
from ffe_train.grid import Grid, Job, jobs_of, load_grid, recipe_json
from ffe_train.grid_run import Place, array_script, is_done, job_of_task, run_here
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
    """A place whose jobs run a Python text instead of a training; ``sys.argv[-1]`` is added by the test."""
    (tmp_path / "ffe_edge").mkdir()
    (tmp_path / "ffe_edge" / "__init__.py").touch()
    (tmp_path / "ffe_edge" / "__main__.py").write_text(program, encoding="utf-8")
    return Place(tmp_path / "sets", tmp_path / "out")


STAGE = """
import json, pathlib, sys
recipe = json.loads(pathlib.Path(sys.argv[3]).read_text())
if recipe["name"].startswith("softmax.resnet18"):
    sys.exit("out of memory")
folder = pathlib.Path(sys.argv[7]) / recipe["name"]
folder.mkdir(parents=True)
(folder / "stage.json").write_text(json.dumps({"recipe": recipe}))
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
    assert sum(is_done(job, place) for job in jobs) == len(jobs) - 2
    run_here(jobs, place, workers=1, say=said.append)
    assert "6 jobs, 4 done already" in said


def test_another_recipe_is_not_taken_for_done(tmp_path: Path) -> None:
    (job,) = jobs_of(grid_of(seeds=[0], architectures=["resnet18"], pretraining={"scratch": []}))
    place = Place(tmp_path, tmp_path)
    (tmp_path / job.name).mkdir()
    values = json.loads(recipe_json(job))
    (tmp_path / job.name / "stage.json").write_text(json.dumps({"recipe": values}), encoding="utf-8")
    assert is_done(job, place)
    values["folds"]["outer"] = 7
    (tmp_path / job.name / "stage.json").write_text(json.dumps({"recipe": values}), encoding="utf-8")
    assert not is_done(job, place)


@pytest.mark.parametrize("scheduler", ["slurm", "age"])
def test_a_cluster_gets_one_array_a_level_each_after_the_last(tmp_path: Path, scheduler: str) -> None:
    jobs = jobs_of(grid_of())
    script = tmp_path / "submit.sh"
    script.write_text(array_script(jobs, ["ffe-edge", "train", "grid", "a b.toml"], scheduler), encoding="utf-8")  # type: ignore[arg-type]
    fake = '#!/bin/sh\necho "$@" >> submitted; echo 4711.1-9\n'
    for name in ("sbatch", "qsub"):
        (tmp_path / name).write_text(fake, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    subprocess.run(["bash", str(script)], cwd=tmp_path, check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    told = (tmp_path / "submitted").read_text(encoding="utf-8").splitlines()
    assert len(told) == 3
    assert all("'a b.toml'" in line and "--task" in line for line in told)
    assert ["4711" in line for line in told] == [False, True, True]


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
