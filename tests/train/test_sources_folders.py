"""Folders of folders, AffectNet's three shapes, manifests, and telling which is which."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from ffe_edge.errors import ConfigError, DataError, FfeError
from ffe_train.sources import KINDS, affectnet, detect_kind, folders, manifests, nagoya, open_pairs, open_source
from ffe_train.sources.images import decoded, read_image
from ffe_train.tasks import NINE


def picture(path: Path, side: int = 112, red: int = 200) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((side, side, 3), (60, 90, red), np.uint8))
    return path


def album(root: Path, *names: str) -> Path:
    for name in names:
        picture(root / name)
    return root


def test_people_are_named_by_their_folder(tmp_path: Path) -> None:
    root = album(tmp_path / "faces", "ann/1.jpg", "ann/2.png", "ben/x/3.JPG")
    (root / "ann" / "notes.txt").write_text("no picture")
    rows = [item.row for item in folders.people(root)]
    assert [(row.path, row.subject, row.label) for row in rows] == [
        ("ann/1.jpg", "ann", ""),
        ("ann/2.png", "ann", ""),
        ("ben/x/3.JPG", "ben", ""),
    ]
    assert {(row.source, row.split, row.landmarks) for row in rows} == {("faces", "train", None)}


def test_every_third_person_may_be_held_out(tmp_path: Path) -> None:
    root = album(tmp_path, *(f"p{number}/{picture}.jpg" for number in range(6) for picture in range(2)))
    val = {item.row.subject for item in folders.people(root, val_every=3) if item.row.split == "val"}
    assert val == {"p2", "p5"}


def test_aligned_pictures_must_have_a_crops_size(tmp_path: Path) -> None:
    picture(tmp_path / "ann" / "1.jpg", side=250)
    (item,) = folders.people(tmp_path, aligned=True)
    with pytest.raises(DataError, match="is 250 x 250, not an aligned 112 x 112 crop"):
        item.read()


def test_labels_are_named_by_their_folder_and_known_names_become_ours(tmp_path: Path) -> None:
    root = album(tmp_path, "Happy/a.png", "pain/b.png")
    rows = [item.row for item in folders.labels(root, split="test")]
    assert [(row.label, row.subject, row.split) for row in rows] == [
        ("joy", "Happy/a", "test"),
        ("pain", "pain/b", "test"),
    ]


def test_split_folders_may_stand_above_the_labels(tmp_path: Path) -> None:
    root = album(tmp_path, "train/joy/a.png", "valid/joy/b.png", "test/fear/c.png")
    rows = [item.row for item in folders.labels(root)]
    assert {row.path: (row.label, row.split) for row in rows} == {
        "train/joy/a.png": ("joy", "train"),
        "valid/joy/b.png": ("joy", "val"),
        "test/fear/c.png": ("fear", "test"),
    }


def test_the_subject_may_stand_in_the_files_name(tmp_path: Path) -> None:
    root = album(tmp_path, "joy/017_1.png", "fear/017_2.png")
    assert {item.row.subject for item in folders.labels(root, subject=r"^(\d+)_")} == {"017"}
    with pytest.raises(DataError, match="does not tell who it is"):
        list(folders.labels(root, subject=r"^(person\d+)_"))
    with pytest.raises(ConfigError, match="has no group"):
        list(folders.labels(root, subject=r"^\d+_"))
    with pytest.raises(ConfigError, match="no regular expression"):
        list(folders.labels(root, subject="("))


@pytest.mark.parametrize("names", [pytest.param([], id="no-folders"), pytest.param(["ann"], id="empty-folder")])
def test_folders_without_pictures_are_named(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=r"holds no (folders|picture)"):
        list(folders.people(tmp_path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b"", "is no picture", id="empty"),
        pytest.param(b"no picture", "is no picture", id="text"),
        pytest.param(None, "cannot be read", id="absent"),
        pytest.param(-400, "is cut off", id="cut-off"),
    ],
)
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes | int | None, told: str) -> None:
    path = tmp_path / "顔.jpg"
    if isinstance(content, int):
        content = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (99, 99, 3)))[1].tobytes()[:content]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"顔\.jpg: {told}"):
        read_image(path)


AFFECTNET = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"


def png_header(side: int) -> bytes:
    """A PNG that says its size and holds no picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_picture_larger_than_can_be_decoded_is_unreadable() -> None:
    with pytest.raises(DataError, match=r"huge\.png: cannot be decoded .* too large"):
        decoded(png_header(100_000), "huge.png")


def test_a_jpeg_cut_off_behind_its_small_picture_is_told() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    whole = cv2.imencode(".jpg", noise)[1].tobytes()
    exif = b"\xff\xe1" + struct.pack(">H", len(whole) + 2) + whole
    outer = whole[:2] + exif + whole[2:]
    np.testing.assert_array_equal(decoded(outer, "whole.jpg"), decoded(whole, "plain.jpg"))
    for end in (len(exif) + 900, len(exif) - 10, len(outer) - 2):
        with pytest.raises(DataError, match="is cut off"):
            decoded(outer[:end], "cut.jpg")


def test_affectnets_csv_gives_boxes_and_drops_what_is_no_expression(tmp_path: Path) -> None:
    lines = ["1/a.jpg,10,20,30,40,1;2,1,.5,.5", "1/b.jpg,0,0,0,0,,7,0,0", "1/c.jpg,1,1,5,5,,8,-2,-2"]
    (tmp_path / "training.csv").write_text(AFFECTNET + "\n".join(lines))
    (tmp_path / "validation.csv").write_text(AFFECTNET + "2/d.jpg,1,1,5,5,,0,0,0")
    picture(tmp_path / "Manually_Annotated_Images" / "1" / "a.jpg")
    read = list(affectnet.items(tmp_path))
    assert [(item.row.label, item.row.split, item.row.xyxy) for item in read] == [
        ("joy", "train", (10, 20, 40, 60)),
        ("contempt", "train", None),
        ("neutral", "val", (1, 1, 6, 6)),
    ]
    assert read[0].read().shape == (112, 112, 3)
    assert len({item.row.subject for item in read}) == 3


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("1/a.jpg,1,1,5,5,,11,0,0", "'11' is no expression", id="number"),
        pytest.param("1/a.jpg,1,1,5,5,,happy,0,0", "'happy' is no expression", id="word"),
        pytest.param("1/a.jpg,1,x,5,5,,1,0,0", "'x' in column face_y is not a number", id="box"),
    ],
)
def test_an_affectnet_line_that_makes_no_sense_is_named(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "training.csv").write_text(AFFECTNET + line)
    with pytest.raises(DataError, match=told):
        list(affectnet.items(tmp_path))


def test_affectnets_pack_keeps_the_label_beside_the_picture(tmp_path: Path) -> None:
    for folder, number, label in [("train_set", 10, "6"), ("train_set", 9, "0"), ("val_set", 3, "4")]:
        notes = tmp_path / folder / "annotations"
        notes.mkdir(parents=True, exist_ok=True)
        np.save(notes / f"{number}_exp.npy", np.array(label))
        np.save(notes / f"{number}_val.npy", np.array("0.1"))
        picture(tmp_path / folder / "images" / f"{number}.jpg", side=224)
    read = list(affectnet.items(tmp_path))
    assert [(item.row.path, item.row.label, item.row.split) for item in read] == [
        ("train_set/images/9.jpg", "neutral", "train"),
        ("train_set/images/10.jpg", "anger", "train"),
        ("val_set/images/3.jpg", "fear", "val"),
    ]
    assert read[2].read().shape == (224, 224, 3)


def test_a_pickle_in_affectnets_pack_is_not_loaded(tmp_path: Path) -> None:
    notes = tmp_path / "train_set" / "annotations"
    notes.mkdir(parents=True)
    np.save(notes / "1_exp.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(DataError, match="no array with one label"):
        list(affectnet.items(tmp_path))


def test_affectnet_as_folders_knows_numbers_and_names(tmp_path: Path) -> None:
    root = album(tmp_path, "train/1/a.jpg", "val/Sad/b.jpg")
    assert [(item.row.label, item.row.split) for item in affectnet.items(root)] == [
        ("joy", "train"),
        ("sadness", "val"),
    ]


NAGOYA = "path,subject,label,votes,age,sex,camera,elicitation\n"


def test_a_manifest_reads_files_and_members_of_archives(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", red=210)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "in/b.png")
    (tmp_path / "manifest.csv").write_text("path,subject,source\na.png,1,\nx.zip#in/b.png,2,other\nx.zip#c.png,3,\n")
    first, second, third = manifests.items(tmp_path)
    assert (first.row.source, second.row.source) == (tmp_path.name, "other")
    np.testing.assert_array_equal(first.read(), second.read())
    with pytest.raises(DataError, match=r"x\.zip#c\.png: is not in the archive"):
        third.read()


def test_the_nagoya_manifest_is_read_with_its_counts(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(NAGOYA + "001/j.jpg,001,joy,joy=4;other=1,73,f,2,scenario\n")
    (item,) = nagoya.items(tmp_path)
    assert (item.row.source, item.row.votes, item.row.age) == ("nagoya", {"joy": 4, "other": 1}, 73)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("a,1,joy,,73,f,2,", "its elicitation is missing", id="elicitation-missing"),
        pytest.param("a,1,joy,,,f,2,scenario", "its age is missing", id="age-missing"),
        pytest.param("a,1,happy,,73,f,2,scenario", "'happy' is no label", id="label"),
        pytest.param("a,1,joy,happy=1,73,f,2,scenario", "'happy' is no label", id="vote"),
        pytest.param("a,1,other,,73,f,2,scenario", "answer of raters alone", id="other"),
        pytest.param("a,1,joy,,73,f,2,posed", "elicitation 'posed' is none of scenario, imitation", id="elicitation"),
    ],
)
def test_a_nagoya_row_that_lacks_something_is_named(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "manifest.csv").write_text(NAGOYA + line + "\n")
    with pytest.raises(DataError, match=told):
        list(nagoya.items(tmp_path))


def made(root: Path, kind: str) -> Path:
    """A tiny data set of a kind."""
    files = {
        "recordio": ("train.rec", ""),
        "affectnet": ("training.csv", AFFECTNET),
        "lfw-expressions": ("labels.csv", "path,label,proxy9,subject,birth_year,split\n"),
        "lfw-identities": ("labels.csv", "path,identity,split\n"),
        "london": ("labels.csv", "path,loose,label,subject,age,gender\n"),
        "utkface": ("index.csv", "path,age,gender,race\n"),
        "nagoya": ("manifest.csv", NAGOYA),
        "manifest": ("manifest.csv", "path,subject\n"),
        "ferplus": ("fer2013new.csv", "Usage\n"),
    }
    if kind == "identity-folders":
        return album(root, *(f"p{number}/1.jpg" for number in range(20)))
    if kind == "label-folders":
        return album(root, "train/happy/1.jpg", "train/sad/1.jpg")
    name, text = files[kind]
    (root / name).write_text(text)
    return root


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("rendered")])
def test_a_set_is_known_by_what_its_folder_holds(tmp_path: Path, kind: str) -> None:
    assert detect_kind(made(tmp_path, kind)) == kind


def test_a_file_is_known_by_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(NAGOYA)
    (tmp_path / "validation.csv").write_text(AFFECTNET)
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("votes.csv", "")
    (tmp_path / "m.parquet").touch()
    found = [detect_kind(tmp_path / name) for name in ("m.csv", "validation.csv", "f.zip", "m.parquet")]
    assert found == ["nagoya", "affectnet", "ferplus", "manifest"]


def test_folders_by_number_are_affectnets(tmp_path: Path) -> None:
    assert detect_kind(album(tmp_path, "0/a.jpg", "1/b.jpg", "2/c.jpg")) == "affectnet"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        pytest.param(["pain/a.jpg", "no-pain/b.jpg"], r"cannot tell .* Looked for recordio: a \.rec file", id="unsure"),
        pytest.param([], "cannot tell what kind", id="empty"),
        pytest.param(["set.json"], "is a prepared set already", id="prepared"),
    ],
)
def test_when_unsure_it_says_what_it_looked_for(tmp_path: Path, names: list[str], told: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=told):
        detect_kind(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        detect_kind(tmp_path / "absent")


def test_a_set_is_opened_with_its_readers_options(tmp_path: Path) -> None:
    root = album(tmp_path, "joy/7_a.png", "fear/8_b.png")
    rows = [item.row for item in open_source("label-folders", root, subject=r"^(\d+)_", source="mine")]
    assert {(row.source, row.subject) for row in rows} == {("mine", "7"), ("mine", "8")}
    assert {row.label for row in rows} < set(NINE.labels)
    assert open_pairs("label-folders", root) == ()


@pytest.mark.parametrize(
    ("kind", "path", "options", "told"),
    [
        pytest.param("mnist", Path(), {}, "no kind of data set 'mnist'", id="kind"),
        pytest.param("london", Path(), {"colour": 1}, "london takes no option 'colour'", id="option"),
        pytest.param("london", None, {}, "needs the path", id="path"),
        pytest.param("rendered-expressions", None, {"hats": 1}, "hats: unknown option", id="rendered-option"),
        pytest.param("rendered-expressions", None, {"ages": (90, 60)}, "the youngest and the oldest", id="ages"),
        pytest.param("rendered-identities", None, {"people": 1}, "people: Input should be", id="people"),
    ],
)
def test_a_set_that_cannot_be_opened_is_told(
    kind: str, path: Path | None, options: dict[str, object], told: str
) -> None:
    with pytest.raises(FfeError, match=told):
        open_source(kind, path, **options)


def test_options_may_be_text_as_a_command_line_gives_them(tmp_path: Path) -> None:
    root = album(tmp_path, *(f"p{number}/{number}.png" for number in range(4)))
    rows = [item.row for item in open_source("identity-folders", root, aligned="no", val_every="2", split="test")]
    assert [row.split for row in rows] == ["test", "val", "test", "val"]
    assert {row.landmarks for row in rows} == {None}
    assert all(item.row.landmarks for item in open_source("identity-folders", root, aligned="Yes"))


def test_a_comma_in_an_expression_is_no_list(tmp_path: Path) -> None:
    root = album(tmp_path, "joy/ann12.png", "joy/ben7.png")
    rows = [item.row for item in open_source("label-folders", root, subject="^([a-z]{2,3})")]
    assert [row.subject for row in rows] == ["ann", "ben"]


def test_ages_are_two_numbers_with_a_comma() -> None:
    first = next(iter(open_source("rendered-expressions", None, people="5", images="1", ages="70,71")))
    assert first.row.age is not None
    assert 70 <= first.row.age <= 71


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        pytest.param("identity-folders", {"aligned": "maybe"}, "true, false, yes or no, not 'maybe'", id="bool"),
        pytest.param("identity-folders", {"val_every": "few"}, "val_every is a whole number, not 'few'", id="int"),
        pytest.param("identity-folders", {"split": "dev"}, "split is one of train, val, test, not 'dev'", id="choice"),
        pytest.param("label-folders", {"names": "a"}, "names is nothing that a text can give", id="mapping"),
        pytest.param("rendered-expressions", {"ages": "70"}, "ages.1: Field required", id="one-age"),
        pytest.param(
            "rendered-expressions", {"people": "many"}, "people: Input should be a valid integer", id="people"
        ),
    ],
)
def test_text_of_another_form_is_refused_with_the_form(
    tmp_path: Path, kind: str, options: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        open_source(kind, tmp_path, **options)
