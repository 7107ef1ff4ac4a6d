"""Labels come from the set itself; what the model lacks is counted, and no labels at all are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from verify_parts import some_crops, write_crops

from ffe_edge.emotions import LABELS
from ffe_edge.errors import DataError
from ffe_export.labelled import read_labelled
from ffe_train.manifest import Row
from ffe_train.prepared import write_prepared

TWO = ("joy", "neutral")


def with_table(folder: Path, text: str, count: int = 4) -> Path:
    write_crops(folder, some_crops(count))
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return folder


TABLE = """path,age,label,subject,split
0002.png,7,neutral,ann,test
0000.png,7,joy,bob,train
0001.png,7,contempt,bob,test
0003.png,7,joy,ann,test
"""


def test_a_table_names_pictures_labels_and_people(tmp_path: Path) -> None:
    found = read_labelled(with_table(tmp_path, TABLE), TWO)
    np.testing.assert_array_equal(found.crops, some_crops(4)[[2, 0, 3]])
    assert (found.class_id.tolist(), len(found)) == ([1, 0, 0], 3)
    assert found.subject is not None
    assert found.subject.tolist() == ["ann", "bob", "ann"]
    assert found.skipped == {"label contempt, which the model lacks": 1}


def test_only_rows_of_the_split_are_taken(tmp_path: Path) -> None:
    found = read_labelled(with_table(tmp_path, TABLE), TWO, "test")
    assert (found.class_id.tolist(), found.split) == ([1, 0], "test")
    assert found.skipped == {"split train": 1, "label contempt, which the model lacks": 1}


def test_subfolders_name_labels(tmp_path: Path) -> None:
    crops = some_crops(4)
    write_crops(tmp_path, crops, ["joy/a.png", "neutral/deep/b.png", "contempt/c.png", "d.png"])
    found = read_labelled(tmp_path, TWO)
    assert (found.class_id.tolist(), found.subject) == ([0, 1], None)
    assert found.skipped == {"label contempt, which the model lacks": 1, "no label": 1}
    np.testing.assert_array_equal(found.crops, crops[:2])


def test_a_prepared_set_brings_its_manifest_and_a_person_is_one_of_its_source(tmp_path: Path) -> None:
    rows = [
        Row(f"{n}.png", "ann", label, split="test", source=f"set{n % 2}") for n, label in enumerate(("joy", "", *TWO))
    ]
    write_prepared(tmp_path, "toy", some_crops(4), rows)
    found = read_labelled(tmp_path, TWO, "test")
    np.testing.assert_array_equal(found.crops, some_crops(4)[[0, 2, 3]])
    assert found.subject is not None
    assert (found.subject.tolist(), found.skipped) == (["set0/ann", "set0/ann", "set1/ann"], {"no label": 1})


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("path,label\n0000.png,joy\n0001.png,neutral\n", id="no-column"),
        pytest.param("path,label,subject\n0000.png,joy,\n0001.png,neutral,\n", id="empty"),
        pytest.param("path,label,subject\n0000.png,joy,0000\n0001.png,neutral,0001\n", id="each-its-own"),
    ],
)
def test_people_are_unknown_where_every_picture_has_its_own(tmp_path: Path, table: str) -> None:
    assert read_labelled(with_table(tmp_path, table), TWO).subject is None


def test_a_limit_draws_and_says_so(tmp_path: Path) -> None:
    write_crops(tmp_path, some_crops(30), [f"joy/{n}.png" for n in range(30)])
    found = read_labelled(tmp_path, TWO, limit=10, seed=3)
    assert (len(found), found.skipped) == (10, {"not drawn": 20})
    np.testing.assert_array_equal(found.crops, read_labelled(tmp_path, TWO, limit=10, seed=3).crops)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        pytest.param("path,identity\n0000.png,ann\n", "labels missing: it has no column label", id="no-label-column"),
        pytest.param("file,label\n0000.png,joy\n", "has no column path", id="no-path-column"),
        pytest.param("", "has no column path", id="empty-file"),
        pytest.param("path,label\n", "labels missing: no picture has one of joy, neutral (no row at all)", id="no-row"),
        pytest.param("path,label\n0000.png,\n", "labels missing: no picture has one of", id="no-labels"),
        pytest.param("path,label\n0000.png,awe\n", "(1 label awe, which the model lacks)", id="none-of-the-model"),
        pytest.param("path,label\n0000.png\n", "labels.csv, line 2: has another number of cells", id="short-row"),
        pytest.param("path,label\n0.png,joy,x\n", "labels.csv, line 2: has another number of cells", id="long-row"),
        pytest.param("path,label\n,joy\n", "labels.csv, line 2, column path: is empty", id="no-path"),
        pytest.param("path,label\ngone.png,joy\n", "gone.png: cannot be read", id="picture-absent"),
        pytest.param('path,label\n"0000.png,joy\n', "labels.csv: is no csv", id="no-csv"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, table: str, told: str) -> None:
    with pytest.raises(DataError) as refused:
        read_labelled(with_table(tmp_path, table), TWO)
    assert told in str(refused.value)


def flat(folder: Path) -> Path:
    write_crops(folder, some_crops(2))
    return folder


def latin(folder: Path) -> Path:
    with_table(folder, "")
    (folder / "labels.csv").write_bytes("path,label\né.png,joy\n".encode("latin-1"))
    return folder


def shorter_manifest(folder: Path) -> Path:
    write_prepared(folder, "toy", some_crops(3), [Row(f"{n}.png", "ann", "joy") for n in range(3)])
    lines = (folder / "manifest.csv").read_text().splitlines()
    (folder / "manifest.csv").write_text("\n".join(lines[:-1]) + "\n")
    return folder


@pytest.mark.parametrize(
    ("make", "split", "told"),
    [
        pytest.param(flat, None, "labels missing: it has neither labels.csv nor subfolders", id="no-labels"),
        pytest.param(lambda folder: folder / "absent", None, "is not there", id="absent"),
        pytest.param(latin, None, "is not UTF-8", id="not-utf8"),
        pytest.param(shorter_manifest, None, "manifest.csv has 2 rows for 3 crops", id="manifest-too-short"),
        pytest.param(
            lambda f: with_table(f, TABLE), "val", "no row of the split 'val'; its splits: test, train", id="split"
        ),
        pytest.param(lambda f: with_table(f, "path,label\n0000.png,joy\n"), "test", "knows no splits", id="no-splits"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], split: str | None, told: str
) -> None:
    with pytest.raises(DataError) as refused:
        read_labelled(make(tmp_path), TWO, split)
    assert told in str(refused.value)


def test_london_and_lfw_are_read_as_they_are(shared: Path) -> None:
    london = read_labelled(shared / "data" / "london", LABELS)
    assert london.subject is not None
    assert (len(london), len(set(london.subject.tolist())), london.skipped) == (204, 102, {})
    lfw = read_labelled(shared / "data" / "lfw_expressions", LABELS, "test", limit=20)
    assert (len(lfw), lfw.split) == (20, "test")
