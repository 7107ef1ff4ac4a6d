"""Another run's figures lie within the shipped file's intervals, or it is said which do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_edge.errors import DataError
from ffe_train.commands_reproduced import compare_figures
from ffe_train.reproduced import compared, in_words


def interval(value: float | None) -> dict[str, Any]:
    return {"value": value, "low": None if value is None else value - 0.02, "high": value and value + 0.02}


def figures(accuracy: float = 0.9, neutral: float | None = 0.8, name: str = "london", **more: Any) -> dict[str, Any]:
    of_set = {"accuracy": interval(accuracy), "macro_f1": interval(0.7), "ece": interval(0.03), **more}
    reach = [
        {"figure": "neutral recall, 60+", "set": name, **interval(neutral)},
        {"figure": "macro F1 minus the previous model's", "set": name, **interval(0.1)},
    ]
    return {"sets": {name: of_set}, "reach": reach}


@pytest.mark.parametrize(
    ("accuracy", "place"), [(0.9, "within"), (0.885, "within"), (0.879, "below"), (0.921, "above")]
)
def test_a_figure_is_looked_for_in_the_shipped_files_interval(accuracy: float, place: str) -> None:
    rows = compared(figures(accuracy), figures())
    assert [(row.figure, row.place) for row in rows] == [
        ("accuracy", place), ("macro F1", "within"), ("ECE", "within"), ("neutral recall, 60+", "within"),
    ]  # fmt: skip


def test_the_last_line_counts_and_names_what_is_outside() -> None:
    lines = list(in_words(compared(figures(0.5), figures())))
    assert lines[0] == "london, accuracy: 0.500, shipped 0.900 (0.880 to 0.920): below its interval"
    told = "3 of 4 headline figures lie within the shipped file's intervals"
    assert lines[-1] == f"{told}; outside: london accuracy (below)"
    assert list(in_words(compared(figures(), figures())))[-1] == told.replace("3", "4")


def test_what_one_of_the_two_could_not_measure_is_left_out() -> None:
    rows = compared(figures(neutral=None), figures(macro_f1=None))
    assert [row.figure for row in rows] == ["accuracy", "ECE"]


def written(folder: Path, content: Any) -> Path:
    folder.mkdir()
    (folder / "figures.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param({"sets": {}}, "not both are of `ffe-edge train measure`", id="another-file"),
        pytest.param({"sets": [1], "reach": []}, "not both are of", id="a-list"),
        pytest.param(figures(name="lfw"), "have no set in common", id="other-sets"),
    ],
)
def test_figures_that_cannot_be_compared_are_told(tmp_path: Path, content: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        compare_figures(written(tmp_path / "new", figures()), written(tmp_path / "shipped", content))


def test_a_folder_without_figures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none/figures\.json: is not there|none: is not there"):
        compare_figures(written(tmp_path / "new", figures()), tmp_path / "none")


def test_the_command_says_it(tmp_path: Path) -> None:
    new, old = written(tmp_path / "new", figures()), written(tmp_path / "old", figures())
    found = CliRunner().invoke(app, ["train", "reproduced", str(new), str(old)])
    assert (found.exit_code, found.output.splitlines()[-1][:6]) == (0, "4 of 4")
