"""Pictures become crops once: through the device's alignment, in order, whatever comes between."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import get_ident

import cv2
import numpy as np
import pytest

from ffe_edge.align import TEMPLATE, align
from ffe_edge.errors import DataError
from ffe_edge.types import Faces, ImageArray
from ffe_train.cropping import ALIGNED, Cropper, Item, Refusal, colour_counts, looks_swapped
from ffe_train.manifest import Row
from ffe_train.prepare import Prepared, prepare
from ffe_train.prepared import Pair, open_prepared, read_pairs


def face(seed: int) -> ImageArray:
    """Noise of the colour of skin."""
    noise = np.random.default_rng(seed).integers(-20, 21, (112, 112, 3))
    return np.asarray(noise + np.array([120, 150, 190]), np.uint8)


class Album:
    """Aligned pictures that remember how often they were read."""

    def __init__(self, count: int, *, bad: Iterable[int] = (), colour: Callable[[int], ImageArray] = face) -> None:
        self.count, self.bad, self.colour = count, set(bad), colour
        self.read: list[int] = []
        self.stop_at = -1

    def items(self) -> Iterator[Item]:
        for number in range(self.count):
            yield Item(Row(f"{number}.png", f"s{number}", "joy", source="toy", landmarks=ALIGNED), self._reader(number))

    def _reader(self, number: int) -> Callable[[], ImageArray]:
        def read() -> ImageArray:
            if number == self.stop_at:
                raise KeyboardInterrupt
            self.read.append(number)
            if number in self.bad:
                raise DataError(f"{number}.png: is no picture")
            return self.colour(number)

        return read


def prepared(album: Album, folder: Path, *, skip_bad: bool = False, workers: int = 1) -> Prepared:
    return prepare(album.items(), folder, name="toy", detector=None, skip_bad=skip_bad, workers=workers, shard_rows=4)


def refused(folder: Path) -> list[list[str]]:
    with (folder / "refused.csv").open(newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.mark.parametrize("workers", [1, 3])
def test_aligned_pictures_become_crops_as_they_are_and_in_order(tmp_path: Path, workers: int) -> None:
    done = prepared(Album(10), tmp_path, workers=workers)
    faces = open_prepared(tmp_path)
    np.testing.assert_array_equal(faces.crops(np.arange(10)), [face(number) for number in range(10)])
    assert (done.count, done.refused, done.reused, done.digest) == (10, {}, 0, faces.digest)
    assert [row.subject for row in faces.rows] == [f"s{number}" for number in range(10)]
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith("part") or path.suffix == ".part"]


def test_a_second_call_reads_nothing_again(tmp_path: Path) -> None:
    first, album = prepared(Album(6), tmp_path), Album(6)
    assert prepared(album, tmp_path) == replace(first, reused=6)
    assert album.read == []


def test_a_stopped_run_goes_on_with_the_rest(tmp_path: Path) -> None:
    album = Album(10)
    album.stop_at = 6
    with pytest.raises(KeyboardInterrupt):
        prepared(album, tmp_path / "stopped")
    with pytest.raises(DataError, match="no finished prepared set"):
        open_prepared(tmp_path / "stopped")
    again = Album(10)
    done = prepared(again, tmp_path / "stopped")
    assert (again.read, done.reused) == ([4, 5, 6, 7, 8, 9], 4)
    assert done.digest == prepared(Album(10), tmp_path / "whole").digest


def test_a_killed_run_goes_on_with_the_rest(tmp_path: Path) -> None:
    program = f"""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_prepare import Album, face, prepared
        def colour(number):
            if number == 9:
                os.kill(os.getpid(), signal.SIGKILL)
            return face(number)
        prepared(Album(12, colour=colour), Path({str(tmp_path / "killed")!r}))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    album = Album(12)
    done = prepared(album, tmp_path / "killed")
    assert (album.read, done.reused) == ([8, 9, 10, 11], 8)
    assert done.digest == prepared(Album(12), tmp_path / "whole").digest


def test_a_shard_that_was_damaged_meanwhile_is_made_again(tmp_path: Path) -> None:
    album = Album(10)
    album.stop_at = 9
    with pytest.raises(KeyboardInterrupt):
        prepared(album, tmp_path)
    (tmp_path / "crops-00000.npy").write_bytes(b"half")
    again = Album(10)
    prepared(again, tmp_path)
    assert again.read == [0, 1, 2, 3, 8, 9]


def test_unreadable_pictures_stop_it_at_the_end_with_the_first_few_and_the_count(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"7 of 12 pictures cannot be read: 0\.png: is no picture; .*and 2 more"):
        prepared(Album(12, bad=range(7)), tmp_path)
    assert len(refused(tmp_path)) == 7
    assert not (tmp_path / "set.json").exists()


def test_mended_pictures_are_read_by_the_next_run_and_the_others_are_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 of 12"):
        prepared(Album(12, bad=[5]), tmp_path / "mended")
    album = Album(12)
    assert prepared(album, tmp_path / "mended").refused == {}
    assert album.read == [4, 5, 6, 7]
    crops = open_prepared(tmp_path / "mended").crops(np.arange(12))
    np.testing.assert_array_equal(crops, [face(number) for number in range(12)])


def test_bad_pictures_are_left_out_and_listed_when_told_to(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 of 6"):
        prepared(Album(6, bad=[1, 4]), tmp_path)
    album = Album(6, bad=[1, 4])
    done = prepared(album, tmp_path, skip_bad=True)
    assert (album.read, done.count, done.refused) == ([], 4, {"unreadable": 2})
    assert [line[:3] for line in refused(tmp_path)] == [["1.png", "unreadable", "s1"], ["4.png", "unreadable", "s4"]]
    assert [row.path for row in open_prepared(tmp_path).rows] == ["0.png", "2.png", "3.png", "5.png"]


def test_a_shard_may_stay_empty(tmp_path: Path) -> None:
    prepared(Album(10, bad=range(4, 8)), tmp_path, skip_bad=True)
    crops = open_prepared(tmp_path).crops(np.arange(6))
    np.testing.assert_array_equal(crops, [face(number) for number in (0, 1, 2, 3, 8, 9)])


def test_a_set_of_nothing_but_refused_pictures_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every picture was refused"):
        prepared(Album(3, bad=range(3)), tmp_path, skip_bad=True)
    with pytest.raises(DataError, match="holds no picture"):
        prepared(Album(0), tmp_path)


def test_the_same_picture_of_two_people_is_refused_and_of_one_person_is_not(tmp_path: Path) -> None:
    people = ["ann", "ann", "ben", "cleo", "cleo", "dan", "ben"]
    pictures = [0, 0, 1, 2, 1, 3, 0]
    items = [
        Item(Row(str(i), who, landmarks=ALIGNED), lambda seed=seed: face(seed))
        for i, (who, seed) in enumerate(zip(people, pictures, strict=True))
    ]
    done = prepare(items, tmp_path, name="x", detector=None, shard_rows=4)
    assert done.refused == {"duplicate across subjects": 2}
    assert [(path, who) for path, _, who, _ in refused(tmp_path)] == [("4", "cleo"), ("6", "ben")]


def test_swapped_colours_are_refused_unless_told_otherwise(tmp_path: Path) -> None:
    def swapped(number: int) -> ImageArray:
        return np.ascontiguousarray(face(number)[..., ::-1])

    album = Album(40, colour=swapped)
    with pytest.raises(DataError, match="--allow-odd-colours"):
        prepared(album, tmp_path)
    assert len(album.read) < 40
    done = prepare(album.items(), tmp_path, name="toy", detector=None, shard_rows=4, check_colours=False)
    assert done.count == 40


def test_grey_pictures_and_a_few_blue_ones_are_no_swap() -> None:
    grey = np.full((20, 112, 112, 3), 90, np.uint8)
    assert colour_counts(grey) == (0, 0)
    mixed = np.stack([face(seed) if seed % 3 else face(seed)[..., ::-1] for seed in range(30)])
    assert colour_counts(mixed) == (30, 10)
    assert not looks_swapped(30, 10)
    assert not looks_swapped(5, 5)


def test_a_finished_folder_belongs_to_its_pictures(tmp_path: Path) -> None:
    prepared(Album(8), tmp_path)
    with pytest.raises(DataError, match="holds the finished set toy of other pictures"):
        prepared(Album(9), tmp_path)


def test_an_unfinished_folder_belongs_to_its_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        prepared(Album(8, bad=[7]), tmp_path)
    items = [Item(replace(item.row, label="fear"), item.read) for item in Album(8).items()]
    with pytest.raises(DataError, match="another preparation"):
        prepare(items, tmp_path, name="toy", detector=None, shard_rows=4)


def test_subjects_in_two_splits_are_told_before_anything_is_read(tmp_path: Path) -> None:
    album = Album(4)
    items = list(album.items())
    items[3] = Item(replace(items[0].row, split="test"), items[3].read)
    with pytest.raises(DataError, match="subject toy/s0"):
        prepare(items, tmp_path, name="x", detector=None)
    assert album.read == []


def test_pairs_become_rows_and_lose_refused_pictures(tmp_path: Path) -> None:
    pairs = [Pair("0.png", "5.png", True), Pair("1.png", "2.png", False), Pair("3.png", "4.png", False)]
    items = Album(6, bad=[1]).items()
    done = prepare(items, tmp_path, name="x", detector=None, skip_bad=True, pairs=pairs)
    assert done.pairs == 2
    assert read_pairs(tmp_path).tolist() == [[0, 4, 1], [2, 3, 0]]


def test_progress_sees_every_picture_of_a_resumed_run(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []

    def progress(things: Iterable[Item], words: str, total: int) -> Iterable[Item]:
        counted = list(things)
        told.append((words, len(counted), total))
        return counted

    with pytest.raises(DataError, match="cannot be read"):
        prepare(Album(9, bad=[8]).items(), tmp_path, name="toy", detector=None, progress=progress, shard_rows=4)
    prepare(Album(9).items(), tmp_path, name="toy", detector=None, progress=progress, shard_rows=4)
    assert told == [("prepare toy", 9, 9)] * 2


class TwoFaces:
    """A ``FaceDetector`` that finds a small face at the left and a large one at the right of a bright picture."""

    name = "fake"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.inside: set[int] = set()

    def __call__(self, image: ImageArray) -> Faces:
        assert not self.inside, "two threads in one detector"
        self.inside.add(get_ident())
        self.shapes.append(image.shape)
        found = Faces.none()
        if image.mean() > 60:
            landmarks = np.stack([TEMPLATE / 2 + 10, TEMPLATE + 100]).astype(np.float32)
            boxes = np.array([[10, 10, 66, 66], [100, 100, 212, 212]], np.float32)
            found = Faces(boxes, np.array([0.9, 0.6], np.float32), landmarks)
        self.inside.clear()
        return found


def large(seed: int) -> ImageArray:
    return np.asarray(cv2.resize(face(seed), (240, 240), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_the_largest_face_is_aligned_as_on_the_device() -> None:
    image, detector = large(0), TwoFaces()
    crop = Cropper(detector)(Item(Row("a", "s"), lambda: image))
    np.testing.assert_array_equal(crop, align(image, detector(image))[1])


def test_the_face_in_the_rows_box_is_taken_and_looked_for_round_the_box() -> None:
    image, detector = large(0), TwoFaces()
    crop = Cropper(detector)(Item(Row("a", "s", xyxy=(0, 0, 60, 60)), lambda: image))
    assert detector.shapes == [(91, 91, 3)]
    np.testing.assert_array_equal(crop, align(image, detector(image))[0])


def test_a_box_in_the_middle_moves_what_is_found_back() -> None:
    image = np.asarray(np.pad(large(0), ((40, 0), (40, 0), (0, 0))), np.uint8)
    crop = Cropper(TwoFaces())(Item(Row("a", "s", xyxy=(140, 140, 340, 340)), lambda: image))
    np.testing.assert_array_equal(crop, align(large(0), TwoFaces()(large(0)))[1])


@pytest.mark.parametrize(
    "box", [pytest.param(None, id="none-at-all"), pytest.param((0.0, 0.0, 8.0, 8.0), id="elsewhere")]
)
def test_no_face_is_a_refusal(box: tuple[float, float, float, float] | None) -> None:
    image = np.zeros((240, 240, 3), np.uint8) if box is None else large(0)
    assert Cropper(TwoFaces())(Item(Row("a", "s", xyxy=box), lambda: image)) == Refusal("no face")


def test_without_a_face_a_picture_may_be_its_own_crop() -> None:
    image = np.zeros((240, 240, 3), np.uint8)
    image[64:176, 64:176] = face(0) // 8
    crop = Cropper(TwoFaces())(Item(Row("a", "s"), lambda: image, (64, 64, 176, 176)))
    np.testing.assert_array_equal(crop, face(0) // 8)


def test_threads_share_a_detector_one_after_the_other(tmp_path: Path) -> None:
    items = [Item(Row(str(seed), str(seed)), lambda seed=seed: large(seed)) for seed in range(24)]
    one = prepare(items, tmp_path / "one", name="x", detector=TwoFaces())
    four = prepare(items, tmp_path / "four", name="x", detector=TwoFaces(), workers=4)
    assert one.digest == four.digest


def test_rows_without_landmarks_need_a_detector(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give a face detector"):
        prepare([Item(Row("a.png", "s"), lambda: face(0))], tmp_path, name="x", detector=None)


def test_a_picture_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    album = Album(4)
    items = [*album.items(), *list(album.items())[2:3]]
    with pytest.raises(DataError, match=r"toy: 2\.png of toy stands there again in row 4"):
        prepare(items, tmp_path, name="toy", detector=None)
    assert album.read == []
