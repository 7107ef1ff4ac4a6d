"""Crops and rows that belong together, drawn in any order, and a digest that tells when they change."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray
from ffe_train import prepared
from ffe_train.manifest import Row, read_manifest, write_manifest
from ffe_train.prepared import PreparedSet, joined, open_prepared, read_pairs, write_prepared
from ffe_train.tasks import NINE


def some_crops(count: int, seed: int = 0) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


def some_rows(count: int, source: str = "toy") -> list[Row]:
    return [Row(f"{i}.png", f"s{i // 2}", NINE.labels[i % 9], split="train", source=source) for i in range(count)]


@pytest.fixture
def ten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedSet:
    """Ten faces of five people in shards of four."""
    monkeypatch.setattr(prepared, "SHARD_ROWS", 4)
    write_prepared(tmp_path / "ten", "ten", some_crops(10), some_rows(10), detector="yunet")
    return open_prepared(tmp_path / "ten")


def test_crops_come_in_the_order_asked_for(ten: PreparedSet) -> None:
    index = np.array([9, 0, 4, 4, 3])
    np.testing.assert_array_equal(ten.crops(index), some_crops(10)[index])
    assert (len(ten), ten.name, len(ten.shards)) == (10, "ten", 3)
    assert ten.crops(np.array([], np.int64)).shape == (0, 112, 112, 3)


def test_crops_are_copies(ten: PreparedSet) -> None:
    ten.crops(np.array([0]))[:] = 0
    np.testing.assert_array_equal(ten.crops(np.array([0])), some_crops(10)[:1])


def test_a_view_keeps_what_belongs_together(ten: PreparedSet) -> None:
    view = ten.select(np.array([7, 2, 5])).select(np.array([2, 0]))
    assert [row.path for row in view.rows] == ["5.png", "7.png"]
    assert view.subject.tolist() == ["s2", "s3"]
    np.testing.assert_array_equal(view.crops(np.array([1, 0])), some_crops(10)[[7, 5]])
    assert len({ten.digest, view.digest, ten.select(np.array([5, 7])).digest}) == 3


def test_sets_are_joined_one_after_the_other(ten: PreparedSet, tmp_path: Path) -> None:
    write_prepared(tmp_path / "two", "two", some_crops(2, 1), some_rows(2, "other"))
    both = joined([ten.select(np.array([8, 1])), open_prepared(tmp_path / "two")])
    expected = np.concatenate([some_crops(10)[[8, 1]], some_crops(2, 1)])
    np.testing.assert_array_equal(both.crops(np.arange(4)), expected)
    assert (both.name, both.source.tolist()) == ("ten+two", ["toy", "toy", "other", "other"])
    assert joined([ten]) is ten


def test_a_person_is_a_person_of_one_source(ten: PreparedSet, tmp_path: Path) -> None:
    write_prepared(tmp_path / "two", "two", some_crops(2, 1), some_rows(2, "other"))
    ids, names = joined([ten.select(np.array([2, 0, 1])), open_prepared(tmp_path / "two")]).identity()
    assert ids.tolist() == [2, 1, 1, 0, 0]
    assert names == ("other/s0", "toy/s0", "toy/s1")


def test_what_is_known_of_people_comes_as_arrays(tmp_path: Path) -> None:
    rows = [Row("a", "x", age=71, sex="f", split="val"), Row("b", "y")]
    write_prepared(tmp_path, "two", some_crops(2), rows)
    faces = open_prepared(tmp_path)
    np.testing.assert_array_equal(faces.age, np.array([71, np.nan], np.float32))
    assert (faces.sex.tolist(), faces.split.tolist()) == (["f", ""], ["val", ""])


def naive_target(row: Row, weight: float) -> list[float]:
    hard = [float(row.label == label) for label in NINE.labels]
    total = sum(row.votes.get(label, 0) for label in NINE.labels)
    soft = [row.votes.get(label, 0) / total if total else 0.0 for label in NINE.labels]
    if not total:
        return hard
    if row.label not in NINE.labels:
        return soft
    return [(1 - weight) * one + weight * other for one, other in zip(hard, soft, strict=True)]


@pytest.mark.parametrize("weight", [0, 0.3, 1])
def test_targets_mix_label_and_raters(tmp_path: Path, weight: float) -> None:
    rows = [
        Row("a", "1", "joy", {"joy": 3, "neutral": 1, "other": 4}),
        Row("b", "2", "fear"),
        Row("c", "3", "", {"anger": 2, "sadness": 2}),
        Row("d", "4", "contempt"),
        Row("e", "5", "joy", {"other": 5}),
    ]
    write_prepared(tmp_path, "five", some_crops(5), rows)
    targets = open_prepared(tmp_path).targets(NINE, weight)
    np.testing.assert_allclose(targets, [naive_target(row, weight) for row in rows], rtol=1e-6)
    assert targets.dtype == np.float32


def test_a_label_of_another_task_is_class_minus_one(tmp_path: Path) -> None:
    write_prepared(tmp_path, "two", some_crops(2), [Row("a", "1", "contempt"), Row("b", "2", "fear")])
    assert open_prepared(tmp_path).class_id(NINE).tolist() == [-1, NINE.class_id("fear")]


def test_the_digest_changes_with_crops_and_with_rows(tmp_path: Path) -> None:
    rows = some_rows(3)
    changed = [replace(rows[0], label="fear"), *rows[1:]]
    digests = []
    for number, (seed, used) in enumerate([(0, rows), (0, rows), (1, rows), (0, changed)]):
        write_prepared(tmp_path / str(number), "x", some_crops(3, seed), used)
        digests.append(open_prepared(tmp_path / str(number)).digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_label_mended_by_hand_counts_and_changes_the_digest(ten: PreparedSet) -> None:
    rows = list(read_manifest(ten.folder / "manifest.csv"))
    write_manifest([replace(rows[0], label="anger"), *rows[1:]], ten.folder / "manifest.csv")
    again = open_prepared(ten.folder)
    assert again.rows[0].label == "anger"
    assert again.digest != ten.digest


def test_a_set_travels_to_another_process_without_its_crops(ten: PreparedSet) -> None:
    ten.crops(np.arange(10))
    sent = pickle.dumps(ten)
    assert len(sent) < 10_000
    np.testing.assert_array_equal(pickle.loads(sent).crops(np.array([6])), some_crops(10)[[6]])


def test_a_folder_without_a_finished_set_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished prepared set"):
        open_prepared(tmp_path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param({"version": 99}, "another version", id="version"),
        pytest.param({"shards": [4, 4]}, "10 rows for 8 crops", id="count"),
    ],
)
def test_files_that_do_not_belong_together_are_told(ten: PreparedSet, damage: dict[str, object], told: str) -> None:
    path = ten.folder / "set.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    with pytest.raises(DataError, match=told):
        open_prepared(ten.folder)


@pytest.mark.parametrize("content", [pytest.param(b"", id="empty"), pytest.param(None, id="absent")])
def test_a_damaged_shard_is_named(ten: PreparedSet, content: bytes | None) -> None:
    path = ten.folder / "crops-00001.npy"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=r"crops-00001\.npy"):
        open_prepared(ten.folder).crops(np.array([5]))


def test_a_shard_of_another_length_is_named(ten: PreparedSet) -> None:
    np.save(ten.folder / "crops-00001.npy", some_crops(3))
    with pytest.raises(DataError, match="not 4 crops"):
        open_prepared(ten.folder).crops(np.array([5]))


def test_pairs_are_read_as_rows(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("a,b,same\n0,3,1\n2,5,0\n")
    assert read_pairs(tmp_path).tolist() == [[0, 3, 1], [2, 5, 0]]
    with pytest.raises(DataError, match="only sets prepared with pairs"):
        read_pairs(tmp_path / "other")
    (tmp_path / "pairs.csv").write_text("a,b,same\nx.png,y.png,1\n")
    with pytest.raises(DataError, match="whole numbers"):
        read_pairs(tmp_path)
