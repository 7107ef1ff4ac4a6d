"""Stages that add one thing to another are trained once, and each rung is told with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_faces import expressions

from ffe_edge.errors import ConfigError, DataError
from ffe_train.commands_ladder import write_ladder_table
from ffe_train.devices import Options
from ffe_train.ladder import Judge, Judged, Ladder, Place, climb, judged, load_ladder, merged
from ffe_train.ladder_table import cell_of, markdown, table_of

FILE = """
name = "toy"
seeds = [0, 1]
judges = [{ name = "faces", data = "faces" }]

[common]
learn = "expression"
data = ["faces"]
labels = ["joy", "sadness"]
network = { architecture = "lean-resnet14", preset = "tiny" }
schedule = { epochs = 1, batch = 8, learning_rate = 0.05 }

[stages.first]

[stages.second]
like = "first"
network = { start_from = "first" }
schedule = { epochs = 2 }

[stages.third]
like = "second"
teaching = { teachers = ["first"] }

[[rungs]]
name = "plain"
stage = "first"

[[rungs]]
name = "more"
stage = "second"
against = "plain"

[[rungs]]
name = "all"
stage = "second"
against = "more"
flip = true
ensemble = true
"""


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "ladder.toml"
    path.write_text(text)
    return path


def silent(_: object) -> None:
    """Tell nobody."""


def answers(right: list[list[bool]], person: list[int]) -> Judged:
    """Networks that are right or wrong about faces of the first class."""
    probs = np.zeros((len(right), len(person), 9), np.float32)
    probs[..., 0], probs[..., 1] = np.array(right), ~np.array(right)
    return Judged(Judge(name="j", data="d"), np.zeros(len(person), np.int64), np.array(person, np.int64), probs)


def test_a_stage_takes_over_what_another_has_and_names_its_own_seed(tmp_path: Path) -> None:
    ladder = load_ladder(written(tmp_path))
    recipe = ladder.recipe("third", 1)
    assert (recipe.name, recipe.seed, recipe.network.start_from) == ("third.1", 1, "first.1")
    assert (recipe.schedule.epochs, recipe.schedule.batch) == (2, 8)
    assert recipe.teaching is not None
    assert recipe.teaching.teachers == ("first.0", "first.1")


def test_tables_are_merged_key_by_key() -> None:
    assert merged({"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"y": 4}, "c": 5}) == {"a": {"x": 1, "y": 4}, "b": 3, "c": 5}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param('stage = "first"', 'stage = "fourth"', "of the stage fourth, which is not there", id="stage"),
        pytest.param('against = "plain"', 'against = "all"', "against all, which does not stand before it", id="order"),
        pytest.param('like = "first"', 'like = "third"', "is like third, which does not stand before it", id="like"),
        pytest.param("epochs = 2", "epoch = 2", "schedule.epoch: unknown key", id="key"),
        pytest.param("seeds = [0, 1]", "seeds = []", "seeds", id="no-seed"),
        pytest.param("seeds = [0, 1]", "seeds = [0", "is not valid TOML", id="no-toml"),
    ],
)
def test_a_ladder_that_cannot_stand_is_told_in_one_line(tmp_path: Path, old: str, new: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        load_ladder(written(tmp_path, FILE.replace(old, new, 1)))
    assert "\n" not in str(caught.value)


def test_a_ladder_is_climbed_once_and_its_table_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    expressions(tmp_path / "sets" / "faces")
    epochs: list[Any] = []
    options = Options(accelerator="cpu", on_epoch=epochs.append)
    file, place = written(tmp_path), Place(tmp_path / "sets", tmp_path / "out", options)
    for _ in range(2):
        climb(load_ladder(file), place, seed=None, only=(), say=silent)
    assert len(epochs) == 2 * (1 + 2 + 2)
    write_ladder_table(file, place, tmp_path / "table.md", Console())
    text = (tmp_path / "table.md").read_text()
    assert text.strip() in capsys.readouterr().out
    assert "| 3 all | 2 |" in text
    assert "faces<br>16 images" in text
    assert (tmp_path / "table.json").is_file()


def test_some_stages_may_be_climbed_alone(tmp_path: Path) -> None:
    expressions(tmp_path / "sets" / "faces")
    ladder, place = load_ladder(written(tmp_path)), Place(tmp_path / "sets", tmp_path / "out", Options("cpu"))
    climb(ladder, place, seed=1, only=("first",), say=silent)
    assert [folder.name for folder in place.out.iterdir()] == ["first.1"]
    with pytest.raises(ConfigError, match="has no stage fourth; its stages are first, second, third"):
        climb(ladder, place, seed=1, only=("fourth",), say=silent)


def test_rungs_that_are_not_trained_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    write_ladder_table(written(tmp_path), Place(tmp_path, tmp_path), None, Console())
    assert capsys.readouterr().out == "not trained yet: plain; more; all\n"


def test_nobody_is_judged_whom_a_stage_has_learned(tmp_path: Path) -> None:
    expressions(tmp_path / "sets" / "faces")
    text = FILE.replace('data = "faces" }]', 'data = "faces", split = "train" }]').replace("[0, 1]", "[0]")
    ladder = load_ladder(written(tmp_path, text))
    place = Place(tmp_path / "sets", tmp_path / "out")
    climb(ladder, place, seed=0, only=(), say=silent)
    with pytest.raises(DataError, match=r"judge faces: shows 32 people whom first\.0 has learned"):
        list(judged(ladder, ladder.rungs[0], place))


def test_a_judge_who_shows_nobody_is_named(tmp_path: Path) -> None:
    expressions(tmp_path / "faces")
    ladder = load_ladder(written(tmp_path, FILE.replace('data = "faces" }]', 'data = "faces", min_age = 60 }]')))
    with pytest.raises(DataError, match="judge faces: the set faces shows nobody of it"):
        list(judged(ladder, ladder.rungs[0], Place(tmp_path, tmp_path)))


def test_a_gain_is_paired_and_means_the_seeds() -> None:
    person = list(range(40))
    before = answers([[k % 2 == 0 for k in person], [k % 2 == 0 for k in person]], person)
    after = answers([[True] * 40, [k % 2 == 0 for k in person]], person)
    cell = cell_of(after, before, resamples=500)
    assert cell.accuracy.value == pytest.approx(0.75)
    assert cell.by_seed == (1.0, 0.5)
    assert cell.gain is not None
    assert cell.gain.value == pytest.approx(0.25)
    assert (cell.gain.low > 0, cell.verdict) == (True, "▲")
    assert cell_of(before, after, resamples=500).verdict == "▼"
    same = cell_of(after, after, resamples=500)
    assert (same.gain is not None and same.gain.low == same.gain.high == 0, same.verdict) == (True, "≈")


def test_people_not_pictures_carry_the_interval() -> None:
    right = [[k < 50 for k in range(100)]]
    wide = cell_of(answers(right, [k // 50 for k in range(100)]), None, resamples=500)
    narrow = cell_of(answers(right, list(range(100))), None, resamples=500)
    assert wide.accuracy.high - wide.accuracy.low > 2 * (narrow.accuracy.high - narrow.accuracy.low)
    assert (wide.people, narrow.people) == (2, 100)


def test_the_table_says_how_many_seeds_and_what_is_set_against_what() -> None:
    rungs = [{"name": "a", "stage": "s"}, {"name": "b", "stage": "s", "against": "a"}]
    ladder = Ladder.model_validate(
        {"name": "l", "seeds": [0], "judges": [{"name": "J", "data": "d"}], "stages": {"s": {}}, "rungs": rungs}
    )
    answer = answers([[True, False]], [0, 1])
    text = markdown(ladder, table_of(ladder, {"a": [answer], "b": [answer]}, resamples=100))
    assert "J<br>2 images, 2 unnamed" in text
    assert "| 2 b | 1 | 0.500 (0.000-1.000)<br>+0.000 (+0.000 to +0.000) ≈ |" in text
    assert "mean of 1 seed (95 %" in text
