"""Answers of raters when fewer labels are compared than they could choose from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffe_edge.errors import DataError
from ffe_train.answers import read_answers
from ffe_train.tasks import NINE


def written(folder: Path, *answers: str) -> Path:
    path = folder / "answers.csv"
    lines = [f"0.png,r{number},{answer}" for number, answer in enumerate(answers)]
    path.write_text("\n".join(["path,rater,answer", *lines]), encoding="utf-8")
    return path


def test_an_answer_outside_the_labels_compared_counts_as_other(tmp_path: Path) -> None:
    path = written(tmp_path, "sadness", "joy", "喜び", "fear", "恐怖", "other", "その他")
    assert "恐怖" in NINE.japanese
    found = read_answers(path, NINE, ("joy", "sadness"))
    assert found.answer.tolist() == [1, 0, 0, 2, 2, 2, 2]


def test_a_word_that_is_no_label_of_the_task_stays_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'angst'"):
        read_answers(written(tmp_path, "angst"), NINE, ("joy", "sadness"))
