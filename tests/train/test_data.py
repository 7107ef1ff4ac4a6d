"""Every source in one form, people in one split, votes as they were cast."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ffe_edge.align import CROP_PX, TEMPLATE
from ffe_edge.emotions import LABELS
from ffe_edge.errors import DataError
from ffe_edge.types import Faces, ImageArray
from ffe_train.data import (
    Samples,
    check_subjects,
    concatenate,
    load_samples,
    luminance,
    one_hot,
    read_ferplus,
    read_image,
    read_lfw,
    read_london,
    save_samples,
)

VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def samples_of(subjects: list[str], splits: list[str], source: str = "toy", seed: int = 0) -> Samples:
    count = len(subjects)
    rng = np.random.default_rng(seed)
    return Samples(
        rng.integers(0, 256, (count, 112, 112), np.uint8),
        one_hot(LABELS[k % 9] for k in range(count)),
        np.array(subjects),
        np.array(splits),
        np.full(count, source),
        rng.random(count) < 0.5,
    )


def assert_same(one: Samples, other: Samples) -> None:
    for field in fields(Samples):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def quietly(items: Iterable[Any], _description: str, _total: int) -> Iterable[Any]:
    return items


def png(grey: int, side: int = 48) -> bytes:
    done, data = cv2.imencode(".png", np.full((side, side), grey, np.uint8))
    assert done
    return data.tobytes()


class FaceInTheMiddle:
    """A ``FaceDetector`` that sees a face in bright pictures only: a small one, and a large one with landmarks."""

    name = "fake"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, image: ImageArray) -> Faces:
        self.shapes.append(image.shape)
        if image.mean() < 128:
            return Faces.none()
        boxes = np.array([[0, 0, 20, 20], [60, 60, 220, 220]], np.float32)
        landmarks = np.stack([TEMPLATE / 10, TEMPLATE + 80]).astype(np.float32)
        return Faces(boxes, np.array([0.9, 0.6], np.float32), landmarks)


def ferplus(folder: Path, rows: list[tuple[str, dict[str, int]]], images: list[bytes] | None = None) -> Path:
    """A small FER+ archive; images are named by their row."""
    path = folder / "ferplus.zip"
    lines = [",".join(["path", "usage", *VOTES])]
    with zipfile.ZipFile(path, "w") as archive:
        for index, (usage, votes) in enumerate(rows):
            archive.writestr(f"images/fer{index}.png", images[index] if images else png(10))
            lines.append(",".join([f"images/fer{index}.png", usage, *(str(votes.get(name, 0)) for name in VOTES)]))
        archive.writestr("votes.csv", "\n".join(lines))
    return path


def test_a_person_in_two_splits_is_named() -> None:
    samples = samples_of(["anna", "ben", "anna"], ["train", "val", "test"])
    with pytest.raises(DataError, match="subject toy/anna stands in the splits train and test"):
        check_subjects(samples)


def test_the_same_name_in_two_sets_is_two_people() -> None:
    check_subjects(concatenate([samples_of(["1"], ["train"], "one"), samples_of(["1"], ["test"], "other")]))
    with pytest.raises(DataError, match="one/1"):
        check_subjects(concatenate([samples_of(["1"], ["train"], "one"), samples_of(["1"], ["test"], "one")]))


def test_samples_come_back_from_the_cache_as_they_were(tmp_path: Path) -> None:
    samples = samples_of(["anna", "ben", "千代"], ["train", "val", "test"])
    path = tmp_path / "prepared" / "toy-1.npz"
    save_samples(samples, path)
    assert_same(load_samples(path), samples)
    assert list(path.parent.iterdir()) == [path]


def test_sets_are_put_one_after_the_other() -> None:
    one, other = samples_of(["a", "b"], ["train", "test"]), samples_of(["christine"], ["val"], "longer-name", seed=1)
    both = concatenate([one, other])
    assert both.subject.tolist() == ["a", "b", "christine"]
    assert both.source.tolist() == ["toy", "toy", "longer-name"]
    assert both.split.tolist() == ["train", "test", "val"]
    np.testing.assert_array_equal(both.crops, np.concatenate([one.crops, other.crops]))
    np.testing.assert_array_equal(both.targets, np.concatenate([one.targets, other.targets]))


def test_picking_keeps_what_belongs_together() -> None:
    samples = samples_of(["a", "b", "c"], ["train", "val", "test"])
    picked = samples[np.flatnonzero(samples.split != "val")]
    assert picked.subject.tolist() == ["a", "c"]
    assert picked.class_id.tolist() == [0, 2]
    np.testing.assert_array_equal(picked.crops[1], samples.crops[2])


@pytest.mark.parametrize(
    ("votes", "kept"),
    [
        pytest.param({"happiness": 10}, True, id="all-agree"),
        pytest.param({"happiness": 4, "sadness": 3, "contempt": 3}, True, id="most"),
        pytest.param({"sadness": 4, "neutral": 4, "unknown": 2}, True, id="two-of-ours-tie"),
        pytest.param({"contempt": 6, "neutral": 4}, False, id="contempt"),
        pytest.param({"contempt": 5, "neutral": 5}, False, id="tie-with-contempt"),
        pytest.param({"unknown": 4, "fear": 3, "anger": 3}, False, id="unknown"),
        pytest.param({"NF": 10}, False, id="not-a-face"),
        pytest.param({}, False, id="no-votes"),
    ],
)
def test_a_ferplus_image_counts_when_most_raters_chose_one_of_ours(
    tmp_path: Path, votes: dict[str, int], kept: bool
) -> None:
    rows = [("Training", {"neutral": 10}), ("Training", votes)]
    samples = read_ferplus(ferplus(tmp_path, rows), FaceInTheMiddle(), quietly)
    assert samples.subject.tolist() == (["fer0", "fer1"] if kept else ["fer0"])


def test_ferplus_votes_become_a_distribution_over_our_labels(tmp_path: Path) -> None:
    rows = [("Training", {"happiness": 5, "surprise": 2, "fear": 1, "contempt": 1, "NF": 1})]
    (targets,) = read_ferplus(ferplus(tmp_path, rows), FaceInTheMiddle(), quietly).targets
    told = dict(zip(LABELS, targets.tolist(), strict=True))
    assert told == pytest.approx({**dict.fromkeys(LABELS, 0.0), "joy": 5 / 8, "surprise": 2 / 8, "fear": 1 / 8})


def test_every_twentieth_training_image_of_ferplus_is_for_validation(tmp_path: Path) -> None:
    rows = [("Training", {"neutral": 9})] * 40 + [("PublicTest", {"anger": 9})] * 20
    samples = read_ferplus(ferplus(tmp_path, rows), FaceInTheMiddle(), quietly)
    assert np.flatnonzero(samples.split == "val").tolist() == [19, 39]
    assert set(samples.split[40:].tolist()) == {"test"}
    assert (samples.split == "train").sum() == 38
    assert (set(samples.source.tolist()), samples.age_60_plus.any()) == ({"ferplus"}, False)


def test_a_ferplus_face_is_aligned_by_its_largest_find_else_the_picture_is_the_crop(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(130, 250, 48).astype(np.uint8), (48, 1))
    data = cv2.imencode(".png", ramp)[1].tobytes()
    detector = FaceInTheMiddle()
    path = ferplus(tmp_path, [("Training", {"neutral": 9})] * 2, [data, png(10)])
    samples = read_ferplus(path, detector, quietly)
    assert detector.shapes == [(288, 288, 3)] * 2
    expected = cv2.resize(ramp, (192, 192), interpolation=cv2.INTER_CUBIC)[56, 32 : 32 + CROP_PX]
    np.testing.assert_allclose(samples.crops[0, 24].astype(int), expected.astype(int), atol=2)
    np.testing.assert_array_equal(samples.crops[1], np.full((CROP_PX, CROP_PX), 10))


@pytest.mark.parametrize("content", [pytest.param(None, id="missing"), pytest.param(b"no archive", id="no-archive")])
def test_a_ferplus_archive_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ferplus.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"ferplus\.zip"):
        read_ferplus(path, FaceInTheMiddle(), quietly)


def test_a_ferplus_image_that_is_none_is_told(tmp_path: Path) -> None:
    path = ferplus(tmp_path, [("Training", {"neutral": 9})], [b"no picture"])
    with pytest.raises(DataError, match="cannot be decoded"):
        read_ferplus(path, FaceInTheMiddle(), quietly)


def table(folder: Path, text: str) -> Path:
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    for name in ("a", "b", "c"):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((112, 112, 3), (0, 0, 200), np.uint8))
    return folder


def test_lfw_is_read_as_its_table_says(tmp_path: Path) -> None:
    lines = "a.png,joy,Ann,1,train\nb.png,neutral,Ben,0,test\nc.png,contempt,Cy,0,train"
    samples = read_lfw(table(tmp_path, f"path,proxy9,subject,age60plus,split\n{lines}\n"), quietly)
    assert [LABELS[k] for k in samples.class_id] == ["joy", "neutral"]
    assert (samples.subject.tolist(), samples.split.tolist()) == (["Ann", "Ben"], ["train", "test"])
    assert samples.age_60_plus.tolist() == [True, False]
    np.testing.assert_array_equal(samples.crops, np.full((2, 112, 112), round(0.299 * 200)))


def test_london_is_for_testing_alone(tmp_path: Path) -> None:
    lines = "a.png,smiling,001,60\nb.png,neutral,001,59\nc.png,neutral,002,unknown"
    samples = read_london(table(tmp_path, f"path,label,subject,age\n{lines}\n"), quietly)
    assert [LABELS[k] for k in samples.class_id] == ["joy", "neutral", "neutral"]
    assert set(samples.split.tolist()) == {"test"}
    assert samples.age_60_plus.tolist() == [True, False, False]


@pytest.mark.parametrize("read", [read_lfw, read_london])
def test_a_missing_table_is_named(tmp_path: Path, read: Any) -> None:
    with pytest.raises(DataError, match=r"labels\.csv: cannot be read"):
        read(tmp_path, quietly)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "face.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"face\.jpg: is missing or no image"):
        read_image(tmp_path / "face.jpg")


def test_luminance_is_opencvs_grey() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    blue, green, red = np.moveaxis(images.astype(float), -1, 0)
    np.testing.assert_allclose(luminance(images), 0.114 * blue + 0.587 * green + 0.299 * red, atol=0.51)
