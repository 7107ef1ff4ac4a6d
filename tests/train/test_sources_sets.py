"""FER+, LFW, London and rendered people."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from ffe_edge.config import DetectorSettings
from ffe_edge.errors import DataError
from ffe_edge.faces import YuNet
from ffe_edge.types import Faces, ImageArray
from ffe_train.cropping import ALIGNED, Cropper, colour_counts
from ffe_train.manifest import check_rows
from ffe_train.prepare import prepare
from ffe_train.prepared import Pair, open_prepared
from ffe_train.sources import detect_kind, ferplus, lfw, london, open_pairs, open_source, utkface
from ffe_train.sources.rendered_people import RenderedPeople, items, pairs
from ffe_train.tasks import NINE

VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def grey_png(value: int) -> bytes:
    return cv2.imencode(".png", np.full((48, 48), value, np.uint8))[1].tobytes()


def archive(folder: Path, rows: list[tuple[str, dict[str, int]]], *, same: bool = False) -> Path:
    path = folder / "ferplus.zip"
    lines = [",".join(["path", "usage", *VOTES])]
    with zipfile.ZipFile(path, "w") as out:
        for index, (usage, votes) in enumerate(rows):
            out.writestr(f"images/fer{index}.png", grey_png(10 if same else 10 + index))
            lines.append(",".join([f"images/fer{index}.png", usage, *(str(votes.get(name, 0)) for name in VOTES)]))
        out.writestr("votes.csv", "\n".join(lines))
    return path


class Nobody:
    """A ``FaceDetector`` that sees no one."""

    name = "nobody"

    def __call__(self, _image: ImageArray) -> Faces:
        return Faces.none()


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        pytest.param({"happiness": 10}, "joy", id="all-agree"),
        pytest.param({"happiness": 4, "sadness": 3, "contempt": 3}, "joy", id="most"),
        pytest.param({"sadness": 4, "neutral": 4, "unknown": 2}, "neutral", id="two-of-ours-tie"),
        pytest.param({"contempt": 6, "neutral": 4}, None, id="contempt"),
        pytest.param({"contempt": 5, "neutral": 5}, None, id="tie-with-contempt"),
        pytest.param({"NF": 10}, None, id="not-a-face"),
        pytest.param({}, None, id="no-votes"),
    ],
)
def test_a_ferplus_picture_counts_when_most_chose_one_of_ours(
    tmp_path: Path, votes: dict[str, int], label: str | None
) -> None:
    rows = [item.row for item in ferplus.items(archive(tmp_path, [("Training", votes)]))]
    assert [row.label for row in rows] == ([] if label is None else [label])


def test_ferplus_votes_are_kept_and_what_is_not_ours_is_other(tmp_path: Path) -> None:
    votes = {"happiness": 5, "surprise": 2, "contempt": 1, "NF": 2}
    (item,) = ferplus.items(archive(tmp_path, [("PrivateTest", votes)]))
    assert dict(item.row.votes) == {"joy": 5, "surprise": 2, "other": 3}
    assert (item.row.subject, item.row.split, item.row.source) == ("fer0", "test", "ferplus")


def test_every_twentieth_training_picture_of_ferplus_is_for_validation(tmp_path: Path) -> None:
    rows = [("Training", {"neutral": 9})] * 40 + [("PublicTest", {"anger": 9})] * 20
    splits = [item.row.split for item in ferplus.items(archive(tmp_path, rows))]
    assert [index for index, split in enumerate(splits) if split == "val"] == [39, 59]
    assert set(splits[:20]) == {"test"}


def test_a_ferplus_picture_that_stands_twice_is_tested_and_not_learned(tmp_path: Path) -> None:
    twice = archive(tmp_path, [("Training", {"neutral": 9}), ("PublicTest", {"neutral": 9})], same=True)
    prepare(ferplus.items(twice), tmp_path / "set", name="ferplus", detector=Nobody())
    assert [row.split for row in open_prepared(tmp_path / "set").rows] == ["test"]


def test_a_ferplus_picture_without_a_face_is_the_crop(tmp_path: Path) -> None:
    (item,) = ferplus.items(archive(tmp_path, [("Training", {"neutral": 9})]))
    assert item.read().shape == (288, 288, 3)
    crop = Cropper(Nobody())(item)
    np.testing.assert_array_equal(crop, np.full((112, 112, 3), 10))


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        pytest.param({"happiness": 6, "neutral": 4}, "joy", id="more-than-half"),
        pytest.param({"happiness": 5, "neutral": 5}, None, id="half"),
        pytest.param({"happiness": 5, "neutral": 4, "fear": 1}, "joy", id="single-votes-are-left-out"),
        pytest.param({"contempt": 6, "neutral": 4}, "contempt", id="contempt-is-the-eighth"),
        pytest.param({"unknown": 6, "neutral": 4}, None, id="unknown"),
        pytest.param({"happiness": 1}, None, id="one-voter"),
        pytest.param({}, None, id="no-votes"),
    ],
)
def test_published_figures_of_ferplus_are_about_clear_majorities(
    tmp_path: Path, votes: dict[str, int], label: str | None
) -> None:
    rows = [("PublicTest", votes), ("Training", votes)]
    found = [item.row for item in ferplus.items(archive(tmp_path, rows), paper=True)]
    assert [(row.label, row.split) for row in found] == ([] if label is None else [(label, "test")])


def test_the_official_ferplus_files_are_read_side_by_side(tmp_path: Path) -> None:
    pixels = " ".join(["7"] * 48 * 48)
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n3,{pixels},Training\n3,7 7,PublicTest\n")
    names = ",".join(["Usage", "Image name", *VOTES])
    scores = "0,9,0,0,0,0,0,0,1,0"
    (tmp_path / "fer2013new.csv").write_text(f"{names}\nTraining,a.png,{scores}\nPublicTest,b.png,{scores}\n")
    second, first = ferplus.items(tmp_path)  # what tests comes first
    assert (first.row.path, first.row.label, first.read().max()) == ("fer2013.csv#0", "joy", 7)
    assert first.row.subject != second.row.subject
    with pytest.raises(DataError, match="48 x 48 grey values"):
        second.read()


@pytest.mark.parametrize("content", [pytest.param(None, id="missing"), pytest.param(b"no archive", id="no-archive")])
def test_a_ferplus_archive_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ferplus.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"(ferplus\.zip|fer2013new\.csv)"):
        list(ferplus.items(path))


def test_lfw_expressions_are_read_as_the_table_says(tmp_path: Path) -> None:
    lines = ["a.png,joy,joy,Ann,1930,train", "b.png,neutral,neutral,Ben,,test", "c.png,contempt,,Cy,,train"]
    (tmp_path / "labels.csv").write_text("path,label,proxy9,subject,birth_year,split\n" + "\n".join(lines))
    rows = [item.row for item in lfw.expressions(tmp_path)]
    assert [(row.label, row.subject, row.split, row.age) for row in rows] == [
        ("joy", "Ann", "train", 73),
        ("neutral", "Ben", "test", None),
    ]
    assert rows[0].landmarks == ALIGNED
    assert [item.row.subject for item in lfw.expressions(tmp_path, only="test")] == ["Ben"]


def test_lfw_identities_have_pairs(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,identity,split\nann/1.png,ann,train\nben/1.png,ben,verif\n")
    (tmp_path / "pairs_verif.csv").write_text("a,b,same\nben/1.png,ben/2.png,1\nben/1.png,cy/1.png,0\n")
    assert [(item.row.subject, item.row.split) for item in lfw.identities(tmp_path)] == [
        ("ann", "train"),
        ("ben", "val"),
    ]
    assert open_pairs("lfw-identities", tmp_path) == (
        Pair("ben/1.png", "ben/2.png", True),
        Pair("ben/1.png", "cy/1.png", False),
    )


def test_an_unknown_split_of_lfw_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,identity,split\nann/1.png,ann,dev\n")
    with pytest.raises(DataError, match="no split 'dev'"):
        list(lfw.identities(tmp_path))


def test_london_is_for_testing_and_knows_age_and_sex(tmp_path: Path) -> None:
    lines = ["a.jpg,l/a.jpg,smiling,001,60,female", "b.jpg,l/b.jpg,neutral,002,unknown,male"]
    (tmp_path / "labels.csv").write_text("path,loose,label,subject,age,gender\n" + "\n".join(lines))
    rows = [item.row for item in london.items(tmp_path)]
    assert [(row.label, row.age, row.sex, row.split) for row in rows] == [
        ("joy", 60, "f", "test"),
        ("neutral", None, "m", "test"),
    ]
    assert [item.row.path for item in london.items(tmp_path, loose=True)] == ["l/a.jpg", "l/b.jpg"]
    assert [item.row.split for item in london.items(tmp_path, halves=True)] == ["train", "test"]


def test_utkface_has_ages_and_nobody_to_learn_labels_from(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("path,age,gender,race\n71_1.jpg,71,female,asian\n80_0.jpg,,male,white\n")
    first, second = (item.row for item in utkface.items(tmp_path))
    assert (first.subject, first.age, first.sex, first.label, first.split) == ("71_1", 71.0, "f", "", "")
    assert (second.age, second.sex) == (None, "m")
    assert detect_kind(tmp_path) == "utkface"


@pytest.mark.parametrize("kind", ["lfw-expressions", "lfw-identities", "london"])
def test_a_missing_table_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match=r"labels\.csv: cannot be read"):
        list(open_source(kind, tmp_path))


PEOPLE = RenderedPeople(people=10, images=9, size_px=96)


def test_rendered_people_show_everything_and_stay_in_one_split() -> None:
    rows = [item.row for item in items(PEOPLE)]
    check_rows(rows, NINE, complete=True)
    assert Counter(row.label for row in rows) == dict.fromkeys(NINE.labels, 10)
    assert Counter(row.split for row in rows) == {"train": 54, "val": 18, "test": 18}
    assert all(row.age is not None and 65 <= row.age <= 95 for row in rows)
    assert {row.sex for row in rows} == {"f", "m"}


@pytest.mark.parametrize("domain", ["studio", "home"])
def test_a_rendered_picture_is_always_the_same_and_in_colour(domain: str) -> None:
    settings = PEOPLE.model_copy(update={"domain": domain})
    first, again = (next(iter(items(settings))).read() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first.shape, colour_counts(first[None])) == ((112, 112, 3), (1, 0))


def test_another_domain_purpose_or_seed_shows_other_people() -> None:
    others = [{}, {"domain": "studio"}, {"purpose": "identities"}, {"seed": 2}]
    people = [next(iter(items(PEOPLE.model_copy(update=other)))).row for other in others]
    assert len({row.age for row in people}) == len({row.source for row in people}) == 4


def test_rendered_identities_have_pairs_of_people_that_are_not_learned() -> None:
    settings = PEOPLE.model_copy(update={"purpose": "identities"})
    rows = {item.row.path: item.row for item in items(settings)}
    drawn = pairs(settings, 50)
    assert {row.label for row in rows.values()} == {""}
    assert Counter(pair.same for pair in drawn) == {True: 50, False: 50}
    assert all((rows[a].subject == rows[b].subject) == same and a != b for a, b, same in drawn)
    assert {rows[path].split for a, b, _ in drawn for path in (a, b)} == {"val"}
    assert drawn == pairs(settings, 50)


def test_the_shared_sets_can_be_prepared(shared: Path, tmp_path: Path) -> None:
    faces = list(open_source("lfw-identities", shared / "data" / "lfw_identities"))
    some = [item for item in faces if item.row.split == "val"][:40]
    drawn = open_pairs("lfw-identities", shared / "data" / "lfw_identities")
    done = prepare(some, tmp_path, name="lfw", detector=None, pairs=drawn)
    assert (done.count, done.pairs > 0) == (40, True)
    np.testing.assert_array_equal(open_prepared(tmp_path).crops(np.array([7]))[0], some[7].read())


def test_ferplus_faces_are_found_by_the_devices_detector(shared: Path, tmp_path: Path) -> None:
    detector = YuNet(
        shared / "detector_yunet" / "yunet_n_640_640.onnx", DetectorSettings(confidence=ferplus.CONFIDENCE)
    )
    source = ferplus.items(shared / "data" / "ferplus" / "ferplus_dev.zip")
    some = [item for item, _ in zip(source, range(30), strict=False)]
    found = sum(len(detector(item.read())) > 0 for item in some)
    assert found >= 25
    assert prepare(some, tmp_path, name="ferplus", detector=detector).refused == {}
