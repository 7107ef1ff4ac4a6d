"""A grid's table tells figures from what failed, is missing, is of something else, or was never meant to be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ffe_train.grid import Grid, Job, jobs_of
from ffe_train.grid_state import State
from ffe_train.grid_table import markdown, results_of
from ffe_train.predictions import Predictions, write_predictions

FACES = {"learn": "identity", "data": ["faces"]}
DONE = State("done")


def jobs_with(**changes: object) -> tuple[Job, ...]:
    values = {
        "name": "toy",
        "architectures": ["resnet18", "face-resnet18"],
        "seeds": [0, 1],
        "pretraining": {"scratch": [], "imagenet": {"start": {"resnet18": "imagenet-resnet18"}}, "softmax": FACES},
        "targets": {"old": {"data": "old"}},
    }
    return jobs_of(Grid.model_validate({**values, **changes}))


def write_transfer(folder: Path, *, right: int, seen: int | None) -> None:
    """Twenty people with one picture each, of whom so many are told rightly."""
    truth = np.arange(20) % 2
    told = np.where(np.arange(20) < right, truth, 1 - truth)
    name = np.array([f"person-{n}" for n in range(20)], np.str_)
    write_predictions(
        Predictions(
            ("joy", "neutral"), name, name, np.array(["toy"] * 20, np.str_), truth, np.eye(2, dtype=np.float32)[told],
            np.arange(20) // 4, np.zeros(20, np.int64), np.full(20, np.nan, np.float32), np.array([""] * 20, np.str_),
            np.zeros((20, 3), np.float32),
        ),
        folder / "predictions.csv",
    )  # fmt: skip
    metrics = {"inner_accuracy": right / 20, "seen_people": seen}
    (folder / "stage.json").write_text(json.dumps({"metrics": metrics}), encoding="utf-8")


def table_of(jobs: tuple[Job, ...], states: dict[str, State], out: Path, seen: dict[str, int | None]) -> list[str]:
    """Lines of the table where every transfer that is not told otherwise is done; scratch is told worst."""
    for job in jobs:
        if job.target:
            right = {"scratch": 8, "imagenet": 18, "softmax": 19}[job.cell.pretraining]
            write_transfer(out / job.name, right=right, seen=seen.get(job.cell.pretraining, 0))
    every = {job.name: DONE if job.target else State("missing") for job in jobs} | states
    results = results_of(jobs, every, out, resamples=200)
    return markdown(jobs, every, results, out).splitlines()


def row_of(lines: list[str], name: str) -> list[str]:
    (row,) = [line for line in lines if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_a_cell_says_what_stands_there_instead_of_a_figure(tmp_path: Path) -> None:
    other = {
        "old.scratch.resnet18.0": State("failed", "out of memory"),
        "old.scratch.resnet18.1": State("stale", "data.digest was a and is b"),
        "old.scratch.face-resnet18.0": State("missing"),
        "old.scratch.face-resnet18.1": State("missing"),
    }
    lines = table_of(jobs_with(), other, tmp_path, {})
    assert row_of(lines, "scratch") == ["failed, stale", "missing"]
    assert row_of(lines, "imagenet")[1] == "—"
    assert "- old.scratch.resnet18.0: failed (out of memory)" in lines
    assert "- old.scratch.resnet18.1: stale (data.digest was a and is b)" in lines
    assert "- old.scratch.face-resnet18.1: missing" in lines


def test_what_is_of_something_else_is_not_in_the_figures(tmp_path: Path) -> None:
    """The stale seed's file lies there all the same, and is of a network that is always right."""
    jobs, stale = jobs_with(), {"old.softmax.resnet18.1": State("stale")}
    lines = table_of(jobs, stale, tmp_path, {})
    assert row_of(lines, "softmax")[0].startswith("**0.950**")
    write_transfer(tmp_path / "old.softmax.resnet18.1", right=20, seen=0)
    every = {job.name: DONE for job in jobs} | stale
    (result,) = [
        one for one in results_of(jobs, every, tmp_path, resamples=200)
        if (one.cell.pretraining, one.cell.architecture) == ("softmax", "resnet18")
    ]  # fmt: skip
    assert (result.seeds, round(result.accuracy.value, 3)) == (1, 0.95)


def test_a_cell_that_lacks_seeds_says_how_many_it_has(tmp_path: Path) -> None:
    lines = table_of(jobs_with(), {"old.softmax.resnet18.1": State("missing")}, tmp_path, {})
    assert "(1 of 2 seeds)" in row_of(lines, "softmax")[0]
    assert "seeds" not in row_of(lines, "softmax")[1]
    assert any(line.endswith("2 seeds a cell.") for line in lines)


def test_all_pretrainings_of_a_target_are_one_family_of_tests(tmp_path: Path) -> None:
    lines = table_of(jobs_with(), {}, tmp_path, {})
    assert "≈" in row_of(lines, "imagenet")[0]
    assert not any("≈" in cell or "**" in cell for cell in row_of(lines, "scratch"))
    assert sum(line.count("**0.") for line in lines) == 1


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        pytest.param({}, "none", id="nobody"),
        pytest.param({"softmax": 3}, "3 (softmax)", id="some"),
        pytest.param(
            {"softmax": 3, "imagenet": None},
            "3 (softmax); not known of imported weights (imagenet)",
            id="not-known-hides-nothing",
        ),
        pytest.param({"imagenet": None}, "none; not known of imported weights (imagenet)", id="not-known"),
    ],
)
def test_people_who_were_learned_before_are_counted(tmp_path: Path, seen: dict[str, int | None], told: str) -> None:
    lines = table_of(jobs_with(), {}, tmp_path, seen)
    assert f"People of this target whom an earlier stage has learned: {told}." in lines


def test_columns_are_in_the_grid_s_order_though_the_first_row_lacks_some(tmp_path: Path) -> None:
    pretraining = {"imagenet": {"start": {"face-resnet18": "some-weights"}}, "softmax": FACES}
    lines = table_of(jobs_with(pretraining=pretraining), {}, tmp_path, {})
    assert "| pretraining | resnet18 | face-resnet18 |" in lines
    assert row_of(lines, "imagenet")[0] == "—"


def test_a_target_of_which_nothing_is_done_says_so(tmp_path: Path) -> None:
    jobs = jobs_with()
    lines = table_of(jobs, {job.name: State("missing") for job in jobs}, tmp_path, {})
    assert "Nothing is done yet." in lines
