"""One list behind every set: what is written comes back, what makes no sense is named."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffe_edge.errors import DataError
from ffe_train.cells import counts, written_counts
from ffe_train.manifest import COLUMNS, Row, check_rows, read_manifest, write_manifest
from ffe_train.tasks import NINE

FULL = Row(
    path="people.zip#001/千代, 1.png",
    subject="001",
    label="joy",
    votes={"joy": 3, "neutral": 1.5, "other": 1},
    split="train",
    source="nagoya",
    xyxy=(1, 2.5, 30, 40),
    landmarks=tuple(float(value) for value in range(10)),
    age=73.2,
    sex="f",
    camera="2",
    elicitation="scenario",
)


def manifest(folder: Path, text: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = (FULL, Row("b.png", "b"))
    write_manifest(rows, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv") == rows


def test_a_manifest_of_two_columns_in_another_order_is_enough(tmp_path: Path) -> None:
    path = manifest(tmp_path, "\ufeffsubject,path\nanna, a.png \n")
    assert read_manifest(path) == (Row("a.png", "anna"),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "no column path", id="empty"),
        pytest.param("path,subject\n", "holds no row", id="no-rows"),
        pytest.param("path\na.png\n", "no column subject", id="column-missing"),
        pytest.param("path,subject,lable\na,b,joy\n", "column 'lable' is unknown", id="column-unknown"),
        pytest.param("path,subject,path\na,b,c\n", "twice", id="column-twice"),
        pytest.param("path,subject\na,b,c\n", "line 2: does not have 2 cells", id="too-many-cells"),
        pytest.param("path,subject,age\na,b\n", "line 2: does not have 3 cells", id="too-few-cells"),
        pytest.param("path,subject\na,b\n,b\n", "line 3, column path: '' is empty", id="no-path"),
        pytest.param("path,subject,split\na,b,dev\n", "column split: 'dev' is none of train, val, test", id="split"),
        pytest.param("path,subject,sex\na,b,female\n", "column sex: 'female'", id="sex"),
        pytest.param("path,subject,age\na,b,old\n", "column age: 'old' is not a number", id="age"),
        pytest.param("path,subject,age\na,b,1930\n", "is no age in years", id="birth-year"),
        pytest.param("path,subject,age\na,b,nan\n", "is not a number", id="nan"),
        pytest.param("path,subject,votes\na,b,joy:3\n", "column votes: 'joy:3' is not of the form", id="votes"),
        pytest.param("path,subject,votes\na,b,joy=-1\n", "column votes", id="negative-votes"),
        pytest.param("path,subject,votes\na,b,joy=1;joy=2\n", "column votes", id="votes-twice"),
        pytest.param("path,subject,xyxy\na,b,1 2 3\n", "column xyxy: '1 2 3' is not 4 numbers", id="box-short"),
        pytest.param("path,subject,xyxy\na,b,9 2 3 4\n", "is no box", id="box-inside-out"),
        pytest.param("path,subject,landmarks\na,b,1 2 3 4\n", "is not 10 numbers", id="landmarks"),
        pytest.param('path,subject\n"a,b\n', "is no csv", id="quote-open"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=r"manifest\.csv") as error:
        read_manifest(manifest(tmp_path, text))
    assert told in str(error.value)


def test_a_manifest_in_shift_jis_is_asked_for_in_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes("path,subject\na.png,千代\n".encode("shift-jis"))
    with pytest.raises(DataError, match="is not UTF-8"):
        read_manifest(path)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"m\.csv: cannot be read"):
        read_manifest(tmp_path / "m.csv")


class FakeParquet(ModuleType):
    """Stands for pyarrow.parquet."""

    @staticmethod
    def read_table(_path: Path) -> SimpleNamespace:
        lines = [
            {"path": "a.png", "subject": "7", "age": 73.0, "sex": None, "xyxy": [1.0, 2.0, 3.0, 4.0]},
            {"path": "b.png", "subject": "8", "age": float("nan"), "sex": "m", "xyxy": None},
        ]
        return SimpleNamespace(column_names=list(lines[0]), to_pylist=lambda: lines)


def test_parquet_is_read_like_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", FakeParquet("pyarrow.parquet"))
    rows = read_manifest(tmp_path / "m.parquet")
    assert rows == (Row("a.png", "7", age=73, xyxy=(1, 2, 3, 4)), Row("b.png", "8", sex="m"))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match="pip install pyarrow"):
        read_manifest(tmp_path / "m.parquet")


@given(st.dictionaries(st.sampled_from([*NINE.labels, "other"]), st.integers(0, 36)))
def test_votes_come_back_from_their_cell(votes: dict[str, float]) -> None:
    assert counts(written_counts(votes)) == votes


def test_the_example_of_the_documentation_is_a_manifest(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "train" / "DATA.md").read_text(encoding="utf-8")
    example = text.split("```csv\n")[1].split("```")[0]
    rows = read_manifest(manifest(tmp_path, example))
    assert len(rows) >= 2
    assert all(f"`{column}`" in text for column in COLUMNS)


def test_a_person_in_two_splits_is_named() -> None:
    rows = [Row("a", "anna", source="toy", split="train"), Row("b", "anna", source="toy", split="test")]
    with pytest.raises(DataError, match="subject toy/anna stands in the splits train and test"):
        check_rows(rows, None)


def test_a_person_with_and_without_a_split_is_named() -> None:
    with pytest.raises(DataError, match=r"subject anna stands in the splits train and \(none\)"):
        check_rows([Row("a", "anna", split="train"), Row("b", "anna")], None)


def test_the_same_name_in_two_sets_is_two_people() -> None:
    check_rows([Row("a", "1", source="x", split="train"), Row("b", "1", source="y", split="test")], NINE)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param(Row("a", "s", "hapiness"), "'hapiness' is no label of the task", id="label"),
        pytest.param(Row("a", "s", "joy", {"joi": 1}), "'joi' is no label", id="vote"),
        pytest.param(Row("a", "s", split="dev"), "there is no split 'dev'", id="split"),  # type: ignore[arg-type]
        pytest.param(Row("a", ""), "names no subject", id="subject"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(row: Row, told: str) -> None:
    with pytest.raises(DataError, match=told):
        check_rows([row], NINE)


def test_labels_of_public_sets_that_the_task_lacks_are_no_mistake() -> None:
    check_rows([Row("a", "s", "contempt"), Row("b", "t", "joy", {"other": 2}), Row("c", "u")], NINE)


def test_a_class_that_nobody_shows_in_training_is_named_when_asked_for() -> None:
    rows = [Row(label, label, label, split="train") for label in NINE.labels[:-1]]
    rows += [Row("n", "n", "neutral", split="val")]
    check_rows(rows, NINE)
    with pytest.raises(DataError, match="no sample in the split train for neutral"):
        check_rows(rows, NINE, complete=True)
