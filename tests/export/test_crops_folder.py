"""Crops come from the folder that was named and from no other; what cannot be used is named."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from verify_parts import some_crops, write_crops

from ffe_edge.errors import DataError
from ffe_export.crops_folder import crops_sha256, draw_crops, read_crops
from ffe_train.manifest import Row, Split
from ffe_train.prepared import write_prepared


def test_pictures_are_found_wherever_they_lie_and_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    crops = some_crops(4)
    write_crops(tmp_path, crops, ["b/2.png", "a.bmp", "b/1.PNG", ".hidden/x.png"])
    np.testing.assert_array_equal(read_crops(tmp_path, least=3), crops[[1, 2, 0]])


def test_a_draw_is_the_same_again_and_another_with_another_seed(tmp_path: Path) -> None:
    write_crops(tmp_path, some_crops(20))
    first, again, other = (draw_crops(tmp_path, 8, seed, least=1) for seed in (0, 0, 1))
    assert (first.sha256, len(first.crops), first.found) == (again.sha256, 8, 20)
    assert first.sha256 != other.sha256


def test_every_crop_is_drawn_equally_often(tmp_path: Path) -> None:
    crops = some_crops(10)
    write_crops(tmp_path, crops)
    times = np.zeros(10)
    for seed in range(60):
        found = read_crops(tmp_path, 5, seed, least=1)
        times += [(crop == found).all(axis=(1, 2, 3)).any() for crop in crops]
    assert times.sum() == 300
    assert times.min() > 15


def test_the_record_says_which_crops(tmp_path: Path) -> None:
    crops = some_crops(5)
    write_crops(tmp_path / "set", crops)
    record = draw_crops(tmp_path / "set", least=5).record
    expected = {"folder": "set", "images": 5, "found": 5, "duplicates": 0, "seed": 0, "sha256": crops_sha256(crops)}
    assert record == expected
    assert crops_sha256(crops[::-1]) != crops_sha256(crops)


def test_duplicates_are_counted_told_and_do_not_count_as_different(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_crops(tmp_path, some_crops(6)[[0, 1, 2, 3, 3, 3]])
    with caplog.at_level(logging.WARNING):
        assert draw_crops(tmp_path, least=4).duplicates == 2
    assert "2 of 6 crops are there more than once" in caplog.text
    with pytest.raises(DataError, match=r"only 4 of its 6 crops differ, 5 different ones are needed"):
        read_crops(tmp_path, least=5)


def prepared(folder: Path, count: int) -> Path:
    rows = [Row(f"{number}.png", f"s{number}") for number in range(count)]
    write_prepared(folder, "toy", some_crops(count), rows)
    return folder


def test_a_prepared_set_is_mapped_into_memory(tmp_path: Path) -> None:
    found = read_crops(prepared(tmp_path / "set", 7), least=7)
    np.testing.assert_array_equal(found, some_crops(7))
    assert isinstance(found.base, np.memmap)


def test_crops_are_drawn_from_all_shards_of_a_prepared_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffe_train.prepared.SHARD_ROWS", 3)
    folder = prepared(tmp_path / "set", 8)
    np.testing.assert_array_equal(read_crops(folder, least=8), some_crops(8))
    drawn = read_crops(folder, 5, 3, least=5)
    place = np.sort(np.random.default_rng(3).choice(8, 5, replace=False))
    np.testing.assert_array_equal(drawn, some_crops(8)[place])


def with_splits(folder: Path, splits: list[Split]) -> Path:
    rows = [Row(f"{number}.png", f"s{number}", split=split) for number, split in enumerate(splits)]
    write_prepared(folder, "toy", some_crops(len(splits)), rows)
    return folder


def test_faces_that_are_for_measuring_are_not_drawn_unless_there_are_no_others(tmp_path: Path) -> None:
    mixed = with_splits(tmp_path / "mixed", ["test", "train", "test", "val", "train"])
    np.testing.assert_array_equal(read_crops(mixed, least=3), some_crops(5)[[1, 3, 4]])
    assert draw_crops(mixed, 2, least=2).found == 3
    np.testing.assert_array_equal(read_crops(with_splits(tmp_path / "held", ["test"] * 4), least=4), some_crops(4))
    with pytest.raises(DataError, match="holds 3 crops outside its split test, 4 are needed"):
        read_crops(mixed, least=4)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("path,subject\na,b\n")])
def test_a_manifest_that_does_not_belong_to_the_crops_is_told(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    damage(prepared(tmp_path, 10) / "manifest.csv")
    with pytest.raises(DataError, match=r"manifest\.csv: .*; prepare the set again"):
        read_crops(tmp_path, least=5)


def absent(folder: Path) -> Path:
    return folder / "absent"


def a_file(folder: Path) -> Path:
    (folder / "file").write_bytes(b"")
    return folder / "file"


def empty(folder: Path) -> Path:
    (folder / "notes.txt").write_text("nothing")
    return folder


def too_few(folder: Path) -> Path:
    write_crops(folder, some_crops(9))
    return folder


def too_large(folder: Path) -> Path:
    write_crops(folder, some_crops(10, size=113))
    return folder


def text(folder: Path) -> Path:
    write_crops(folder, some_crops(10))
    (folder / "0003.png").write_text("no picture")
    return folder


def nothing_in_it(folder: Path) -> Path:
    write_crops(folder, some_crops(10))
    (folder / "0003.png").write_bytes(b"")
    return folder


def cut_off(folder: Path) -> Path:
    write_crops(folder, some_crops(10), [f"{number}.jpg" for number in range(10)])
    whole = (folder / "3.jpg").read_bytes()
    (folder / "3.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


def unfinished(folder: Path) -> Path:
    (prepared(folder, 10) / "set.json").unlink()
    return folder


def of_another_version(folder: Path) -> Path:
    about = json.loads((prepared(folder, 10) / "set.json").read_text())
    (folder / "set.json").write_text(json.dumps({**about, "version": 2}))
    return folder


def half_a_shard(folder: Path) -> Path:
    path = prepared(folder, 10) / "crops-00000.npy"
    path.write_bytes(path.read_bytes()[:1000])
    return folder


def shard_of_objects(folder: Path) -> Path:
    np.save(prepared(folder, 10) / "crops-00000.npy", np.array([{}], object), allow_pickle=True)
    return folder


def not_json(folder: Path) -> Path:
    (prepared(folder, 10) / "set.json").write_text("{")
    return folder


@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(absent, "absent: is not there; give a folder of aligned 112 x 112", id="absent"),
        pytest.param(a_file, "is a file, not a folder", id="file"),
        pytest.param(empty, "holds no picture and no set.json", id="no-picture"),
        pytest.param(too_few, "holds 9 crops, 10 are needed", id="too-few"),
        pytest.param(too_large, "0000.png: is 113 x 113, not an aligned 112 x 112 crop", id="another-size"),
        pytest.param(text, "0003.png: is no picture that can be decoded", id="text"),
        pytest.param(nothing_in_it, "0003.png: is no picture", id="empty-file"),
        pytest.param(cut_off, "3.jpg: is cut off", id="cut-off"),
        pytest.param(unfinished, "set.json: cannot be read", id="unfinished-set"),
        pytest.param(of_another_version, "of another version; prepare the set again", id="version"),
        pytest.param(not_json, "is not valid JSON", id="not-json"),
        pytest.param(half_a_shard, "crops-00000.npy: cannot be read", id="half-a-shard"),
        pytest.param(shard_of_objects, "crops-00000.npy", id="pickle-in-a-shard"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, make: object, told: str) -> None:
    assert callable(make)
    with pytest.raises(DataError) as refused:
        read_crops(make(tmp_path), least=10)
    assert told in str(refused.value)


def test_a_wrong_size_says_who_aligns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="`ffe-edge train prepare` aligns pictures"):
        read_crops(too_large(tmp_path), least=1)


def test_a_hundred_are_needed_where_nothing_else_is_said(tmp_path: Path) -> None:
    write_crops(tmp_path, some_crops(99))
    with pytest.raises(DataError, match="holds 99 crops, 100 are needed"):
        read_crops(tmp_path)
    write_crops(tmp_path, some_crops(1, seed=5), ["new.png"])
    assert len(read_crops(tmp_path)) == 100
    with pytest.raises(DataError, match="50 of its crops are asked for, 100 are needed"):
        read_crops(tmp_path, 50)


def test_grey_pictures_are_crops_too(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), some_crops(1)[0, :, :, 0])
    np.testing.assert_array_equal(read_crops(tmp_path, least=1)[0, :, :, 2], some_crops(1)[0, :, :, 0])


def test_elderly_faces_calibrate(shared: Path) -> None:
    found = draw_crops(shared / "data" / "elderly_unlabelled", 150)
    assert (found.crops.shape, found.found) == ((150, 112, 112, 3), 800)
